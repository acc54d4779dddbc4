//! Why a collector has not taken spans.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use http::StatusCode;

use crate::transport::TlsFailure;

/// Why a collector has not taken a report.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("the configuration has no cluster {0}")]
    NoCluster(Arc<str>),
    #[error("cluster {0} has no endpoint")]
    NoEndpoint(Arc<str>),
    #[error("can't connect to {address}: {source}")]
    Connect {
        address: SocketAddr,
        source: io::Error,
    },
    #[error("mutual TLS with {address} failed: {source}")]
    Tls {
        address: SocketAddr,
        source: TlsFailure,
    },
    #[error("{address} gives no proper answer: {source}")]
    Broken {
        address: SocketAddr,
        source: hyper::Error,
    },
    #[error("the request can't be written: {0}")]
    Request(#[from] http::Error),
    #[error("there is no answer within {0:?}")]
    Timeout(Duration),
    #[error("the answer has more than {0} bytes")]
    TooLong(usize),
    #[error("it answers with HTTP's {0}")]
    Status(StatusCode),
    #[error("its answer has no status of gRPC")]
    NotGrpc,
    #[error("it answers with gRPC's status {status}")]
    GrpcStatus {
        status: u32,
        /// It says when to come again.
        says_when: bool,
    },
}

impl Failure {
    /// Whether the same report may be taken later. Otherwise it is as good as lost.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::NoCluster(_)
            | Self::NoEndpoint(_)
            | Self::Connect { .. }
            | Self::Tls { .. }
            | Self::Broken { .. }
            | Self::Timeout(_) => true,
            Self::Request(_) | Self::TooLong(_) | Self::NotGrpc => false,
            Self::Status(status) => matches!(status.as_u16(), 429 | 502 | 503 | 504),
            Self::GrpcStatus { status, says_when } => match status {
                // CANCELLED, DEADLINE_EXCEEDED, ABORTED and UNAVAILABLE, of those that OpenTelemetry has
                // sent again.
                1 | 4 | 10 | 14 => true,
                // RESOURCE_EXHAUSTED may be for good: a report may be too large.
                8 => *says_when,
                _ => false,
            },
        }
    }

    /// Whether it may be because of this one report: somebody was there to take it.
    pub fn is_of_report(&self) -> bool {
        !matches!(
            self,
            Self::NoCluster(_) | Self::NoEndpoint(_) | Self::Connect { .. } | Self::Tls { .. }
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_exhausted_may_pass_only_if_the_collector_says_when() {
        let with = |status, says_when| Failure::GrpcStatus { status, says_when };
        assert!(with(8, true).may_pass() && !with(8, false).may_pass());
        assert!(with(14, false).may_pass() && !with(3, true).may_pass());
    }

    #[test]
    fn a_report_is_to_blame_only_where_somebody_has_seen_it() {
        let cluster = || Arc::from("zipkin");
        for failure in [
            Failure::NoCluster(cluster()),
            Failure::NoEndpoint(cluster()),
            Failure::Connect {
                address: SocketAddr::from(([10, 0, 0, 1], 9411)),
                source: io::ErrorKind::ConnectionRefused.into(),
            },
            Failure::Tls {
                address: SocketAddr::from(([10, 0, 0, 1], 9411)),
                source: TlsFailure::NoIdentity,
            },
        ] {
            assert!(!failure.is_of_report() && failure.may_pass(), "{failure}");
        }
        for failure in [
            Failure::Timeout(Duration::ZERO),
            Failure::Status(StatusCode::SERVICE_UNAVAILABLE),
        ] {
            assert!(failure.is_of_report() && failure.may_pass(), "{failure}");
        }
    }
}
