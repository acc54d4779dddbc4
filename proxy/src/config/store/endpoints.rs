//! The endpoints of clusters, from what the server and DNS say of them.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use crate::{
    config::{
        compile::{Dns, Endpoint, Host, LoadAssignment, Locality, Sockets},
        dns::Question,
    },
    tables::EndpointSettings,
};

/// Endpoints of one cluster: names may have many addresses each.
const MAX_ENDPOINTS: usize = 65_536;

/// The last answers of DNS.
pub(super) type Answers = HashMap<Question, Vec<IpAddr>>;

/// What a cluster says of its endpoints.
#[derive(Clone, Copy)]
pub(super) struct Manner<'a> {
    /// Whether localities have shares of their own.
    pub weighs_localities: bool,
    /// Which are spoken to by TLS.
    pub sockets: &'a Sockets,
}

/// Endpoints by address alone.
pub(super) fn endpoints(assignment: &LoadAssignment, manner: Manner<'_>) -> Vec<EndpointSettings> {
    with_names(assignment, manner, |_| &[])
}

/// Endpoints, some of which are named. A name without an answer has none.
pub(super) fn resolved(dns: &Dns, manner: Manner<'_>, answers: &Answers) -> Vec<EndpointSettings> {
    with_names(&dns.endpoints, manner, |name| {
        let found = answers
            .get(&question(dns, name))
            .map_or(&[][..], Vec::as_slice);
        let most = if dns.is_logical { 1 } else { found.len() };
        found.get(..most).unwrap_or(found)
    })
}

/// The names that have to be asked for.
pub(super) fn questions(dns: &Dns) -> Vec<Question> {
    let names = dns
        .endpoints
        .endpoints()
        .filter_map(|endpoint| match &endpoint.host {
            Host::Name(name) => Some(question(dns, name)),
            Host::Address(_) => None,
        });
    names.collect()
}

fn question(dns: &Dns, name: &str) -> Question {
    Question {
        name: Arc::from(name),
        family: dns.family,
        refresh: dns.refresh,
    }
}

fn with_names<'a>(
    assignment: &LoadAssignment,
    manner: Manner<'_>,
    addresses: impl Fn(&str) -> &'a [IpAddr],
) -> Vec<EndpointSettings> {
    let mut all = Vec::new();
    for locality in &assignment.localities {
        let share = Share::of(locality, manner.weighs_localities);
        if share.is_nothing() {
            continue;
        }
        for endpoint in &locality.endpoints {
            let weight = share.weight(endpoint);
            let is_secured = manner.sockets.secure(endpoint.tls_mode.as_deref());
            let mut add = |ip| {
                all.push(EndpointSettings {
                    weight,
                    priority: locality.priority,
                    is_secured,
                    ..EndpointSettings::new(SocketAddr::new(ip, endpoint.port))
                });
            };
            match &endpoint.host {
                Host::Address(ip) => add(*ip),
                Host::Name(name) => addresses(name).iter().copied().for_each(add),
            }
        }
    }
    all.truncate(MAX_ENDPOINTS);
    all
}

/// What a locality's endpoints weigh: their own weights, or their parts of the locality's.
enum Share {
    Own,
    OfLocality { weight: u64, total: u64 },
}

/// Parts of a whole that a locality's weight is divided into.
const PARTS: u64 = 10_000;

impl Share {
    fn of(locality: &Locality, weighs_localities: bool) -> Self {
        if !weighs_localities {
            return Self::Own;
        }
        let weights = locality
            .endpoints
            .iter()
            .map(|endpoint| u64::from(endpoint.weight));
        Self::OfLocality {
            weight: locality.weight.unwrap_or(0).into(),
            total: weights.sum::<u64>().max(1),
        }
    }

    /// A locality without a share gets no requests.
    fn is_nothing(&self) -> bool {
        matches!(self, Self::OfLocality { weight: 0, .. })
    }

    fn weight(&self, endpoint: &Endpoint) -> u32 {
        let own = u64::from(endpoint.weight);
        let weight = match *self {
            Self::Own => own,
            Self::OfLocality { weight, total } => {
                // No product overflows: weights are 32 bits wide, and the rest is 14.
                let product = u128::from(weight) * u128::from(own) * u128::from(PARTS);
                u64::try_from(product / u128::from(total))
                    .unwrap_or(u64::MAX)
                    .max(1)
            }
        };
        u32::try_from(weight).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::compile::Family;

    fn endpoint(host: &str, weight: u32) -> Endpoint {
        Endpoint {
            host: match host.parse() {
                Ok(ip) => Host::Address(ip),
                Err(_) => Host::Name(host.to_owned()),
            },
            port: 80,
            weight,
            tls_mode: None,
        }
    }

    fn locality(weight: Option<u32>, endpoints: Vec<Endpoint>) -> Locality {
        Locality {
            priority: 0,
            weight,
            endpoints,
        }
    }

    fn weights(found: &[EndpointSettings]) -> Vec<u32> {
        found.iter().map(|endpoint| endpoint.weight).collect()
    }

    #[test]
    fn localities_have_shares_where_the_cluster_says_so() {
        let assignment = LoadAssignment {
            localities: vec![
                locality(
                    Some(3),
                    vec![endpoint("10.0.0.1", 1), endpoint("10.0.0.2", 2)],
                ),
                locality(Some(1), vec![endpoint("10.0.0.3", 9)]),
                locality(None, vec![endpoint("10.0.0.4", 1)]),
            ],
        };
        let weights = |weighs_localities| {
            let sockets = &Sockets::default();
            let manner = Manner {
                weighs_localities,
                sockets,
            };
            weights(&endpoints(&assignment, manner))
        };
        assert_eq!(weights(false), [1, 2, 9, 1]);
        assert_eq!(weights(true), [10_000, 20_000, 10_000]);
    }

    #[test]
    fn a_name_has_all_the_addresses_of_the_last_answer() {
        let named = vec![
            endpoint("a.example", 2),
            endpoint("10.0.0.9", 1),
            endpoint("b.example", 1),
        ];
        let dns = Dns {
            endpoints: LoadAssignment {
                localities: vec![locality(None, named)],
            },
            family: Family::V4,
            refresh: None,
            is_logical: false,
        };
        let asked = questions(&dns);
        assert_eq!(asked.len(), 2);
        let addresses = ["10.0.0.1", "10.0.0.2"].map(|text| text.parse().unwrap());
        let answers = Answers::from([(asked[0].clone(), addresses.to_vec())]);
        let manner = Manner {
            weighs_localities: false,
            sockets: &Sockets::default(),
        };
        let found = resolved(&dns, manner, &answers);
        assert_eq!(weights(&found), [2, 2, 1]);
        assert_eq!(found[1].address, "10.0.0.2:80".parse().unwrap());
    }
}
