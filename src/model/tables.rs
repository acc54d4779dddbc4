//! What a proxy is configured to do, without a word of protobuf: the answers of the model.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc, time::Duration};

use super::{
    authentication::Effective,
    cluster::Cluster,
    objects::{Key, OutboundPolicy},
    protocol::Protocol,
    routes::RouteTable,
};

/// The route tables, by name.
pub type RouteTables = BTreeMap<Arc<str>, Arc<RouteTable>>;
/// The clusters, by name.
pub type Clusters = BTreeMap<Arc<str>, Arc<Cluster>>;

/// What a sidecar does with its application's connections.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Outbound {
    /// The listeners, in the order of their names. A connection belongs to the one of its
    /// original destination, else to that of all addresses at its port, else `policy`
    /// decides.
    pub listeners: Vec<Arc<Listener>>,
    /// The route tables that the listeners name.
    pub routes: RouteTables,
    /// The clusters of all destinations that the client may see.
    pub clusters: Arc<Clusters>,
    /// What becomes of destinations that are not known.
    pub policy: OutboundPolicy,
}

/// A sidecar's outbound listener. It binds no port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Listener {
    /// Its name, `IP_PORT`.
    pub name: Arc<str>,
    /// The original destination; unspecified for all addresses.
    pub address: IpAddr,
    /// The original destination's port.
    pub port: u16,
    /// What is done.
    pub protocol: ListenerProtocol,
}

/// What a listener does with a connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ListenerProtocol {
    /// It reads HTTP.
    Http {
        /// The name of the route table.
        routes: Arc<str>,
    },
    /// The first bytes decide. What is not HTTP, and no route's, is a destination that is
    /// not known.
    Sniffed {
        /// The name of the route table.
        routes: Arc<str>,
        /// The routes of other bytes.
        tcp: Vec<TcpRoute>,
    },
    /// It carries bytes. What is no route's is a destination that is not known.
    Tcp(Vec<TcpRoute>),
}

/// Where connections go. Of the routes whose conditions hold, the most specific decides:
/// by address first, then by server name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TcpRoute {
    /// The original destinations; all, if there are none.
    pub destinations: Vec<Cidr>,
    /// The TLS server names, which may be wildcards; all, and bytes that are not TLS, if
    /// there are none.
    pub server_names: Vec<Arc<str>>,
    /// Where to, at least one.
    pub clusters: Vec<TcpCluster>,
    /// The VirtualService that says so.
    pub rule: Option<Key>,
    /// How long a connection may carry nothing. Default: 1 h.
    pub idle_timeout: Option<Duration>,
}

/// One of a TCP route's destinations.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TcpCluster {
    /// The cluster's name, which may be that of none.
    pub cluster: Arc<str>,
    /// Its share is this, divided by the sum of all.
    pub weight: u32,
}

/// A range of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cidr {
    /// The first address.
    pub address: IpAddr,
    /// How many leading bits all addresses share.
    pub length: u8,
}

impl Cidr {
    /// Reads `ADDRESS` or `ADDRESS/LENGTH`. Bits after the length are cleared.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length.parse::<u8>().ok()?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let length = length.unwrap_or(most);
        (length <= most).then(|| Self {
            address: masked(address, length),
            length,
        })
    }

    /// Whether it is one address.
    pub fn is_single(&self) -> bool {
        *self == Self::from(self.address)
    }
}

impl From<IpAddr> for Cidr {
    fn from(address: IpAddr) -> Self {
        Self {
            address,
            length: if address.is_ipv4() { 32 } else { 128 },
        }
    }
}

fn masked(address: IpAddr, length: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
            IpAddr::V4((v4.to_bits() & mask).into())
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
            IpAddr::V6((v6.to_bits() & mask).into())
        }
    }
}

/// What a sidecar does with connections to its pod.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Inbound {
    /// The ports of TCP that Services name, in order. Other ports are sniffed, and pass.
    pub ports: Vec<InboundPort>,
    /// What other ports take.
    pub others: Effective,
    /// Those of the other ports that a PeerAuthentication names, in order.
    pub named: Vec<(u16, Effective)>,
}

/// A port of the pod.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct InboundPort {
    /// The pod's port.
    pub port: u16,
    /// What the application speaks there, by the oldest Service that names it.
    pub protocol: Protocol,
    /// The name of its cluster and route table, `inbound|PORT||`.
    pub cluster: Arc<str>,
    /// The oldest Service that names it.
    pub service: Key,
    /// That Service's host.
    pub host: Arc<str>,
    /// That Service's port.
    pub service_port: u16,
    /// What it takes.
    pub mtls: Effective,
}

/// What a gateway does.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct GatewayTables {
    /// The ports that are bound, in order.
    pub listeners: Vec<GatewayListener>,
    /// The route tables that they name.
    pub routes: RouteTables,
    /// The clusters of all destinations that the gateway may see.
    pub clusters: Arc<Clusters>,
}

/// A port that a gateway binds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct GatewayListener {
    /// Its name, `0.0.0.0_PORT`.
    pub name: Arc<str>,
    /// The address that it binds: all, of the gateway's address family.
    pub address: IpAddr,
    /// The pod's port.
    pub port: u16,
    /// What is done.
    pub protocol: GatewayProtocol,
}

/// What a gateway does with a connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum GatewayProtocol {
    /// It reads HTTP.
    Http {
        /// The name of the route table.
        routes: Arc<str>,
    },
    /// It carries bytes. What is no route's is closed.
    Tcp(Vec<TcpRoute>),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_and_masked() {
        let show = |text| Cidr::parse(text).map(|cidr| format!("{}/{}", cidr.address, cidr.length));
        assert_eq!(show("10.1.2.3").unwrap(), "10.1.2.3/32");
        assert_eq!(show("10.1.2.3/8").unwrap(), "10.0.0.0/8");
        assert_eq!(show("10.1.2.3/0").unwrap(), "0.0.0.0/0");
        assert_eq!(show("fd00::1/16").unwrap(), "fd00::/16");
        for bad in [
            "",
            "10.0.0.0/33",
            "10.0.0/8",
            "a/8",
            "::/129",
            "10.0.0.0/-1",
        ] {
            assert_eq!(show(bad), None, "{bad}");
        }
    }
}
