//! A cluster, and which of its endpoints a request goes to.

use std::{net::SocketAddr, sync::Arc};

use fastrand::Rng;

use super::{
    endpoints::EndpointSet,
    security::Security,
    settings::ClusterSettings,
    state::{ClusterState, Counted, EndpointState, Permit, PoolMark},
};

/// A cluster of one generation. [`super::ClusterStates`] makes it.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub settings: ClusterSettings,
    pub endpoints: Endpoints,
    /// Shared with the clusters of that name in other generations.
    pub state: Arc<ClusterState>,
    /// What its connections have in common.
    pub mark: Arc<PoolMark>,
}

/// There are as many as there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the cluster has as many as it may have at a time")]
pub(crate) struct Overflow;

/// The endpoints of a cluster.
#[derive(Debug)]
pub(crate) enum Endpoints {
    /// The address that the client connected to.
    OriginalDestination,
    /// These.
    Set(EndpointSet),
    /// They are not known yet.
    Waiting,
}

/// The endpoint of a request.
#[derive(Debug, Clone)]
pub(crate) struct Picked {
    pub address: SocketAddr,
    /// `None` for an original destination.
    pub state: Option<Arc<EndpointState>>,
    pub security: Security,
}

/// What a cluster has for a request.
#[derive(Debug)]
pub(crate) enum Pick {
    /// This endpoint.
    Endpoint(Picked),
    /// None.
    Nothing,
    /// The control plane has not said yet which there are.
    Waiting,
}

/// How a request that is sent again chooses its endpoint.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Avoid<'a> {
    /// Endpoints that have had it.
    pub tried: &'a [SocketAddr],
    /// How often one is drawn; if all were of these, the first other one is taken.
    pub attempts: u32,
}

impl Cluster {
    /// The name, as Istio gives it.
    pub fn name(&self) -> &str {
        &self.settings.name
    }

    /// Counts one more; `None` where nobody has to know.
    ///
    /// # Errors
    ///
    /// When there may not be another one.
    pub fn enter(&self, counted: Counted) -> Result<Option<Permit>, Overflow> {
        let limits = &self.settings.limits;
        let budget = self.settings.retry_budget;
        let (limit, is_needed) = match counted {
            Counted::Connections => (limits.connections, false),
            Counted::Pending => (limits.pending, false),
            Counted::Waiting => (u32::MAX, true),
            Counted::Requests => (limits.requests, budget.is_some()),
            Counted::Retries => {
                let requests = || self.state.count(Counted::Requests);
                let limit = budget.map(|budget| budget.retries(requests()));
                (limit.unwrap_or(limits.retries), false)
            }
        };
        if limit == u32::MAX && !is_needed {
            return Ok(None);
        }
        self.state.enter(counted, limit).map(Some).ok_or(Overflow)
    }

    /// The endpoint for a request whose client connected to `original`; `None` if that is the
    /// proxy itself, which would be sent its own request again and again.
    pub fn pick(&self, original: Option<SocketAddr>, avoid: Avoid<'_>, random: &mut Rng) -> Pick {
        let set = match &self.endpoints {
            Endpoints::OriginalDestination => {
                let to = |address| Picked {
                    address,
                    state: None,
                    security: Security::new(self.settings.secures_original),
                };
                return original.map_or(Pick::Nothing, |address| Pick::Endpoint(to(address)));
            }
            Endpoints::Waiting => return Pick::Waiting,
            Endpoints::Set(set) => set,
        };
        let mut draw = || set.pick(self.settings.balancer, || self.state.turn(), random);
        let Some(mut endpoint) = draw() else {
            return Pick::Nothing;
        };
        for _ in 1..avoid.attempts {
            if !avoid.tried.contains(&endpoint.address) {
                break;
            }
            endpoint = draw().unwrap_or(endpoint);
        }
        if avoid.tried.contains(&endpoint.address) {
            endpoint = set.other(avoid.tried).unwrap_or(endpoint);
        }
        Pick::Endpoint(Picked {
            address: endpoint.address,
            state: Some(Arc::clone(&endpoint.state)),
            security: endpoint.security,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::cluster::{
        Balancer, ClusterStates, EndpointSettings, EndpointSource, RetryBudget,
    };

    fn cluster(balancer: Balancer, addresses: &[&str]) -> Arc<Cluster> {
        let mut settings = ClusterSettings::new("test");
        settings.balancer = balancer;
        let endpoint = |text: &&str| EndpointSettings::new(text.parse().unwrap());
        let list = EndpointSource::List(addresses.iter().map(endpoint).collect());
        ClusterStates::default().build(settings, list)
    }

    fn original() -> Option<SocketAddr> {
        "10.0.0.1:80".parse().ok()
    }

    fn picked(cluster: &Cluster, avoid: Avoid<'_>) -> Option<String> {
        match cluster.pick(original(), avoid, &mut Rng::with_seed(1)) {
            Pick::Endpoint(picked) => Some(picked.address.to_string()),
            Pick::Nothing | Pick::Waiting => None,
        }
    }

    #[test]
    fn takes_endpoints_in_turn() {
        let pair = cluster(Balancer::RoundRobin, &["10.0.0.2:80", "10.0.0.3:80"]);
        let ports: Vec<_> = (0..3)
            .filter_map(|_| picked(&pair, Avoid::default()))
            .collect();
        assert_eq!(ports, ["10.0.0.2:80", "10.0.0.3:80", "10.0.0.2:80"]);
        assert_eq!(
            picked(&cluster(Balancer::RoundRobin, &[]), Avoid::default()),
            None
        );
    }

    #[test]
    fn an_original_destination_is_never_the_proxy_itself() {
        let mut states = ClusterStates::default();
        let source = EndpointSource::OriginalDestination;
        let cluster = states.build(ClusterSettings::new("test"), source);
        assert_eq!(picked(&cluster, Avoid::default()).unwrap(), "10.0.0.1:80");
        let pick = cluster.pick(None, Avoid::default(), &mut Rng::with_seed(1));
        assert!(matches!(pick, Pick::Nothing));
    }

    #[test]
    fn generations_share_the_turns() {
        let mut states = ClusterStates::default();
        let mut settings = ClusterSettings::new("test");
        settings.balancer = Balancer::RoundRobin;
        let endpoints = ["10.0.0.2:80", "10.0.0.3:80"];
        let endpoints = endpoints.map(|text| EndpointSettings::new(text.parse().unwrap()));
        let source = EndpointSource::List(endpoints.to_vec());
        let old = states.build(settings.clone(), source.clone());
        let new = states.build(settings, source);
        assert_ne!(
            picked(&old, Avoid::default()),
            picked(&new, Avoid::default())
        );
    }

    #[test]
    fn goes_to_another_endpoint_if_there_is_one() {
        let tried = ["10.0.0.2:80".parse().unwrap()];
        let avoid = Avoid {
            tried: &tried,
            attempts: 5,
        };
        let pair = cluster(Balancer::RoundRobin, &["10.0.0.2:80", "10.0.0.3:80"]);
        for _ in 0..4 {
            assert_eq!(picked(&pair, avoid).unwrap(), "10.0.0.3:80");
        }
        // However the draws end.
        let avoid = Avoid {
            attempts: 1,
            ..avoid
        };
        for balancer in [Balancer::Random, Balancer::LeastRequest] {
            let pair = cluster(balancer, &["10.0.0.2:80", "10.0.0.3:80"]);
            for seed in 0..64 {
                match pair.pick(original(), avoid, &mut Rng::with_seed(seed)) {
                    Pick::Endpoint(picked) => assert_ne!(picked.address, tried[0]),
                    _ => panic!("there is no endpoint"),
                }
            }
        }
        let single = cluster(Balancer::LeastRequest, &["10.0.0.2:80"]);
        assert_eq!(picked(&single, avoid).unwrap(), "10.0.0.2:80");
    }

    #[test]
    fn what_has_no_limit_is_not_counted() {
        let cluster = cluster(Balancer::Random, &[]);
        for counted in [Counted::Connections, Counted::Requests, Counted::Retries] {
            assert!(matches!(cluster.enter(counted), Ok(None)));
        }
    }

    #[test]
    fn a_budget_limits_retries_by_requests() {
        let mut settings = ClusterSettings::new("test");
        settings.retry_budget = Some(RetryBudget {
            percent: 20.0,
            min_concurrency: 1,
        });
        let cluster = ClusterStates::default().build(settings, EndpointSource::Waiting);
        let enter = |counted| cluster.enter(counted).ok().flatten();
        let _first = enter(Counted::Retries).unwrap();
        assert!(enter(Counted::Retries).is_none());
        let _requests: Vec<_> = (0..10).map(|_| enter(Counted::Requests).unwrap()).collect();
        assert!(enter(Counted::Retries).is_some());
    }

    #[test]
    fn waits_for_endpoints_that_are_not_known() {
        let mut states = ClusterStates::default();
        let cluster = states.build(ClusterSettings::new("test"), EndpointSource::Waiting);
        let pick = cluster.pick(original(), Avoid::default(), &mut Rng::with_seed(1));
        assert!(matches!(pick, Pick::Waiting));
    }
}
