//! What the parts of the process do otherwise in a sidecar than in a gateway.

use super::environment::Environment;
use crate::{config::Kind, pipeline::Edge};

impl Kind {
    /// What it says of itself in the log when it is ready.
    pub(super) fn carries(self) -> &'static str {
        match self {
            Self::Sidecar => "carries the pod's traffic",
            Self::Gateway => {
                "carries traffic at the ports that Gateways open; there are none before it is configured"
            }
        }
    }

    /// What readiness waits for at first.
    pub(super) fn waits_for(self) -> &'static str {
        match self {
            Self::Sidecar => "waiting for the ports of captured traffic",
            Self::Gateway => "waiting for the workers",
        }
    }

    /// What is done to requests from outside of the mesh, where they come from there.
    pub(super) fn edge(self, environment: &Environment) -> Option<Edge> {
        match self {
            Self::Sidecar => None,
            Self::Gateway => Some(environment.proxy_config.edge.clone()),
        }
    }

    /// Whether it goes on for all of `terminationDrainDuration`, although no connection is
    /// open: a load balancer, and the node's rules for the Service, hear of the end later than the pod, and
    /// still send clients. An application's pod should not wait for its sidecar.
    pub(super) fn drains_all_the_time(self) -> bool {
        self == Self::Gateway
    }
}
