//! Which of a pod's ports its sidecar captures.

use std::collections::BTreeSet;

/// Ports of the proxy itself, which are never captured: health and merged metrics, the gateway's
/// health, and its own metrics.
const PROXY_PORTS: [u16; 3] = [15020, 15021, 15090];

/// The ports of a pod whose inbound connections are captured, but for the proxy's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Captured {
    /// All.
    #[default]
    All,
    /// These.
    Only(BTreeSet<u16>),
    /// All others.
    AllBut(BTreeSet<u16>),
}

impl Captured {
    /// Whether a port is one of them.
    pub fn has(&self, port: u16) -> bool {
        let is_chosen = match self {
            Self::All => true,
            Self::Only(ports) => ports.contains(&port),
            Self::AllBut(ports) => !ports.contains(&port),
        };
        is_chosen && !PROXY_PORTS.contains(&port)
    }
}
