//! Routes: the first one that matches decides.

use std::{sync::Arc, time::Duration};

use http::StatusCode;

use super::{HeaderLevels, PathRewrite, Redirect, RetryPolicy, RouteMatch};

/// A route.
#[derive(Debug, Clone)]
pub(crate) struct Route {
    /// In logs.
    pub name: Arc<str>,
    pub matches: RouteMatch,
    pub action: Action,
    /// Of the route, the virtual host and the table, in that order.
    pub request_headers: HeaderLevels,
    /// The same for what comes back, and for redirects and direct responses.
    pub response_headers: HeaderLevels,
    /// What spans call the request, and tell the other side that it is called.
    pub operation: Option<Arc<str>>,
}

/// What is done with a request.
#[derive(Debug, Clone)]
pub(crate) enum Action {
    /// It goes to an endpoint of a cluster.
    Forward(Forward),
    /// The client is sent elsewhere.
    Redirect(Redirect),
    /// It is answered here.
    Respond(DirectResponse),
}

/// Where a request goes, and how.
#[derive(Debug, Clone)]
pub(crate) struct Forward {
    pub clusters: ClusterChoice,
    /// How long the whole response may take, once the request is there; `None` without end.
    pub timeout: Option<Duration>,
    pub grpc_timeout: GrpcTimeout,
    pub retry: Option<RetryPolicy>,
    pub path_rewrite: Option<PathRewrite>,
    /// The new authority, without spaces and control characters. A weighted cluster may have
    /// another one, which counts less.
    pub host_rewrite: Option<Box<[u8]>>,
}

/// Whether a client of gRPC says itself how long it waits (`grpc-timeout`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GrpcTimeout {
    /// What it says is passed on and not looked at.
    Ignored,
    /// It is the timeout, instead of the route's.
    Honored,
    /// The same, but no longer than that.
    Capped(Duration),
}

/// An answer without a server.
#[derive(Debug, Clone)]
pub(crate) struct DirectResponse {
    pub status: StatusCode,
    /// Text, unless the route's headers say what it is.
    pub body: Arc<[u8]>,
}

/// Which cluster a request goes to, by name.
#[derive(Debug, Clone)]
pub(crate) enum ClusterChoice {
    One(Arc<str>),
    Weighted(WeightedClusters),
}

/// One of several clusters.
#[derive(Debug, Clone)]
pub(crate) struct WeightedCluster {
    pub name: Arc<str>,
    pub weight: u32,
    pub request_headers: HeaderLevels,
    pub response_headers: HeaderLevels,
    pub host_rewrite: Option<Box<[u8]>>,
}

/// Several clusters, of which each gets a share of the requests.
#[derive(Debug, Clone)]
pub(crate) struct WeightedClusters {
    clusters: Box<[WeightedCluster]>,
    total: u64,
}

/// A cluster that has been chosen.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ChosenCluster<'a> {
    pub name: &'a Arc<str>,
    /// What is special about it, where there are several.
    pub weighted: Option<&'a WeightedCluster>,
}

impl Forward {
    /// To a cluster, without a timeout and without retries.
    pub fn to(cluster: &str) -> Self {
        Self {
            clusters: ClusterChoice::One(Arc::from(cluster)),
            timeout: None,
            grpc_timeout: GrpcTimeout::Ignored,
            retry: None,
            path_rewrite: None,
            host_rewrite: None,
        }
    }
}

impl Route {
    /// A route that changes nothing.
    pub fn new(name: &str, matches: RouteMatch, action: Action) -> Self {
        Self {
            name: Arc::from(name),
            matches,
            action,
            request_headers: HeaderLevels::default(),
            response_headers: HeaderLevels::default(),
            operation: None,
        }
    }
}

impl WeightedCluster {
    /// A cluster without anything special.
    pub fn new(name: &str, weight: u32) -> Self {
        Self {
            name: Arc::from(name),
            weight,
            request_headers: HeaderLevels::default(),
            response_headers: HeaderLevels::default(),
            host_rewrite: None,
        }
    }
}

impl WeightedClusters {
    /// Those; `None` if all weights are 0.
    pub fn new(clusters: Vec<WeightedCluster>) -> Option<Self> {
        let total = clusters
            .iter()
            .map(|cluster| u64::from(cluster.weight))
            .sum();
        (total > 0).then(|| Self {
            clusters: clusters.into(),
            total,
        })
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &WeightedCluster> {
        self.clusters.iter()
    }

    /// The one in whose share a number is, of all numbers that there are.
    fn at(&self, draw: u64) -> Option<&WeightedCluster> {
        let scaled = (u128::from(draw) * u128::from(self.total)) >> u64::BITS;
        let mut number = u64::try_from(scaled).ok()?;
        self.clusters.iter().find(|cluster| {
            let weight = u64::from(cluster.weight);
            let is_in = number < weight;
            number = number.saturating_sub(weight);
            is_in
        })
    }
}

impl ClusterChoice {
    /// Chooses one by a random number, of which there is one for each request, however often it
    /// looks: otherwise it would wait until the number is that of a cluster that need not be
    /// waited for. There is always one: the share of the last ends with the total.
    pub fn choose(&self, draw: impl FnOnce() -> u64) -> Option<ChosenCluster<'_>> {
        match self {
            Self::One(name) => Some(ChosenCluster {
                name,
                weighted: None,
            }),
            Self::Weighted(clusters) => {
                let weighted = clusters.at(draw())?;
                Some(ChosenCluster {
                    name: &weighted.name,
                    weighted: Some(weighted),
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use fastrand::Rng;

    use super::*;

    fn names(choice: &ClusterChoice, times: usize) -> Vec<String> {
        let mut random = Rng::with_seed(11);
        let chosen = (0..times).filter_map(|_| choice.choose(|| random.u64(..)));
        chosen.map(|chosen| chosen.name.to_string()).collect()
    }

    #[test]
    fn requests_are_shared_out_by_weight() {
        let weights = [("v1", 80), ("none", 0), ("v3", 20)];
        let clusters = weights.map(|(name, weight)| WeightedCluster::new(name, weight));
        let choice = ClusterChoice::Weighted(WeightedClusters::new(clusters.to_vec()).unwrap());
        let names = names(&choice, 1000);
        let share = |name: &str| names.iter().filter(|other| **other == name).count();
        assert!((760..840).contains(&share("v1")), "{}", share("v1"));
        assert_eq!((share("none"), share("v1") + share("v3")), (0, 1000));
    }

    #[test]
    fn the_same_number_chooses_the_same_cluster() {
        let clusters = [("v1", 80), ("v2", 20)];
        let clusters = clusters.map(|(name, weight)| WeightedCluster::new(name, weight));
        let choice = ClusterChoice::Weighted(WeightedClusters::new(clusters.to_vec()).unwrap());
        let chosen = |draw| choice.choose(|| draw).unwrap().name.to_string();
        assert_eq!(chosen(0), "v1");
        assert_eq!(chosen(u64::MAX / 10 * 7), "v1");
        assert_eq!(chosen(u64::MAX / 10 * 9), "v2");
        assert_eq!(chosen(u64::MAX), "v2");
    }

    #[test]
    fn a_single_cluster_gets_all() {
        assert_eq!(names(&ClusterChoice::One(Arc::from("a")), 2), ["a", "a"]);
        assert!(WeightedClusters::new(vec![WeightedCluster::new("a", 0)]).is_none());
    }
}
