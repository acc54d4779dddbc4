//! Groups of endpoints that a request can go to.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

/// Which version of HTTP a cluster's endpoints are spoken to in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "the built-in tables keep the client's version")
)]
pub(crate) enum UpstreamProtocol {
    /// The one that the client speaks.
    Downstream,
    /// HTTP/1.1.
    Http1,
    /// HTTP/2 with prior knowledge.
    Http2,
}

/// Where a cluster's endpoints come from.
#[derive(Debug)]
#[cfg_attr(
    not(test),
    expect(
        dead_code,
        reason = "the built-in tables have no endpoints of their own"
    )
)]
pub(crate) enum Endpoints {
    /// The address that the client connected to.
    OriginalDestination,
    /// These, one after the other.
    Static {
        addresses: Vec<SocketAddr>,
        next: AtomicUsize,
    },
}

/// A cluster.
#[derive(Debug)]
pub(crate) struct Cluster {
    /// As Istio names it, such as `PassthroughCluster`.
    pub name: Arc<str>,
    pub endpoints: Endpoints,
    pub protocol: UpstreamProtocol,
    /// How long a connection may take to come about.
    pub connect_timeout: Duration,
}

impl Cluster {
    /// The endpoint for the next request; `None` where there is none.
    pub fn pick(&self, original: SocketAddr) -> Option<SocketAddr> {
        match &self.endpoints {
            Endpoints::OriginalDestination => Some(original),
            Endpoints::Static { addresses, next } => {
                let turn = next.fetch_add(1, Ordering::Relaxed);
                let index = turn.checked_rem(addresses.len())?;
                addresses.get(index).copied()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster(addresses: &[&str]) -> Cluster {
        Cluster {
            name: Arc::from("test"),
            endpoints: Endpoints::Static {
                addresses: addresses.iter().map(|text| text.parse().unwrap()).collect(),
                next: AtomicUsize::new(0),
            },
            protocol: UpstreamProtocol::Http1,
            connect_timeout: Duration::from_secs(10),
        }
    }

    #[test]
    fn takes_endpoints_in_turn() {
        let original = "10.0.0.1:80".parse().unwrap();
        let pair = cluster(&["10.0.0.2:80", "10.0.0.3:80"]);
        let picked: Vec<_> = (0..3).filter_map(|_| pair.pick(original)).collect();
        let ports: Vec<_> = picked.iter().map(ToString::to_string).collect();
        assert_eq!(ports, ["10.0.0.2:80", "10.0.0.3:80", "10.0.0.2:80"]);
        assert_eq!(cluster(&[]).pick(original), None);
    }
}
