//! Requests with spans.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version,
    header::{CONTENT_TYPE, HOST, TE, USER_AGENT},
    uri::{PathAndQuery, Scheme},
};
use http_body_util::Full;

use super::grpc;
use crate::{
    records::Report,
    tables::{Collector, SpanProtocol},
};

/// The method of OpenTelemetry's collectors.
const GRPC_PATH: PathAndQuery =
    PathAndQuery::from_static("/opentelemetry.proto.collector.trace.v1.TraceService/Export");
/// A decision against a trace, in both forms of context: the proxies of collectors would else trace the
/// spans of spans of spans.
const NOT_TRACED: [(HeaderName, HeaderValue); 2] = [
    (
        HeaderName::from_static("x-b3-sampled"),
        HeaderValue::from_static("0"),
    ),
    (
        HeaderName::from_static("traceparent"),
        HeaderValue::from_static("00-00000000000000000000000000000001-0000000000000001-00"),
    ),
];
const AGENT: HeaderValue =
    HeaderValue::from_static(concat!("pillion-proxy/", env!("CARGO_PKG_VERSION")));

/// The request that gives a report to a collector.
///
/// # Errors
///
/// When the authority and the path make no URI.
pub(super) fn request(
    collector: &Collector,
    report: &Report,
) -> Result<Request<Full<Bytes>>, http::Error> {
    let body = report.body.clone();
    let (version, uri, body, content_type) = match collector.protocol {
        SpanProtocol::Zipkin => (Version::HTTP_11, path(collector), body, "application/json"),
        SpanProtocol::OtlpHttp => {
            let content_type = "application/x-protobuf";
            (Version::HTTP_11, path(collector), body, content_type)
        }
        SpanProtocol::OtlpGrpc => {
            let uri = Uri::builder()
                .scheme(Scheme::HTTP)
                .authority(collector.authority.clone())
                .path_and_query(GRPC_PATH)
                .build()?;
            (Version::HTTP_2, uri, grpc::frame(&body), "application/grpc")
        }
    };
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = Method::POST;
    *request.version_mut() = version;
    *request.uri_mut() = uri;
    let headers = request.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(USER_AGENT, AGENT);
    headers.extend(NOT_TRACED);
    if collector.protocol == SpanProtocol::OtlpGrpc {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    } else {
        let host = HeaderValue::try_from(collector.authority.as_str())?;
        headers.insert(HOST, host);
    }
    replace(headers, &collector.headers);
    Ok(request)
}

fn path(collector: &Collector) -> Uri {
    collector.path.clone().into()
}

/// Fields of the configuration stand in for those of the same name.
fn replace(headers: &mut HeaderMap, others: &HeaderMap) {
    for name in others.keys() {
        headers.remove(name);
    }
    for (name, value) in others {
        headers.append(name.clone(), value.clone());
    }
}
