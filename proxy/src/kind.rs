//! What a proxy is, and what is done otherwise in a sidecar than in a gateway.

/// What a proxy is: it is the first part of its node's id, as in Istio.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Beside an application, whose captured traffic it carries.
    Sidecar,
    /// At an edge of the mesh, on ports that the configuration names.
    Gateway,
}

impl Kind {
    /// What it says of itself in the log when it is ready.
    pub fn carries(self) -> &'static str {
        match self {
            Self::Sidecar => "carries the pod's traffic",
            Self::Gateway => {
                "carries traffic at the ports that Gateways open; there are none before it is configured"
            }
        }
    }

    /// What readiness waits for at first.
    pub fn waits_for(self) -> &'static str {
        match self {
            Self::Sidecar => "waiting for the ports of captured traffic",
            Self::Gateway => "waiting for the workers",
        }
    }

    /// Whether requests come from outside of the mesh, whose clients are not believed.
    pub fn is_at_edge(self) -> bool {
        self == Self::Gateway
    }

    /// Whether it goes on for all of `terminationDrainDuration`, although no connection is
    /// open: a load balancer, and the node's rules for the Service, hear of the end later than the pod, and
    /// still send clients. An application's pod should not wait for its sidecar.
    pub fn drains_all_the_time(self) -> bool {
        self == Self::Gateway
    }
}
