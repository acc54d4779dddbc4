//! Spans as Zipkin's version 2 has them, in JSON.

use std::{net::IpAddr, time::Duration};

use bytes::Bytes;

use super::span::{Span, SpanKind, sent};
use crate::records::escape::json;

/// Spans of a workload.
#[derive(Debug)]
pub(super) struct Zipkin {
    /// The field `localEndpoint` with its comma.
    endpoint: Vec<u8>,
}

impl Zipkin {
    /// Spans of a workload of that name and address.
    pub fn new(service_name: &str, address: Option<IpAddr>) -> Self {
        let mut endpoint = b",\"localEndpoint\":{\"serviceName\":\"".to_vec();
        json(sent(service_name).as_bytes(), &mut endpoint);
        endpoint.push(b'"');
        if let Some(address) = address {
            let field = if address.is_ipv4() { "ipv4" } else { "ipv6" };
            endpoint.extend_from_slice(format!(",\"{field}\":\"{address}\"").as_bytes());
        }
        endpoint.push(b'}');
        Self { endpoint }
    }

    /// Appends a span, with a comma before it.
    pub fn write(&self, span: &Span<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(b",{\"traceId\":\"");
        out.extend_from_slice(span.trace.hex().as_bytes());
        out.extend_from_slice(b"\",\"id\":\"");
        out.extend_from_slice(span.id.hex().as_bytes());
        if let Some(parent) = span.parent {
            out.extend_from_slice(b"\",\"parentId\":\"");
            out.extend_from_slice(parent.hex().as_bytes());
        }
        out.extend_from_slice(match span.kind {
            SpanKind::Client => b"\",\"kind\":\"CLIENT\",\"name\":\"",
            SpanKind::Server => b"\",\"kind\":\"SERVER\",\"name\":\"",
        });
        json(sent(span.name).as_bytes(), out);
        out.extend_from_slice(b"\",\"timestamp\":");
        number(microseconds(span.since_epoch()), out);
        out.extend_from_slice(b",\"duration\":");
        // Zipkin takes 0 for a span that has not ended.
        number(microseconds(span.duration).max(1), out);
        out.extend_from_slice(&self.endpoint);
        tags(span, out);
        out.push(b'}');
    }
}

/// The body of a request with these spans, of which there is at least one.
pub(super) fn body(mut spans: Vec<u8>) -> Bytes {
    if let Some(comma) = spans.first_mut() {
        *comma = b'[';
    }
    spans.push(b']');
    spans.into()
}

/// As in Envoy, a tag without a value is none.
fn tags(span: &Span<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"tags\":{");
    let before = out.len();
    let mut digits = itoa::Buffer::new();
    for it in span.sent_tags() {
        let value = it.value.sent(&mut digits);
        if !value.is_empty() {
            tag(sent(it.name).as_bytes(), value, out);
        }
    }
    if out.len() > before {
        // The last comma.
        out.pop();
    }
    out.push(b'}');
}

fn tag(name: &[u8], value: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    json(name, out);
    out.extend_from_slice(b"\":\"");
    json(value, out);
    out.extend_from_slice(b"\",");
}

fn number(number: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

fn microseconds(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::records::trace::{
        span::{SpanId, Tag},
        test_util::span,
    };

    fn spans(all: &[Span<'_>]) -> Value {
        let zipkin = Zipkin::new("reviews.shop", "10.0.0.9".parse().ok());
        let mut written = Vec::new();
        all.iter().for_each(|span| zipkin.write(span, &mut written));
        serde_json::from_slice(&body(written)).unwrap()
    }

    #[test]
    fn writes_what_zipkin_reads() {
        let tags = [
            Tag::text("component", "proxy"),
            Tag::number("http.status_code", 503),
            Tag::text("downstream_cluster", ""),
        ];
        let server = Span {
            parent: SpanId::new(0x0c),
            tags: &tags,
            is_error: true,
            ..span()
        };
        let expected = json!({
            "traceId": "0000000000000001000000000000000a",
            "id": "000000000000000b",
            "parentId": "000000000000000c",
            "kind": "SERVER",
            "name": "reviews.shop.svc.cluster.local:9080/*",
            "timestamp": 1_460_751_910_007_000_u64,
            "duration": 1500,
            "localEndpoint": {"serviceName": "reviews.shop", "ipv4": "10.0.0.9"},
            "tags": {"component": "proxy", "http.status_code": "503"},
        });
        assert_eq!(spans(&[server]), json!([expected]));
    }

    #[test]
    fn a_first_span_has_no_parent_and_no_span_lasts_for_nothing() {
        let first = Span {
            kind: SpanKind::Client,
            duration: Duration::ZERO,
            ..span()
        };
        let written = spans(&[first, span()]);
        let first = &written[0];
        assert_eq!(first.get("parentId"), None);
        assert_eq!(
            (&first["kind"], &first["duration"], &first["tags"]),
            (&json!("CLIENT"), &json!(1), &json!({}))
        );
        assert_eq!(written.as_array().unwrap().len(), 2);
    }

    #[test]
    fn text_of_clients_stays_where_it_belongs() {
        let tags = [Tag::bytes("user_agent", b"\"},{\xff\n\\")];
        let hostile = Span {
            name: "\"}]",
            tags: &tags,
            ..span()
        };
        let written = spans(&[hostile]);
        assert_eq!(written[0]["name"], "\"}]");
        assert_eq!(written[0]["tags"]["user_agent"], "\"},{\u{fffd}\n\\");
        let endpoint = Zipkin::new("\"", "fd00::1".parse().ok()).endpoint;
        let text = String::from_utf8(endpoint).unwrap();
        assert_eq!(
            text,
            r#","localEndpoint":{"serviceName":"\"","ipv6":"fd00::1"}"#
        );
    }
}
