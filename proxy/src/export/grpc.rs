//! Messages and statuses of gRPC, as far as a call with one message each way needs them.

use bytes::{BufMut as _, Bytes, BytesMut};
use http::HeaderMap;

use super::{failure::Failure, retry_info};

/// A flag for compression, and a length of four bytes.
const HEAD: usize = 5;

/// A message as it is sent.
pub(super) fn frame(message: &Bytes) -> Bytes {
    let mut framed = BytesMut::with_capacity(HEAD + message.len());
    framed.put_u8(0);
    // A report has less than 4 GiB.
    framed.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    framed.extend_from_slice(message);
    framed.freeze()
}

/// The message of an answer; empty if there is none that can be read.
pub(super) fn message(body: &Bytes) -> Bytes {
    match body.first() {
        Some(0) if body.len() >= HEAD => body.slice(HEAD..),
        _ => Bytes::new(),
    }
}

/// Checks the status, which is in the trailers, or in the head of an answer that has only that.
pub(super) fn check(head: &HeaderMap, trailers: Option<&HeaderMap>) -> Result<(), Failure> {
    let fields = trailers.unwrap_or(head);
    let status = fields.get("grpc-status");
    let status = status.and_then(|value| value.to_str().ok()?.parse().ok());
    match status {
        Some(0) => Ok(()),
        Some(status) => Err(Failure::GrpcStatus {
            status,
            says_when: retry_info::is_in(fields),
        }),
        None => Err(Failure::NotGrpc),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_collector_that_is_exhausted_may_say_when_to_come_again() {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from_static("8"));
        let may_pass = |trailers: &HeaderMap| {
            let failed = check(&HeaderMap::new(), Some(trailers));
            failed.unwrap_err().may_pass()
        };
        assert!(!may_pass(&trailers));
        // A status with the code 8 and the detail `RetryInfo`.
        let details = "CAgaKgoodHlwZS5nb29nbGVhcGlzLmNvbS9nb29nbGUucnBjLlJldHJ5SW5mbw==";
        trailers.insert("grpc-status-details-bin", HeaderValue::from_static(details));
        assert!(may_pass(&trailers));
    }

    #[test]
    fn a_message_is_framed() {
        let framed = frame(&Bytes::from_static(b"abc"));
        assert_eq!(framed, b"\0\0\0\0\x03abc"[..]);
        assert_eq!(message(&framed), b"abc"[..]);
        for other in [&b""[..], b"\0\0", b"\x01\0\0\0\x01a"] {
            assert!(message(&Bytes::from_static(other)).is_empty());
        }
    }

    #[test]
    fn the_status_is_in_the_trailers_or_alone_in_the_head() {
        let with = |value: &'static str| {
            HeaderMap::from_iter([(
                "grpc-status".parse().unwrap(),
                HeaderValue::from_static(value),
            )])
        };
        let (none, fine) = (HeaderMap::new(), with("0"));
        assert!(check(&none, Some(&fine)).is_ok() && check(&fine, None).is_ok());
        let failed = check(&none, Some(&with("14"))).unwrap_err();
        assert!(matches!(failed, Failure::GrpcStatus { status: 14, .. }) && failed.may_pass());
        for (head, trailers) in [(&none, None), (&fine, Some(&none)), (&with("x"), None)] {
            assert!(matches!(check(head, trailers), Err(Failure::NotGrpc)));
        }
    }
}
