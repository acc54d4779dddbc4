//! Why a collector has not taken spans.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use http::StatusCode;

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
    #[error("it answers with gRPC's status {0}")]
    GrpcStatus(u32),
}

impl Failure {
    /// Whether the same report may be taken later. Otherwise it is as good as lost.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::NoCluster(_)
            | Self::NoEndpoint(_)
            | Self::Connect { .. }
            | Self::Broken { .. }
            | Self::Timeout(_) => true,
            Self::Request(_) | Self::TooLong(_) | Self::NotGrpc => false,
            Self::Status(status) => matches!(status.as_u16(), 429 | 502 | 503 | 504),
            // CANCELLED, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, ABORTED and UNAVAILABLE, of those that
            // OpenTelemetry has sent again.
            Self::GrpcStatus(status) => matches!(status, 1 | 4 | 8 | 10 | 14),
        }
    }
}
