//! What clients have in common, and what the rules before the last change have in common
//! with those after it.

use super::intern::{Digest, Interner, hashed};
use crate::model::{
    cluster::Cluster,
    routes::{RouteTable, Routes, VirtualHost},
    tables::{Clusters, GatewayTables, Listener, Outbound},
};

impl Digest for Routes {
    fn digest(&self) -> u64 {
        hashed(self)
    }
}

impl Digest for Cluster {
    fn digest(&self) -> u64 {
        hashed(self)
    }
}

impl Digest for Listener {
    fn digest(&self) -> u64 {
        hashed(self)
    }
}

impl Digest for Clusters {}
impl Digest for VirtualHost {}
impl Digest for RouteTable {}
impl Digest for Outbound {}
impl Digest for GatewayTables {}

/// The parts of answers, each equal one once.
#[derive(Debug, Default)]
pub(in crate::model) struct Shared {
    /// Clusters, by name.
    pub(super) clusters: Interner<Cluster>,
    /// All clusters of a view, by the kind of proxies.
    pub(super) all_clusters: Interner<Clusters>,
    /// Listeners, by name.
    pub(super) listeners: Interner<Listener>,
    /// Routes, by the VirtualService or cluster.
    pub(super) routes: Interner<Routes>,
    /// Virtual hosts, by name.
    pub(super) hosts: Interner<VirtualHost>,
    /// Route tables, by name.
    pub(super) tables: Interner<RouteTable>,
    /// Sidecars' tables, by namespace.
    pub(super) outbound: Interner<Outbound>,
    /// Gateways' tables, by namespace.
    pub(super) gateways: Interner<GatewayTables>,
}

impl Shared {
    /// Forgets what was not wanted since the last call.
    pub(super) fn rules_changed(&mut self) {
        self.clusters.rules_changed();
        self.all_clusters.rules_changed();
        self.listeners.rules_changed();
        self.routes.rules_changed();
        self.hosts.rules_changed();
        self.tables.rules_changed();
        self.outbound.rules_changed();
        self.gateways.rules_changed();
    }
}
