//! Both forms of spans, whatever clients send.

use pillion_envoy_api::opentelemetry::proto::collector::trace::v1::ExportTraceServiceRequest;
use proptest::{collection::vec, prelude::*};
use prost::Message as _;
use serde_json::Value;

use super::{
    otlp::{self, Otlp},
    span::{MAX_TAGS, Span, Tag},
    test_util::span,
    zipkin::{self, Zipkin},
};

/// A span's name, its `tracestate`, and the values of its tags.
type Said = (String, String, Vec<Vec<u8>>);

fn spans() -> impl Strategy<Value = Vec<Said>> {
    let values = vec(vec(any::<u8>(), 0..40), 0..MAX_TAGS + 10);
    vec(("\\PC*", ".*", values), 1..4)
}

proptest! {
    #[test]
    fn are_whole_and_have_all_tags(all in spans()) {
        let zipkin = Zipkin::new("shop", None);
        let (mut json, mut protobuf) = (Vec::new(), Vec::new());
        for (name, trace_state, values) in &all {
            let names: Vec<_> = (0..values.len()).map(|number| number.to_string()).collect();
            let tags = names.iter().zip(values);
            let tags: Vec<_> = tags.map(|(name, value)| Tag::bytes(name, value)).collect();
            let span = Span { name, trace_state, tags: &tags, ..span() };
            zipkin.write(&span, &mut json);
            otlp::write(&span, &mut protobuf);
        }
        let json: Value = serde_json::from_slice(&zipkin::body(json)).unwrap();
        let body = Otlp::new("shop").body(&protobuf);
        let protobuf = ExportTraceServiceRequest::decode(body).unwrap();
        let protobuf = &protobuf.resource_spans[0].scope_spans[0].spans;
        let json = json.as_array().unwrap();
        prop_assert_eq!((json.len(), protobuf.len()), (all.len(), all.len()));
        for ((name, _, values), (json, protobuf)) in all.iter().zip(json.iter().zip(protobuf)) {
            prop_assert_eq!((json["name"].as_str(), &protobuf.name), (Some(&**name), name));
            let sent = &values[..values.len().min(MAX_TAGS)];
            prop_assert_eq!(protobuf.attributes.len(), sent.len());
            for (number, value) in sent.iter().enumerate() {
                let text = (!value.is_empty()).then(|| String::from_utf8_lossy(value));
                prop_assert_eq!(json["tags"][number.to_string()].as_str(), text.as_deref());
            }
        }
    }
}
