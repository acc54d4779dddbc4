//! What h2's errors mean for a message.

use h2::Reason;

use crate::message::Broken;

/// Why a message broke off.
pub(super) fn broken(error: &h2::Error) -> Broken {
    match error.reason() {
        Some(code) if error.is_reset() && error.is_remote() => Broken::Reset(code.into()),
        Some(_) if error.is_library() => Broken::Protocol("http2_violation"),
        _ => Broken::Closed,
    }
}

/// Whether the server says that it has not processed the request (RFC 9113, 8.7): it
/// refused the stream, or its GOAWAY names a lower one as the last.
pub(super) fn is_unprocessed(error: &h2::Error) -> bool {
    // h2 fails only streams beyond the last one with the error of a GOAWAY.
    error.is_remote()
        && (error.is_go_away()
            || error.is_reset() && error.reason() == Some(Reason::REFUSED_STREAM))
}
