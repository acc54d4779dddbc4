//! The span of a request that has ended, with the tags that Envoy's have.

use std::{borrow::Cow, sync::Arc};

use http::StatusCode;

use super::worker::Worker;
use crate::{
    message::{FieldName, Fields, RequestHead, Scheme},
    records::{RequestRecord, ResponseFlags, Span, SpanKind, Tag},
    tables::{CustomTag, CustomValue, Propagation, SpanProtocol, Tracing},
    trace::Outgoing,
    traffic::Direction,
};

/// About as many tags as a span has.
const TAGS: usize = 32;

/// A span that has not ended.
#[derive(Debug)]
pub(super) struct OpenSpan {
    pub tracing: Arc<Tracing>,
    pub context: Outgoing,
    /// What the route, or whoever is on the other side, calls the request.
    pub operation: Option<Arc<str>>,
}

impl OpenSpan {
    /// Records it.
    pub fn record(&self, worker: &Worker, record: &RequestRecord<'_>) {
        let (tracing, request) = (&self.tracing, record.request);
        let url = url(request, tracing.max_path);
        let peer = record.downstream_remote.ip().to_string();
        let flags = match record.flags {
            ResponseFlags::NONE => Cow::Borrowed("-"),
            flags => Cow::Owned(flags.to_string()),
        };
        let mut tags = Vec::with_capacity(TAGS);
        tags.push(Tag::text("node_id", &worker.node));
        of_request(request, &url, &peer, &mut tags);
        if record.is_grpc {
            of_grpc(request, &mut tags);
        }
        tags.push(Tag::number("request_size", record.request_bytes));
        tags.push(Tag::number("response_size", record.response_bytes));
        tags.push(Tag::text("component", "proxy"));
        if !record.cluster.is_empty() {
            tags.push(Tag::text("upstream_cluster", record.cluster));
            tags.push(Tag::text("upstream_cluster.name", record.cluster));
        }
        let status = record.status.map_or(0, |status| status.as_u16().into());
        tags.push(Tag::number("http.status_code", status));
        tags.push(Tag::text("response_flags", &flags));
        if let Some(status) = record.grpc_status {
            tags.push(Tag::number("grpc.status_code", status.into()));
        }
        if let Some(message) = record.grpc_message {
            tags.push(Tag::bytes("grpc.message", message));
        }
        let is_error = is_error(record.status, record.grpc_status);
        if is_error {
            tags.push(Tag::text("error", "true"));
        }
        for tag in &tracing.tags {
            add_custom(tag, record, &mut tags);
        }
        let (kind, name) = self.named(record);
        let span = Span {
            trace: self.context.trace,
            id: self.context.span,
            parent: self.context.parent,
            kind,
            name: &name,
            started: record.started,
            duration: record.duration,
            is_error,
            tags: &tags,
            trace_state: self.trace_state(&request.fields),
        };
        worker.recorder.span(&tracing.collector, &span);
    }

    /// The `tracestate` that servers are told. Where they are told none, nobody has looked whether it is
    /// one, and of which trace.
    fn trace_state<'a>(&self, fields: &'a Fields) -> &'a str {
        let tracing = &self.tracing;
        let is_told = tracing.tells_servers && tracing.propagation != Propagation::B3;
        if !is_told || self.context.parent.is_none() {
            return "";
        }
        let state = fields.get(FieldName::TraceState);
        state
            .and_then(|it| str::from_utf8(it).ok())
            .unwrap_or_default()
    }

    /// Envoy's names for requests that no route has a name for.
    fn named<'a>(&'a self, record: &RequestRecord<'a>) -> (SpanKind, Cow<'a, str>) {
        let kind = match record.direction {
            Direction::Outbound => SpanKind::Client,
            Direction::Inbound => SpanKind::Server,
        };
        if let Some(operation) = &self.operation {
            return (kind, Cow::Borrowed(operation));
        }
        let host = String::from_utf8_lossy(record.request.authority().unwrap_or_default());
        let name = match (self.tracing.collector.protocol, kind) {
            (SpanProtocol::Zipkin, _) => host,
            (_, SpanKind::Client) => Cow::Owned(format!("egress {host}")),
            (_, SpanKind::Server) => Cow::Borrowed("ingress"),
        };
        (kind, name)
    }
}

fn of_request<'a>(request: &'a RequestHead, url: &'a [u8], peer: &'a str, tags: &mut Vec<Tag<'a>>) {
    let fields = &request.fields;
    let or_dash = |value: Option<&'a [u8]>| value.unwrap_or(b"-");
    if let Some(id) = fields.get(FieldName::XRequestId) {
        tags.push(Tag::bytes("guid:x-request-id", id));
    }
    let cluster = or_dash(fields.find(b"x-envoy-downstream-service-cluster"));
    let agent = or_dash(fields.get(FieldName::UserAgent));
    tags.extend([
        Tag::bytes("http.url", url),
        Tag::text("http.method", request.method.as_str()),
        Tag::bytes("downstream_cluster", cluster),
        Tag::bytes("user_agent", agent),
        Tag::text("http.protocol", request.protocol()),
        Tag::text("peer.address", peer),
    ]);
    if let Some(id) = fields.get(FieldName::XClientTraceId) {
        tags.push(Tag::bytes("guid:x-client-trace-id", id));
    }
}

fn of_grpc<'a>(request: &'a RequestHead, tags: &mut Vec<Tag<'a>>) {
    let fields = &request.fields;
    for (name, value) in [
        ("grpc.path", Some(request.path())),
        ("grpc.authority", request.authority()),
        ("grpc.content_type", fields.get(FieldName::ContentType)),
        ("grpc.timeout", fields.get(FieldName::GrpcTimeout)),
    ] {
        tags.extend(value.map(|value| Tag::bytes(name, value)));
    }
}

/// Adds a tag of the configuration. It takes the place of one that all spans have.
fn add_custom<'a>(tag: &'a CustomTag, record: &RequestRecord<'a>, tags: &mut Vec<Tag<'a>>) {
    let value = match &tag.value {
        CustomValue::Literal(text) => text.as_bytes(),
        CustomValue::RequestField(name, default) => {
            let found = record.request.fields.find(name);
            found.unwrap_or(default.as_bytes())
        }
        CustomValue::ResponseField(name, default) => {
            let found = record.response_fields.and_then(|it| it.find(name));
            found.unwrap_or(default.as_bytes())
        }
    };
    if value.is_empty() {
        return;
    }
    let tag = Tag::bytes(&tag.name, value);
    match tags.iter_mut().find(|other| other.name == tag.name) {
        Some(other) => *other = tag,
        None => tags.push(tag),
    }
}

/// What the client asked for, with so many bytes of its path.
fn url(request: &RequestHead, max_path: usize) -> Vec<u8> {
    let scheme: &[u8] = match request.effective_scheme() {
        Scheme::Http => b"http://",
        Scheme::Https => b"https://",
    };
    let host = request.authority().unwrap_or_default();
    let original = request.fields.get(FieldName::XEnvoyOriginalPath);
    let path = original.unwrap_or(request.path());
    let path = path.get(..max_path).unwrap_or(path);
    [scheme, host, path].concat()
}

/// Whether the span counts as a fault: the server's, or the proxy's.
fn is_error(status: Option<StatusCode>, grpc_status: Option<u32>) -> bool {
    // gRPC's codes that are not the client's own fault.
    let is_grpc_error = |status| matches!(status, 2 | 4 | 8 | 12..=15);
    status.is_none_or(|status| status.is_server_error()) || grpc_status.is_some_and(is_grpc_error)
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;

    #[test]
    fn a_url_has_the_path_that_the_client_sent() {
        let mut fields = Fields::default();
        fields.push(b"x-forwarded-proto", b"https");
        let mut head = RequestHead::new(Method::GET, Some(b"shop:80"), b"/new", fields);
        assert_eq!(url(&head, 256), b"https://shop:80/new");
        head.fields.push(b"x-envoy-original-path", b"/old?q=1");
        assert_eq!(url(&head, 256), b"https://shop:80/old?q=1");
        assert_eq!(url(&head, 3), b"https://shop:80/ol");
    }

    #[test]
    fn faults_of_servers_are_errors() {
        let error = |status, grpc| {
            let status = StatusCode::from_u16(status).ok();
            is_error(status, grpc)
        };
        assert!(!error(200, None) && !error(404, None) && !error(200, Some(0)));
        assert!(error(500, None) && error(503, Some(0)) && is_error(None, None));
        for status in [2, 4, 8, 12, 13, 14, 15] {
            assert!(error(200, Some(status)), "{status}");
        }
        for status in [1, 3, 5, 6, 7, 9, 10, 11, 16, 17] {
            assert!(!error(200, Some(status)), "{status}");
        }
    }
}
