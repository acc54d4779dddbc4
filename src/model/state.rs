//! The model: the index, and the tables that were made from it.

use std::sync::{Arc, Mutex, PoisonError};

use super::{
    authentication::Effective,
    build::{Builder, Shared, StrictHosts},
    client::Client,
    cluster::{Cluster, EndpointGroup},
    endpoints,
    event::{Dirty, Event},
    finding::Finding,
    index::Index,
    objects::Key,
    routes::VirtualHost,
    tables::{GatewayTables, Inbound, Outbound},
    tracing::Tracing,
    transport::{self, Transport},
};

/// Services, endpoints and rules, and what they mean for proxies.
///
/// Tables are made when they are asked for, shared by all clients for which they are the
/// same, and made again when rules change. Parts that are equal to those before are the same
/// values: compare them by [`Arc::ptr_eq`].
#[derive(Debug, Default)]
pub struct Model {
    index: Index,
    built: Mutex<Built>,
    /// Whether tables are made again only when [`Model::renew`] says so.
    is_paced: bool,
}

/// What was made of the index.
#[derive(Debug, Default)]
struct Built {
    /// It is made when it is first asked for.
    builder: Option<Arc<Builder>>,
    /// What was made before the rules changed.
    shared: Shared,
}

impl Model {
    /// A model without objects.
    pub fn new() -> Self {
        Self::default()
    }

    /// A model without objects, whose tables stay as they were made, whichever rules change,
    /// until [`Model::renew`]: rules that change all the time cost no more than its calls.
    pub fn paced() -> Self {
        Self {
            is_paced: true,
            ..Self::default()
        }
    }

    /// Takes in a change, and says what may have changed for proxies.
    pub fn apply(&mut self, event: Event) -> Dirty {
        let dirty = self.index.apply(event);
        if dirty.rules && !self.is_paced {
            self.renew();
        }
        dirty
    }

    /// Makes tables again, by the rules as they are now, when they are asked for.
    pub fn renew(&mut self) {
        let built = self.built.get_mut();
        let built = built.unwrap_or_else(PoisonError::into_inner);
        if let Some(builder) = built.builder.take() {
            built.shared = builder.shared();
        }
    }

    /// The proxy of a pod, if the pod is known.
    pub fn client(&self, pod: &Key) -> Option<Client> {
        self.index.pod(pod).map(|pod| Client::of(pod))
    }

    /// What a sidecar does with its application's connections.
    pub fn outbound(&self, client: &Client) -> Arc<Outbound> {
        self.builder().outbound(client)
    }

    /// What a sidecar does with connections to its pod.
    pub fn inbound(&self, client: &Client) -> Inbound {
        self.builder().inbound(&self.index, client)
    }

    /// What a gateway does.
    pub fn gateway(&self, client: &Client) -> Arc<GatewayTables> {
        self.builder().gateway(&self.index, client)
    }

    /// How a proxy traces requests.
    pub fn tracing(&self, client: &Client) -> Tracing {
        self.builder().tracing(client)
    }

    /// What a port of a proxy's pod takes, by the PeerAuthentications.
    pub fn mtls(&self, client: &Client, port: u16) -> Effective {
        let builder = self.builder();
        let authentication = &builder.world().authentication;
        authentication.mtls(client.namespace(), &client.labels, port)
    }

    /// The endpoints of a cluster that has [`super::Discovery::Endpoints`], by locality and
    /// address. Only those that get traffic are among them.
    pub fn endpoints(&self, cluster: &Cluster) -> Vec<EndpointGroup> {
        let builder = self.builder();
        let destination = builder
            .world()
            .destination(&cluster.key.host, &cluster.service);
        destination
            .map(|to| endpoints::of_cluster(&self.index, builder.world(), to, cluster))
            .unwrap_or_default()
    }

    /// Whether there is mutual TLS.
    pub fn has_mutual_tls(&self) -> bool {
        self.builder().world().mesh.mutual_tls
    }

    /// Returns how clients connect to the endpoints of a cluster, for a proxy with `many` clusters. The result may
    /// change whenever the cluster or its endpoints do.
    pub fn transport(&self, cluster: &Cluster, many: usize) -> Transport {
        transport::of_cluster(&self.index, self.builder().world(), cluster, many)
    }

    /// The routes by which a sidecar sends requests for `host` at `port`: what the listener
    /// of `port` for all addresses does with them. `None` is a host that is not known.
    pub fn routes_for(&self, client: &Client, host: &str, port: u16) -> Option<Arc<VirtualHost>> {
        let outbound = self.outbound(client);
        let table = outbound.routes.get(port.to_string().as_str())?;
        table.find(host).cloned()
    }

    /// What objects ask for and don't get, because of others, in order.
    pub fn findings(&self) -> Vec<Finding> {
        self.builder().findings(&self.index)
    }

    /// The hosts whose pods take only mutual TLS.
    pub fn strict_hosts(&self) -> StrictHosts {
        StrictHosts::new(self.builder().world(), &self.index)
    }

    /// The index, for comparison.
    #[cfg(test)]
    pub(super) fn index(&self) -> &Index {
        &self.index
    }

    fn builder(&self) -> Arc<Builder> {
        let mut built = self.built.lock().unwrap_or_else(PoisonError::into_inner);
        let Built { builder, shared } = &mut *built;
        let builder = builder
            .get_or_insert_with(|| Arc::new(Builder::new(&self.index, std::mem::take(shared))));
        Arc::clone(builder)
    }
}
