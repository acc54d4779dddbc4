//! Spans as OpenTelemetry has them, in protobuf.
//!
//! They are written without its messages, which would take an allocation for each text. Lists of
//! protobuf can be written one element at a time, so spans are appended as they come.

use std::time::Duration;

use bytes::Bytes;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint, key_len};

use super::span::{Span, SpanKind, TagValue, sent};

/// Numbers of fields, by their messages.
mod field {
    pub const RESOURCE_SPANS: u32 = 1;

    pub const RESOURCE: u32 = 1;
    pub const SCOPE_SPANS: u32 = 2;

    pub const RESOURCE_ATTRIBUTES: u32 = 1;

    pub const SCOPE: u32 = 1;
    pub const SPANS: u32 = 2;

    pub const SCOPE_NAME: u32 = 1;
    pub const SCOPE_VERSION: u32 = 2;

    pub const TRACE_ID: u32 = 1;
    pub const SPAN_ID: u32 = 2;
    pub const TRACE_STATE: u32 = 3;
    pub const PARENT_SPAN_ID: u32 = 4;
    pub const NAME: u32 = 5;
    pub const KIND: u32 = 6;
    pub const START: u32 = 7;
    pub const END: u32 = 8;
    pub const ATTRIBUTES: u32 = 9;
    pub const STATUS: u32 = 15;

    pub const KEY: u32 = 1;
    pub const VALUE: u32 = 2;
    pub const STRING_VALUE: u32 = 1;
    pub const CODE: u32 = 3;
}

const SPAN_KIND_SERVER: u64 = 2;
const SPAN_KIND_CLIENT: u64 = 3;
const STATUS_CODE_ERROR: u64 = 2;

const NAME: &str = "pillion";
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Spans of a workload.
#[derive(Debug)]
pub(super) struct Otlp {
    /// The field `resource`.
    resource: Vec<u8>,
    /// The field `scope`.
    scope: Vec<u8>,
}

impl Otlp {
    /// Spans of a workload of that name.
    pub fn new(service_name: &str) -> Self {
        let mut attributes = Vec::new();
        for (name, value) in [
            ("service.name", service_name),
            ("telemetry.sdk.name", NAME),
            ("telemetry.sdk.language", "rust"),
            ("telemetry.sdk.version", VERSION),
        ] {
            let value = sent(value).as_bytes();
            attribute(field::RESOURCE_ATTRIBUTES, name, value, &mut attributes);
        }
        let mut names = Vec::new();
        bytes(field::SCOPE_NAME, NAME.as_bytes(), &mut names);
        bytes(field::SCOPE_VERSION, VERSION.as_bytes(), &mut names);
        let (mut resource, mut scope) = (Vec::new(), Vec::new());
        bytes(field::RESOURCE, &attributes, &mut resource);
        bytes(field::SCOPE, &names, &mut scope);
        Self { resource, scope }
    }

    /// The body of a request with these spans.
    pub fn body(&self, spans: &[u8]) -> Bytes {
        let of_scope = self.scope.len() + spans.len();
        let of_resource = self.resource.len() + bytes_len(of_scope);
        let mut out = Vec::with_capacity(bytes_len(of_resource));
        begin(field::RESOURCE_SPANS, of_resource, &mut out);
        out.extend_from_slice(&self.resource);
        begin(field::SCOPE_SPANS, of_scope, &mut out);
        out.extend_from_slice(&self.scope);
        out.extend_from_slice(spans);
        out.into()
    }
}

/// Appends a span.
pub(super) fn write(span: &Span<'_>, out: &mut Vec<u8>) {
    let start = out.len();
    fields(span, out);
    let length = out.len() - start;
    // Only now it is known what stands before it.
    begin(field::SPANS, length, out);
    let of_head = out.len() - start - length;
    out[start..].rotate_right(of_head);
}

fn fields(span: &Span<'_>, out: &mut Vec<u8>) {
    bytes(field::TRACE_ID, &span.trace.get().to_be_bytes(), out);
    bytes(field::SPAN_ID, &span.id.get().to_be_bytes(), out);
    if !span.trace_state.is_empty() {
        bytes(field::TRACE_STATE, sent(span.trace_state).as_bytes(), out);
    }
    if let Some(parent) = span.parent {
        bytes(field::PARENT_SPAN_ID, &parent.get().to_be_bytes(), out);
    }
    bytes(field::NAME, sent(span.name).as_bytes(), out);
    let kind = match span.kind {
        SpanKind::Client => SPAN_KIND_CLIENT,
        SpanKind::Server => SPAN_KIND_SERVER,
    };
    number(field::KIND, kind, out);
    let started = span.since_epoch();
    time(field::START, started, out);
    time(field::END, started.saturating_add(span.duration), out);
    if span.is_error {
        begin(
            field::STATUS,
            number_len(field::CODE, STATUS_CODE_ERROR),
            out,
        );
        number(field::CODE, STATUS_CODE_ERROR, out);
    }
    let mut digits = itoa::Buffer::new();
    for it in span.sent_tags() {
        let (name, value) = (sent(it.name), it.value.sent(&mut digits));
        match it.value {
            TagValue::Text(_) | TagValue::Number(_) => {
                attribute(field::ATTRIBUTES, name, value, out);
            }
            // All texts of protobuf are UTF-8.
            TagValue::Bytes(_) => {
                let value = String::from_utf8_lossy(value);
                attribute(field::ATTRIBUTES, name, value.as_bytes(), out);
            }
        }
    }
}

/// A `KeyValue` whose value is a text.
fn attribute(field: u32, name: &str, value: &[u8], out: &mut Vec<u8>) {
    let of_value = bytes_len(value.len());
    begin(field, bytes_len(name.len()) + bytes_len(of_value), out);
    bytes(field::KEY, name.as_bytes(), out);
    begin(field::VALUE, of_value, out);
    bytes(field::STRING_VALUE, value, out);
}

fn time(field: u32, since_epoch: Duration, out: &mut Vec<u8>) {
    let nanoseconds = u64::try_from(since_epoch.as_nanos()).unwrap_or(u64::MAX);
    encode_key(field, WireType::SixtyFourBit, out);
    out.extend_from_slice(&nanoseconds.to_le_bytes());
}

fn number(field: u32, number: u64, out: &mut Vec<u8>) {
    encode_key(field, WireType::Varint, out);
    encode_varint(number, out);
}

fn number_len(field: u32, number: u64) -> usize {
    key_len(field) + encoded_len_varint(number)
}

fn bytes(field: u32, bytes: &[u8], out: &mut Vec<u8>) {
    begin(field, bytes.len(), out);
    out.extend_from_slice(bytes);
}

/// What a field of so many bytes takes. Those that are measured have numbers below 16.
fn bytes_len(length: usize) -> usize {
    1 + encoded_len_varint(length as u64) + length
}

/// What stands before so many bytes: a text, or a message.
fn begin(field: u32, length: usize, out: &mut Vec<u8>) {
    // Most take a byte each.
    if let (Ok(field @ ..16), Ok(length @ ..128)) = (u8::try_from(field), u8::try_from(length)) {
        let key = field << 3 | WireType::LengthDelimited as u8;
        out.extend_from_slice(&[key, length]);
        return;
    }
    encode_key(field, WireType::LengthDelimited, out);
    encode_varint(length as u64, out);
}

#[cfg(test)]
mod tests {
    use pillion_envoy_api::opentelemetry::proto::{
        collector::trace::v1::ExportTraceServiceRequest,
        common::v1::{KeyValue, any_value},
        trace::v1::{Span as Message, Status, span::SpanKind, status::StatusCode},
    };
    use prost::Message as _;

    use super::*;
    use crate::records::trace::{
        span::{SpanId, Tag},
        test_util::span,
    };

    fn decoded(all: &[Span<'_>]) -> ExportTraceServiceRequest {
        let mut spans = Vec::new();
        all.iter().for_each(|span| write(span, &mut spans));
        let body = Otlp::new("reviews.shop").body(&spans);
        ExportTraceServiceRequest::decode(body).unwrap()
    }

    fn sent_spans(all: &[Span<'_>]) -> Vec<Message> {
        let mut request = decoded(all);
        request.resource_spans.remove(0).scope_spans.remove(0).spans
    }

    fn pairs(attributes: &[KeyValue]) -> Vec<(&str, &str)> {
        attributes.iter().map(pair).collect()
    }

    fn pair(attribute: &KeyValue) -> (&str, &str) {
        match attribute.value.as_ref().unwrap().value.as_ref() {
            Some(any_value::Value::StringValue(value)) => (&attribute.key, value),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn says_whose_spans_these_are() {
        let request = decoded(&[span()]);
        let [of_resource] = request.resource_spans.as_slice() else {
            panic!("{request:?}");
        };
        let resource = of_resource.resource.as_ref().unwrap();
        let attributes = pairs(&resource.attributes);
        assert_eq!(attributes[0], ("service.name", "reviews.shop"));
        assert_eq!(attributes[1], ("telemetry.sdk.name", "pillion"));
        let [of_scope] = of_resource.scope_spans.as_slice() else {
            panic!("{request:?}");
        };
        let scope = of_scope.scope.as_ref().unwrap();
        assert_eq!(
            (&*scope.name, &*scope.version, of_scope.spans.len()),
            ("pillion", VERSION, 1)
        );
    }

    #[test]
    fn a_span_has_all_that_it_says() {
        let tags = [
            Tag::text("component", "proxy"),
            Tag::number("http.status_code", 503),
            Tag::bytes("user_agent", b"a\xffb"),
        ];
        let server = Span {
            parent: SpanId::new(0x0c),
            tags: &tags,
            is_error: true,
            trace_state: "vendor=1",
            ..span()
        };
        let sent = sent_spans(&[server]).remove(0);
        let start = 1_460_751_910_007_000_000;
        assert_eq!(
            sent.trace_id.as_ref(),
            [0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 10]
        );
        assert_eq!(sent.span_id.as_ref(), [0, 0, 0, 0, 0, 0, 0, 11]);
        assert_eq!(sent.parent_span_id.as_ref(), [0, 0, 0, 0, 0, 0, 0, 12]);
        assert_eq!(sent.name, "reviews.shop.svc.cluster.local:9080/*");
        assert_eq!(sent.trace_state, "vendor=1");
        assert_eq!(sent.kind(), SpanKind::Server);
        assert_eq!(sent.start_time_unix_nano, start);
        assert_eq!(sent.end_time_unix_nano, start + 1_500_000);
        assert_eq!(
            sent.status.as_ref().map(Status::code),
            Some(StatusCode::Error)
        );
        assert_eq!(
            pairs(&sent.attributes),
            [
                ("component", "proxy"),
                ("http.status_code", "503"),
                ("user_agent", "a\u{fffd}b"),
            ]
        );
    }

    #[test]
    fn a_first_span_has_neither_parent_nor_status() {
        let first = Span {
            kind: super::SpanKind::Client,
            ..span()
        };
        let sent = sent_spans(&[first]).remove(0);
        assert!(sent.parent_span_id.is_empty() && sent.attributes.is_empty());
        assert_eq!((sent.kind(), sent.status), (SpanKind::Client, None));
    }

    #[test]
    fn spans_of_any_length_follow_each_other() {
        let long = "x".repeat(1000);
        let tags: Vec<_> = (0..100).map(|_| Tag::text("long", &long)).collect();
        let all: Vec<_> = [0, 1, 20, 100]
            .map(|count| Span {
                tags: &tags[..count],
                ..span()
            })
            .into();
        let counts: Vec<_> = sent_spans(&all)
            .iter()
            .map(|span| span.attributes.len())
            .collect();
        assert_eq!(counts, [0, 1, 20, super::super::span::MAX_TAGS]);
    }
}
