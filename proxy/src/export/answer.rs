//! What a collector says of a report.

use bytes::Bytes;
use http::{HeaderMap, response::Parts};
use pillion_envoy_api::opentelemetry::proto::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message as _;

use super::{failure::Failure, grpc};
use crate::tables::SpanProtocol;

/// The longest body that is read.
pub(super) const MAX_BODY: usize = 64 * 1024;

/// An answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub head: Parts,
    pub body: Bytes,
    pub trailers: Option<HeaderMap>,
}

/// How many spans of a report the collector rejects.
///
/// # Errors
///
/// When it has not taken the report.
pub(super) fn rejected(protocol: SpanProtocol, answer: &Answer) -> Result<u64, Failure> {
    let status = answer.head.status;
    if !status.is_success() {
        return Err(Failure::Status(status));
    }
    match protocol {
        SpanProtocol::Zipkin => Ok(0),
        SpanProtocol::OtlpHttp => Ok(partial(answer.body.clone())),
        SpanProtocol::OtlpGrpc => {
            grpc::check(&answer.head.headers, answer.trailers.as_ref())?;
            Ok(partial(grpc::message(&answer.body)))
        }
    }
}

/// What OpenTelemetry's collector says. Who answers in another way has said that all is well.
fn partial(message: Bytes) -> u64 {
    let partial = ExportTraceServiceResponse::decode(message).ok();
    let partial = partial.and_then(|response| response.partial_success);
    let rejected = partial.map_or(0, |partial| partial.rejected_spans);
    u64::try_from(rejected).unwrap_or_default()
}
