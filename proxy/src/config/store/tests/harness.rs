//! A store, and what it is told.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use pillion_envoy_api::{any, type_url::CLUSTER_LOAD_ASSIGNMENT};
use pillion_xds::Resource;
use prost::Message;
use tokio::time::Instant;

use crate::{
    config::{
        store::{Step, Store, Wanted},
        test_util::endpoints,
    },
    kind::Kind,
    tables::{Action, ClusterChoice, Endpoints, Hosts, Listener, Lookup, Snapshot, TcpAction},
    traffic::Direction,
};

/// A proxy, as far as its tables go.
pub struct Proxy {
    pub store: Store,
    wanted: Wanted,
    tables: Option<Snapshot>,
    /// Clusters that were refused when they came to be needed.
    pub late: Vec<String>,
    now: Instant,
    next: Option<Instant>,
}

impl Default for Proxy {
    fn default() -> Self {
        Self {
            store: Store::new(Kind::Sidecar, "discovery", Duration::from_secs(5), 2),
            wanted: Wanted::default(),
            tables: None,
            late: Vec::new(),
            now: Instant::now(),
            next: None,
        }
    }
}

impl Proxy {
    /// Takes one resource. Returns what is refused.
    pub fn send(
        &mut self,
        type_url: &'static str,
        message: &impl Message,
        name: &str,
    ) -> Vec<String> {
        self.apply(
            type_url,
            vec![Resource::new(name, any(type_url, message))],
            &[],
        )
    }

    pub fn send_all<M: Message>(
        &mut self,
        type_url: &'static str,
        messages: &[(&M, &str)],
    ) -> Vec<String> {
        let resources = messages
            .iter()
            .map(|(message, name)| Resource::new(*name, any(type_url, *message)));
        self.apply(type_url, resources.collect(), &[])
    }

    /// Takes an empty response: there is nothing of that type.
    pub fn send_none(&mut self, type_url: &'static str) {
        self.apply(type_url, Vec::new(), &[]);
    }

    pub fn send_endpoints(&mut self, cluster: &str, addresses: &[&str]) {
        let addresses: Vec<SocketAddr> =
            addresses.iter().map(|text| text.parse().unwrap()).collect();
        let refused = self.send(
            CLUSTER_LOAD_ASSIGNMENT,
            &endpoints(cluster, &addresses),
            cluster,
        );
        assert!(refused.is_empty(), "{refused:?}");
    }

    pub fn remove(&mut self, type_url: &'static str, name: &str) {
        self.apply(type_url, Vec::new(), &[Arc::from(name)]);
    }

    fn apply(
        &mut self,
        type_url: &str,
        changed: Vec<Resource>,
        removed: &[Arc<str>],
    ) -> Vec<String> {
        let now = (self.now, SystemTime::UNIX_EPOCH);
        let refused = self.store.apply(type_url, changed, removed, now);
        self.advance();
        let lines = refused
            .iter()
            .map(|refused| format!("{} {}", refused.name, refused.reason));
        lines.collect()
    }

    /// Says that a name is not asked for.
    pub fn omit(&mut self, type_url: &'static str, name: &str) {
        self.store.omit(type_url, &[Arc::from(name)]);
        self.advance();
    }

    /// Answers the only name that is asked for.
    pub fn resolve(&mut self, addresses: &[&str]) {
        let question = self.wanted.questions.first().expect("no name is asked for");
        let addresses = addresses.iter().map(|text| text.parse().unwrap());
        self.store.resolve(question.clone(), addresses.collect());
        self.advance();
    }

    /// Has time pass, and what happens by itself meanwhile.
    pub fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(next) = self.next.filter(|next| *next <= until) {
            self.now = next;
            self.advance();
        }
        self.now = until;
    }

    fn advance(&mut self) {
        let Step {
            snapshot,
            wanted,
            refused,
            next,
        } = self.store.advance(self.now);
        let late = refused.iter().map(|late| late.name.to_string());
        self.late.extend(late);
        self.tables = snapshot.or(self.tables.take());
        self.wanted = wanted.unwrap_or(std::mem::take(&mut self.wanted));
        self.next = next;
        assert!(next.is_none_or(|next| next > self.now));
    }

    pub fn is_ready(&self) -> bool {
        self.store.is_ready()
    }

    /// Whether there has been a generation.
    pub fn is_configured(&self) -> bool {
        self.tables.is_some()
    }

    pub fn tables(&self) -> Option<&Snapshot> {
        self.tables.as_ref()
    }

    /// The names of route tables that are asked for, and those of assignments.
    pub fn wanted(&self) -> [Vec<String>; 2] {
        let names = |names: &BTreeSet<Arc<str>>| names.iter().map(ToString::to_string).collect();
        [
            names(&self.wanted.route_configurations),
            names(&self.wanted.load_assignments),
        ]
    }

    /// How many names DNS is asked for.
    pub fn questions(&self) -> usize {
        self.wanted.questions.len()
    }

    fn listener(&self, port: u16) -> &Arc<Listener> {
        let tables = self.tables.as_ref().expect("there are no tables");
        match tables
            .listeners
            .find(Direction::Outbound, ([10, 0, 0, 1], port).into())
        {
            Lookup::Found(listener) => listener,
            other => panic!("there is no listener: {other:?}"),
        }
    }

    pub fn hosts(&self, port: u16) -> Arc<Hosts> {
        Arc::clone(&self.listener(port).http.as_ref().unwrap().hosts)
    }

    /// Where connections to a port go: the cluster, and its endpoints.
    pub fn target(&self, port: u16) -> String {
        let listener = self.listener(port);
        let choice = match &listener.http {
            Some(http) => match http.hosts.find(b"any") {
                Lookup::Found(host) => match &host.routes[0].action {
                    Action::Forward(forward) => &forward.clusters,
                    Action::Respond(response) => {
                        let text = String::from_utf8_lossy(&response.body);
                        return format!("{} {}", response.status.as_str(), text.trim_end());
                    }
                    other => return format!("{other:?}"),
                },
                Lookup::Missing => return "no host".to_owned(),
                Lookup::Waiting => return "waiting".to_owned(),
            },
            None => match listener.tcp.find(([10, 0, 0, 1], port).into(), None) {
                Some(route) => match &route.action {
                    TcpAction::Forward(forward) => &forward.clusters,
                    TcpAction::Refuse(why) => return format!("{why:?}"),
                },
                None => return "no route".to_owned(),
            },
        };
        match choice {
            ClusterChoice::One(name) => self.endpoints(name),
            ClusterChoice::Weighted(_) => "several".to_owned(),
        }
    }

    /// A cluster, and its endpoints.
    pub fn endpoints(&self, name: &str) -> String {
        let tables = self.tables.as_ref().unwrap();
        match tables.clusters.find(name) {
            Lookup::Found(cluster) => match &cluster.endpoints {
                Endpoints::OriginalDestination => format!("{name} original"),
                Endpoints::Waiting => unreachable!("it is waited for"),
                Endpoints::Set(set) => {
                    let all = set.iter().map(|(address, _)| format!(" {address}"));
                    format!("{name}{}", all.collect::<String>())
                }
            },
            Lookup::Missing => format!("{name} none"),
            Lookup::Waiting => format!("{name} waiting"),
        }
    }
}
