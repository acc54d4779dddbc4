//! The two ways of traffic.

/// The way of a connection, seen from the pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Direction {
    /// From the application to somewhere else.
    Outbound,
    /// To the application.
    Inbound,
}

impl Direction {
    /// The name in logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Outbound => "outbound",
            Self::Inbound => "inbound",
        }
    }

    /// The name in metrics, which is Istio's: the proxy speaks for that side of the traffic.
    pub fn reporter(self) -> &'static str {
        match self {
            Self::Outbound => "source",
            Self::Inbound => "destination",
        }
    }
}
