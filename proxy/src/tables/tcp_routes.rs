//! What is done with connections whose bytes are passed on as they are.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use super::ClusterChoice;

/// A range of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AddressRange {
    address: IpAddr,
    bits: u8,
}

/// Which names in a client's TLS handshake a route is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ServerName {
    /// In lower case.
    Exact(Box<str>),
    /// `*.example.com`, without the star.
    Suffix(Box<str>),
}

/// What is done with some connections.
#[derive(Debug, Clone)]
pub(crate) struct TcpRoute {
    /// Any destination if there is none.
    pub destinations: Vec<AddressRange>,
    /// Any name, or none, if there is none.
    pub server_names: Vec<ServerName>,
    pub action: TcpAction,
}

/// What is done with a connection.
#[derive(Debug, Clone)]
pub(crate) enum TcpAction {
    /// It goes to an endpoint of a cluster.
    Forward(TcpForward),
    /// It is reset.
    Refuse(TcpRefusal),
}

/// Where a connection goes, and how.
#[derive(Debug, Clone)]
pub(crate) struct TcpForward {
    pub clusters: ClusterChoice,
    /// How long neither side may say anything. Istio's default is an hour.
    pub idle_timeout: Duration,
}

/// Why the tables have connections reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TcpRefusal {
    /// Nothing has come from the control plane yet.
    NotConfigured,
    /// What it says of them can't be used by this proxy.
    Unusable,
}

/// The routes of a listener. As among Envoy's filter chains, the longest range of addresses
/// counts first, and then the most special name.
#[derive(Debug, Clone, Default)]
pub(crate) struct TcpRoutes {
    pub routes: Vec<TcpRoute>,
    /// For connections that no route is for.
    pub default: Option<TcpRoute>,
}

impl AddressRange {
    /// The addresses that have that many bits in common; `None` if an address has not so many.
    pub fn new(address: IpAddr, bits: u8) -> Option<Self> {
        let most = if address.is_ipv4() { 32 } else { 128 };
        (bits <= most).then_some(Self { address, bits })
    }

    /// Whether the address is one of them.
    pub fn contains(self, address: IpAddr) -> bool {
        let shifted = |bits: u128, width: u32| bits.checked_shr(width - u32::from(self.bits));
        match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                shifted(own.to_bits().into(), 32) == shifted(other.to_bits().into(), 32)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                shifted(own.to_bits(), 128) == shifted(other.to_bits(), 128)
            }
            _ => false,
        }
    }
}

impl ServerName {
    /// A name, or a wildcard such as `*.example.com`.
    pub fn new(name: &str) -> Self {
        let name = name.to_ascii_lowercase();
        match name.strip_prefix('*') {
            Some(suffix) => Self::Suffix(suffix.into()),
            None => Self::Exact(name.into()),
        }
    }

    /// How special it is for a name; `None` if it is not for that one.
    fn rank(&self, name: &str) -> Option<usize> {
        match self {
            Self::Exact(exact) => exact.eq_ignore_ascii_case(name).then_some(usize::MAX),
            Self::Suffix(suffix) => {
                let at = name.len().checked_sub(suffix.len())?;
                let end = name.get(at..)?;
                (at > 0 && end.eq_ignore_ascii_case(suffix)).then_some(suffix.len() + 1)
            }
        }
    }
}

impl TcpRoute {
    /// All connections to one cluster.
    pub fn to(cluster: &str) -> Self {
        Self {
            destinations: Vec::new(),
            server_names: Vec::new(),
            action: TcpAction::Forward(TcpForward {
                clusters: ClusterChoice::One(cluster.into()),
                idle_timeout: Duration::from_secs(3600),
            }),
        }
    }

    /// Resets all connections.
    pub fn refusing(why: TcpRefusal) -> Self {
        Self::of_all(TcpAction::Refuse(why))
    }

    /// Does that with all connections.
    pub fn of_all(action: TcpAction) -> Self {
        Self {
            destinations: Vec::new(),
            server_names: Vec::new(),
            action,
        }
    }

    /// How many bits of the destination it is for, and 0 for any.
    fn destination_rank(&self, destination: IpAddr) -> Option<u8> {
        if self.destinations.is_empty() {
            return Some(0);
        }
        let ranges = self.destinations.iter();
        let fitting = ranges.filter(|range| range.contains(destination));
        fitting.map(|range| range.bits.saturating_add(1)).max()
    }
}

/// How special one of these names is for a connection's: 0 where they are for any; `None` if none
/// of them is for it.
pub(super) fn name_rank(server_names: &[ServerName], name: Option<&str>) -> Option<usize> {
    if server_names.is_empty() {
        return Some(0);
    }
    let name = name?;
    server_names.iter().filter_map(|own| own.rank(name)).max()
}

impl TcpRoutes {
    /// Resets all connections.
    pub fn refusing(why: TcpRefusal) -> Self {
        Self {
            routes: Vec::new(),
            default: Some(TcpRoute::refusing(why)),
        }
    }

    /// Whether a range of addresses that has a route of its own has this one in it, whatever
    /// the connection's server name is.
    pub fn has_range_of(&self, destination: IpAddr) -> bool {
        let mut ranged = self.routes.iter();
        ranged.any(|route| {
            route.server_names.is_empty()
                && route
                    .destination_rank(destination)
                    .is_some_and(|rank| rank > 0)
        })
    }

    /// The route of a connection.
    pub fn find(&self, destination: SocketAddr, server_name: Option<&str>) -> Option<&TcpRoute> {
        let ranked = self.routes.iter().filter_map(|route| {
            let destination = route.destination_rank(destination.ip())?;
            Some((destination, route))
        });
        let best = ranked.clone().map(|(rank, _)| rank).max();
        let nearest = ranked.filter(|(rank, _)| Some(*rank) == best);
        let named = nearest
            .filter_map(|(_, route)| Some((name_rank(&route.server_names, server_name)?, route)));
        // Of equals, the first one.
        let best = named.reduce(|best, next| if next.0 > best.0 { next } else { best });
        best.map(|(_, route)| route).or(self.default.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(cluster: &str, ranges: &[(&str, u8)], names: &[&str]) -> TcpRoute {
        let range = |(address, bits): &(&str, u8)| {
            AddressRange::new(address.parse().unwrap(), *bits).unwrap()
        };
        TcpRoute {
            destinations: ranges.iter().map(range).collect(),
            server_names: names.iter().map(|name| ServerName::new(name)).collect(),
            ..TcpRoute::to(cluster)
        }
    }

    fn found(routes: &TcpRoutes, destination: &str, name: Option<&str>) -> String {
        let destination = SocketAddr::new(destination.parse().unwrap(), 443);
        match routes.find(destination, name).map(|route| &route.action) {
            Some(TcpAction::Forward(TcpForward {
                clusters: ClusterChoice::One(name),
                ..
            })) => name.to_string(),
            _ => String::new(),
        }
    }

    #[test]
    fn the_longest_range_counts() {
        let routes = TcpRoutes {
            routes: vec![
                route("wide", &[("10.0.0.0", 8)], &[]),
                route("single", &[("10.1.0.5", 32), ("fd00::", 64)], &[]),
                route("narrow", &[("10.1.0.0", 16)], &[]),
            ],
            default: Some(route("default", &[], &[])),
        };
        for (address, expected) in [
            ("10.1.0.5", "single"),
            ("10.1.0.6", "narrow"),
            ("10.2.0.6", "wide"),
            ("11.0.0.0", "default"),
            ("fd00::1", "single"),
            ("fd01::1", "default"),
        ] {
            assert_eq!(found(&routes, address, None), expected, "{address}");
        }
    }

    #[test]
    fn ranges_are_told_from_routes_for_any_destination() {
        let routes = TcpRoutes {
            routes: vec![
                route("any", &[], &[]),
                route("named", &[("10.2.0.0", 16)], &["a.example.com"]),
                route("ranged", &[("10.1.0.0", 16)], &[]),
            ],
            default: None,
        };
        assert!(routes.has_range_of([10, 1, 0, 5].into()));
        assert!(!routes.has_range_of([10, 2, 0, 5].into()));
        assert!(!routes.has_range_of([10, 3, 0, 5].into()));
    }

    #[test]
    fn the_most_special_name_counts() {
        let routes = TcpRoutes {
            routes: vec![
                route("any", &[], &[]),
                route("wide", &[], &["*.com"]),
                route("narrow", &[], &["*.example.com"]),
                route("exact", &[], &["A.example.com", "b.org"]),
            ],
            default: None,
        };
        for (name, expected) in [
            (Some("a.EXAMPLE.com"), "exact"),
            (Some("c.example.com"), "narrow"),
            (Some("example.com"), "wide"),
            (Some("b.org"), "exact"),
            (Some(".com"), "any"),
            (None, "any"),
        ] {
            assert_eq!(found(&routes, "10.0.0.1", name), expected, "{name:?}");
        }
    }

    #[test]
    fn a_range_of_no_bits_is_every_address() {
        let all = AddressRange::new([0, 0, 0, 0].into(), 0).unwrap();
        assert!(all.contains([192, 168, 0, 1].into()));
        assert!(AddressRange::new([0, 0, 0, 0].into(), 33).is_none());
        let routes = TcpRoutes {
            routes: vec![route("all", &[("0.0.0.0", 0)], &[]), route("any", &[], &[])],
            default: None,
        };
        assert_eq!(found(&routes, "10.0.0.1", None), "all");
    }
}
