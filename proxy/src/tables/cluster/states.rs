//! Builds clusters that share their state with those of the generations before.

use std::{collections::HashMap, net::SocketAddr, sync::Arc};

use super::{
    endpoints::EndpointSet,
    group::{Cluster, Endpoints},
    own_host::is_own,
    security::Security,
    settings::{ClusterSettings, EndpointSource, Source, UpstreamProtocol},
    state::{ClusterState, PoolMark},
};
use crate::tables::UpstreamTls;

/// The states of the clusters, by name. There is one for a process, with whoever builds tables.
#[derive(Debug, Default)]
pub(crate) struct ClusterStates {
    known: HashMap<Arc<str>, Known>,
}

#[derive(Debug)]
struct Known {
    state: Arc<ClusterState>,
    kind: ConnectionKind,
    mark: Arc<PoolMark>,
    /// How the endpoints of the last generation are spoken to, if those of the next one follow it a moment later.
    securities: HashMap<SocketAddr, Security>,
}

/// What of the settings a connection depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ConnectionKind {
    protocol: UpstreamProtocol,
    source: Source,
    has_own_endpoints: bool,
    tls: Option<Arc<UpstreamTls>>,
}

impl ClusterStates {
    /// A cluster with these settings and endpoints. One of the same name shares counters
    /// and turns with it, and connections if they would be made in the same way.
    pub fn build(&mut self, settings: ClusterSettings, source: EndpointSource) -> Arc<Cluster> {
        let kind = ConnectionKind {
            protocol: settings.protocol,
            source: settings.source,
            has_own_endpoints: source != EndpointSource::OriginalDestination,
            tls: settings.tls.clone(),
        };
        let name = Arc::clone(&settings.name);
        let known = self.known.entry(name).or_insert_with(|| Known {
            state: Arc::default(),
            kind: kind.clone(),
            mark: Arc::new(PoolMark::unique()),
            securities: HashMap::new(),
        });
        if known.kind != kind {
            known.kind = kind;
            known.mark = Arc::new(PoolMark::unique());
        }
        known.state.forget_endpoints();
        let securities = std::mem::take(&mut known.securities);
        let endpoints = match source {
            EndpointSource::OriginalDestination => Endpoints::OriginalDestination,
            EndpointSource::Waiting => Endpoints::Waiting,
            EndpointSource::List(mut list) => {
                if settings.leaves_out_own_host {
                    list.retain(|endpoint| !is_own(endpoint.address.ip()));
                }
                let mut set = EndpointSet::new(&list, &known.state);
                // Servers outside the mesh learn of nothing, and what is meant for them is secret from now on.
                if settings
                    .tls
                    .as_ref()
                    .is_none_or(|tls| tls.outside.is_none())
                {
                    known.securities = set.follow(&securities);
                }
                Endpoints::Set(set)
            }
        };
        Arc::new(Cluster {
            settings,
            endpoints,
            state: Arc::clone(&known.state),
            mark: Arc::clone(&known.mark),
        })
    }

    /// Forgets the clusters of which that is not true, given their names.
    pub fn retain(&mut self, keep: impl Fn(&str) -> bool) {
        self.known.retain(|name, _| keep(name));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::{
        Outside, Proof,
        cluster::{settings::EndpointSettings, state::Counted},
    };

    fn list(ports: &[u16]) -> EndpointSource {
        let endpoint = |port: &u16| EndpointSettings::new(([10, 0, 0, 1], *port).into());
        EndpointSource::List(ports.iter().map(endpoint).collect())
    }

    #[test]
    fn a_new_generation_keeps_counters_and_connections() {
        let mut states = ClusterStates::default();
        let old = states.build(ClusterSettings::new("a"), list(&[80]));
        let new = states.build(ClusterSettings::new("a"), list(&[80, 81]));
        let _request = old.state.enter(Counted::Requests, 1).unwrap();
        assert_eq!(new.state.count(Counted::Requests), 1);
        assert_eq!(old.mark, new.mark);
        let other = states.build(ClusterSettings::new("b"), list(&[80]));
        assert_ne!(other.mark, new.mark);
    }

    #[test]
    fn endpoints_on_the_proxy_s_own_host_are_left_out_where_told() {
        let addresses = ["127.0.0.1:15000", "10.0.0.1:80", "169.254.169.254:80"];
        let endpoint = |text: &str| EndpointSettings::new(text.parse().unwrap());
        let source = || EndpointSource::List(addresses.map(endpoint).to_vec());
        let left = |settings| {
            let cluster = ClusterStates::default().build(settings, source());
            let Endpoints::Set(set) = &cluster.endpoints else {
                panic!("no set of endpoints");
            };
            let addresses = set.iter().map(|(address, _)| address.to_string());
            addresses.collect::<Vec<_>>()
        };
        assert_eq!(left(ClusterSettings::new("a")), addresses);
        let mut settings = ClusterSettings::new("a");
        settings.leaves_out_own_host = true;
        assert_eq!(left(settings), ["10.0.0.1:80"]);
    }

    #[test]
    fn connections_of_another_kind_are_not_shared() {
        let mut states = ClusterStates::default();
        let settings = ClusterSettings::new("a");
        let old = states.build(settings.clone(), list(&[80]));
        let mut http2 = settings.clone();
        http2.protocol = UpstreamProtocol::Http2;
        let new = states.build(http2, list(&[80]));
        assert_ne!(old.mark, new.mark);
        assert!(Arc::ptr_eq(&old.state, &new.state));
        let mut secured = settings.clone();
        let tls = |sni: &str| UpstreamTls::new(sni.into(), Vec::new(), Vec::new());
        secured.tls = Some(Arc::new(tls("a")));
        let first = states.build(secured.clone(), list(&[80]));
        assert_eq!(first.mark, states.build(secured.clone(), list(&[80])).mark);
        secured.tls = Some(Arc::new(tls("b")));
        assert_ne!(first.mark, states.build(secured, list(&[80])).mark);
    }

    fn settings(tls: Option<UpstreamTls>) -> ClusterSettings {
        let mut settings = ClusterSettings::new("a");
        settings.tls = tls.map(Arc::new);
        settings
    }

    /// Whether requests go by TLS to the only endpoint of a new generation, which is spoken to by TLS or not.
    fn goes_by_tls(states: &mut ClusterStates, tls: Option<UpstreamTls>, is_secured: bool) -> bool {
        let endpoint = EndpointSettings {
            is_secured,
            ..EndpointSettings::new(([10, 0, 0, 1], 80).into())
        };
        let source = EndpointSource::List(vec![endpoint]);
        let cluster = states.build(settings(tls), source);
        match &cluster.endpoints {
            Endpoints::Set(set) => set.has(([10, 0, 0, 1], 80).into(), true),
            _ => panic!("no set of endpoints"),
        }
    }

    fn of_mesh() -> UpstreamTls {
        UpstreamTls::new(Box::default(), Vec::new(), Vec::new())
    }

    #[tokio::test(start_paused = true)]
    async fn requests_follow_the_mesh_a_moment_later() {
        let states = &mut ClusterStates::default();
        assert!(!goes_by_tls(states, Some(of_mesh()), false));
        assert!(!goes_by_tls(states, Some(of_mesh()), true));
        tokio::time::advance(std::time::Duration::from_secs(2)).await;
        assert!(goes_by_tls(states, Some(of_mesh()), true));
        // An endpoint that was away meanwhile is a new one.
        states.build(settings(Some(of_mesh())), list(&[]));
        assert!(!goes_by_tls(states, Some(of_mesh()), false));
    }

    #[tokio::test(start_paused = true)]
    async fn tls_with_servers_outside_the_mesh_is_in_force_at_once() {
        let states = &mut ClusterStates::default();
        let outside = || {
            let outside = Outside {
                proof: Proof::Unchecked,
                shown: None,
            };
            UpstreamTls::outside(Box::default(), Vec::new(), outside)
        };
        assert!(!goes_by_tls(states, None, false));
        assert!(goes_by_tls(states, Some(outside()), true));
        assert!(!goes_by_tls(states, None, false));
    }

    #[test]
    fn a_forgotten_cluster_begins_anew() {
        let mut states = ClusterStates::default();
        let old = states.build(ClusterSettings::new("a"), list(&[80]));
        states.retain(|name| name != "a");
        let new = states.build(ClusterSettings::new("a"), list(&[80]));
        assert_ne!(old.mark, new.mark);
    }
}
