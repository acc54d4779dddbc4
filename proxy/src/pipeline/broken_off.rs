//! What the records say of a server that broke off.

use crate::{message::Broken, records::ResponseFlag};

/// How far the response had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// The client has got nothing of it.
    NotBegun,
    Begun,
}

/// Envoy's response flag.
pub(super) fn flag(broken: &Broken) -> ResponseFlag {
    match broken {
        Broken::Closed => ResponseFlag::UpstreamConnectionTermination,
        Broken::Reset(_) => ResponseFlag::UpstreamRemoteReset,
        Broken::Protocol(_) | Broken::Refused(_) => ResponseFlag::UpstreamProtocolError,
        Broken::Alert(_) => ResponseFlag::UpstreamConnectionFailure,
    }
}

/// Envoy's response code details, with what is wrong with the response behind a bar. There are no
/// blanks in them.
pub(super) fn details(broken: &Broken, progress: Progress) -> String {
    let when = match progress {
        Progress::NotBegun => "before",
        Progress::Begun => "after",
    };
    let (what, reason) = match broken {
        Broken::Closed => ("connection_termination", None),
        Broken::Reset(_) => ("remote_reset", None),
        Broken::Protocol(reason) | Broken::Refused(reason) => ("protocol_error", Some(*reason)),
        Broken::Alert(_) => ("connection_failure", None),
    };
    let (bar, reason) = match reason {
        Some(reason) => ("|", reason),
        None => ("", ""),
    };
    format!("upstream_reset_{when}_response_started{{{what}{bar}{reason}}}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn details_are_those_of_envoy_with_the_reason() {
        for (broken, progress, expected) in [
            (
                Broken::Closed,
                Progress::NotBegun,
                "upstream_reset_before_response_started{connection_termination}",
            ),
            (
                Broken::Reset(8),
                Progress::Begun,
                "upstream_reset_after_response_started{remote_reset}",
            ),
            (
                Broken::Refused("bare_lf"),
                Progress::NotBegun,
                "upstream_reset_before_response_started{protocol_error|bare_lf}",
            ),
            (
                Broken::Refused("invalid_chunk_size"),
                Progress::Begun,
                "upstream_reset_after_response_started{protocol_error|invalid_chunk_size}",
            ),
            (
                Broken::Protocol("invalid_te"),
                Progress::NotBegun,
                "upstream_reset_before_response_started{protocol_error|invalid_te}",
            ),
        ] {
            assert_eq!(details(&broken, progress), expected);
        }
    }
}
