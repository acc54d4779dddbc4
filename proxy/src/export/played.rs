//! Reads a collector's answer as the proxy does, for a fuzz target.

use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};

use super::answer::{Answer, rejected};
use crate::tables::SpanProtocol;

/// The name of a field, and its value.
pub type AnsweredLine = (Vec<u8>, Vec<u8>);

/// An answer of a collector.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CollectorAnswer {
    /// From 100 to 999.
    pub status: u16,
    /// The fields of the head. Invalid ones are left out.
    pub head: Vec<AnsweredLine>,
    /// At most 64 KiB are read of a body.
    pub body: Vec<u8>,
    /// The fields after the body, if there are trailers.
    pub trailers: Option<Vec<AnsweredLine>>,
}

/// A report that a collector has not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotTaken {
    /// It may be taken later.
    pub may_pass: bool,
    /// What the log says.
    pub why: String,
}

/// Returns how many spans of a report a collector rejects with this answer. `protocol` is one of three.
///
/// # Errors
///
/// Returns an error if the collector has not taken the report.
pub fn read_answer(protocol: u8, answer: &CollectorAnswer) -> Result<u64, NotTaken> {
    let protocol = match protocol % 3 {
        0 => SpanProtocol::Zipkin,
        1 => SpanProtocol::OtlpHttp,
        _ => SpanProtocol::OtlpGrpc,
    };
    let (mut head, ()) = Response::new(()).into_parts();
    head.status = StatusCode::from_u16(answer.status).unwrap_or_default();
    head.headers = fields(&answer.head);
    let answer = Answer {
        head,
        body: answer.body.clone().into(),
        trailers: answer.trailers.as_deref().map(fields),
    };
    rejected(protocol, &answer).map_err(|failure| NotTaken {
        may_pass: failure.may_pass(),
        why: failure.to_string(),
    })
}

fn fields(lines: &[AnsweredLine]) -> HeaderMap {
    let mut fields = HeaderMap::new();
    for (name, value) in lines {
        let (name, value) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value));
        if let (Ok(name), Ok(value)) = (name, value) {
            fields.append(name, value);
        }
    }
    fields
}
