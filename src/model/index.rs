//! The index: the cluster's objects by name, and what a change of one of them means.

mod changes;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
};

use pillion_api::{
    DestinationRuleSpec, GatewaySpec, PeerAuthenticationSpec, ServiceEntrySpec, TelemetrySpec,
    VirtualServiceSpec,
};

use self::changes::{Objects, Replaced};
use super::{
    event::{Dirty, Event},
    names::service_host,
    objects::{
        Captured, EndpointSlice, Key, Labels, MeshConfig, Namespace, Node, Object, Pod, ProxyKind,
        Service,
    },
};

/// The objects, as the last event of each left them. Equal for equal objects, whatever the
/// order of the events was.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Index {
    mesh: MeshConfig,
    services: Objects<Service>,
    slices: Objects<EndpointSlice>,
    pods: Objects<Pod>,
    namespaces: Objects<Namespace>,
    nodes: Objects<Node>,
    virtual_services: Objects<Object<VirtualServiceSpec>>,
    destination_rules: Objects<Object<DestinationRuleSpec>>,
    gateways: Objects<Object<GatewaySpec>>,
    service_entries: Objects<Object<ServiceEntrySpec>>,
    telemetries: Objects<Object<TelemetrySpec>>,
    peer_authentications: Objects<Object<PeerAuthenticationSpec>>,
    /// The slices of each Service.
    slices_of_service: BTreeMap<Key, BTreeSet<Key>>,
    /// The slices that name each pod.
    slices_of_pod: BTreeMap<Key, BTreeSet<Key>>,
    /// The pods that have each address.
    pods_of_address: BTreeMap<IpAddr, BTreeSet<Key>>,
}

impl Index {
    /// Takes in a change.
    pub fn apply(&mut self, event: Event) -> Dirty {
        match event {
            Event::Service(change) => rules(self.services.apply(change)),
            Event::Endpoints(change) => match self.slices.apply(change) {
                Some(replaced) => self.slice_replaced(&replaced),
                None => Dirty::default(),
            },
            Event::Pod(change) => match self.pods.apply(change) {
                Some(replaced) => {
                    self.record_addresses(&replaced);
                    self.pod_replaced(&replaced)
                }
                None => Dirty::default(),
            },
            Event::Namespace(change) => {
                self.namespaces.apply(change);
                Dirty::default()
            }
            Event::Node(change) => match self.nodes.apply(change) {
                Some(replaced) => self.node_replaced(&replaced.key.name),
                None => Dirty::default(),
            },
            Event::VirtualService(change) => rules(self.virtual_services.apply(change)),
            Event::DestinationRule(change) => rules(self.destination_rules.apply(change)),
            Event::Gateway(change) => rules(self.gateways.apply(change)),
            Event::ServiceEntry(change) => rules(self.service_entries.apply(change)),
            Event::Telemetry(change) => rules(self.telemetries.apply(change)),
            Event::PeerAuthentication(change) => rules(self.peer_authentications.apply(change)),
            Event::Mesh(mesh) if mesh == self.mesh => Dirty::default(),
            Event::Mesh(mesh) => {
                self.mesh = mesh;
                Dirty::rules()
            }
        }
    }

    fn slice_replaced(&mut self, replaced: &Replaced<EndpointSlice>) -> Dirty {
        let mut dirty = Dirty::default();
        if let Some(old) = &replaced.old {
            forget(&mut self.slices_of_service, &service_of(old), &old.key);
            for pod in pods_of(old) {
                forget(&mut self.slices_of_pod, pod, &old.key);
            }
        }
        if let Some(new) = &replaced.new {
            let slices = self.slices_of_service.entry(service_of(new)).or_default();
            slices.insert(new.key.clone());
            for pod in pods_of(new) {
                let slices = self.slices_of_pod.entry(pod.clone()).or_default();
                slices.insert(new.key.clone());
            }
        }
        for slice in replaced.old.iter().chain(&replaced.new) {
            dirty.endpoints.insert(self.host_of(slice));
            let Some(service) = self.services.get(&service_of(slice)) else {
                continue;
            };
            // Each address of a headless Service is a listener.
            dirty.rules |= service.headless && addresses_differ(replaced);
            // Of such a Service, the slices say which pods it has.
            if service.selector.as_ref().is_none_or(Labels::is_empty) {
                // Those who write slices by hand often give addresses alone.
                let addresses = slice.endpoints.iter().map(|endpoint| endpoint.address);
                let at = addresses.filter_map(|address| self.pods_of_address.get(&address));
                let pods = pods_of(slice).chain(at.flatten());
                let namespace = &slice.key.namespace;
                let own = pods.filter(|pod| pod.namespace == *namespace);
                dirty.clients.extend(own.cloned());
            }
        }
        dirty
    }

    fn record_addresses(&mut self, replaced: &Replaced<Pod>) {
        for address in replaced.old.iter().flat_map(|pod| &pod.ips) {
            forget(&mut self.pods_of_address, address, &replaced.key);
        }
        for address in replaced.new.iter().flat_map(|pod| &pod.ips) {
            let pods = self.pods_of_address.entry(*address).or_default();
            pods.insert(replaced.key.clone());
        }
    }

    fn pod_replaced(&self, replaced: &Replaced<Pod>) -> Dirty {
        let mut dirty = Dirty::default();
        dirty.clients.insert(replaced.key.clone());
        if seen_by_clients(&replaced.old) != seen_by_clients(&replaced.new) {
            let slices = self.slices_of_pod.get(&replaced.key).into_iter().flatten();
            let slices = slices.filter_map(|slice| self.slices.get(slice));
            dirty
                .endpoints
                .extend(slices.map(|slice| self.host_of(slice)));
        }
        dirty
    }

    fn node_replaced(&self, name: &str) -> Dirty {
        let on_node = |slice: &&Arc<EndpointSlice>| {
            let mut endpoints = slice.endpoints.iter();
            endpoints.any(|endpoint| endpoint.node.as_deref() == Some(name))
        };
        let slices = self.slices.iter().filter(on_node);
        Dirty {
            endpoints: slices.map(|slice| self.host_of(slice)).collect(),
            ..Dirty::default()
        }
    }

    fn host_of(&self, slice: &EndpointSlice) -> Arc<str> {
        service_host(&slice.service, &slice.key.namespace, &self.mesh.domain)
    }

    /// The mesh's configuration.
    pub fn mesh(&self) -> &MeshConfig {
        &self.mesh
    }

    /// A pod.
    pub fn pod(&self, key: &Key) -> Option<&Arc<Pod>> {
        self.pods.get(key)
    }

    /// All pods.
    pub fn pods(&self) -> impl Iterator<Item = &Arc<Pod>> {
        self.pods.iter()
    }

    /// A node.
    pub fn node(&self, name: &Arc<str>) -> Option<&Arc<Node>> {
        self.nodes.get(&Key::new("", Arc::clone(name)))
    }

    /// A Service.
    pub fn service(&self, key: &Key) -> Option<&Arc<Service>> {
        self.services.get(key)
    }

    /// All Services, in the order of their namespaces and names.
    pub fn services(&self) -> impl Iterator<Item = &Arc<Service>> {
        self.services.iter()
    }

    /// The Services of a namespace, in the order of their names.
    pub fn services_in(&self, namespace: &Arc<str>) -> impl Iterator<Item = &Arc<Service>> {
        self.services.in_namespace(namespace)
    }

    /// The EndpointSlices of a Service, in the order of their names.
    pub fn slices(&self, service: &Key) -> impl Iterator<Item = &Arc<EndpointSlice>> {
        let slices = self.slices_of_service.get(service).into_iter().flatten();
        slices.filter_map(|slice| self.slices.get(slice))
    }

    /// All VirtualServices.
    pub fn virtual_services(&self) -> impl Iterator<Item = &Arc<Object<VirtualServiceSpec>>> {
        self.virtual_services.iter()
    }

    /// All DestinationRules.
    pub fn destination_rules(&self) -> impl Iterator<Item = &Arc<Object<DestinationRuleSpec>>> {
        self.destination_rules.iter()
    }

    /// All Gateways.
    pub fn gateways(&self) -> impl Iterator<Item = &Arc<Object<GatewaySpec>>> {
        self.gateways.iter()
    }

    /// All ServiceEntries.
    pub fn service_entries(&self) -> impl Iterator<Item = &Arc<Object<ServiceEntrySpec>>> {
        self.service_entries.iter()
    }

    /// All Telemetries.
    pub fn telemetries(&self) -> impl Iterator<Item = &Arc<Object<TelemetrySpec>>> {
        self.telemetries.iter()
    }

    /// All PeerAuthentications.
    pub fn peer_authentications(
        &self,
    ) -> impl Iterator<Item = &Arc<Object<PeerAuthenticationSpec>>> {
        self.peer_authentications.iter()
    }

    /// The pods of a namespace, in the order of their names.
    pub fn pods_in(&self, namespace: &Arc<str>) -> impl Iterator<Item = &Arc<Pod>> {
        self.pods.in_namespace(namespace)
    }
}

/// What of a pod other proxies see: which subsets it is in, and how it speaks.
fn seen_by_clients(pod: &Option<Arc<Pod>>) -> Option<(&Labels, &str, ProxyKind, bool, &Captured)> {
    let pod = pod.as_ref()?;
    Some((
        &pod.labels,
        &pod.service_account,
        pod.proxy,
        pod.has_proxy,
        &pod.captured,
    ))
}

fn rules<T>(replaced: Option<Replaced<T>>) -> Dirty {
    replaced.map(|_| Dirty::rules()).unwrap_or_default()
}

fn service_of(slice: &EndpointSlice) -> Key {
    Key::new(Arc::clone(&slice.key.namespace), Arc::clone(&slice.service))
}

fn pods_of(slice: &EndpointSlice) -> impl Iterator<Item = &Key> {
    let endpoints = slice.endpoints.iter();
    endpoints.filter_map(|endpoint| endpoint.pod.as_ref())
}

fn forget<K: Ord>(map: &mut BTreeMap<K, BTreeSet<Key>>, key: &K, object: &Key) {
    if let Some(objects) = map.get_mut(key) {
        objects.remove(object);
        if objects.is_empty() {
            map.remove(key);
        }
    }
}

fn addresses_differ(replaced: &Replaced<EndpointSlice>) -> bool {
    let addresses = |slice: &Option<Arc<EndpointSlice>>| -> BTreeSet<_> {
        let endpoints = slice.iter().flat_map(|slice| &slice.endpoints);
        endpoints.map(|endpoint| endpoint.address).collect()
    };
    let services = |slice: &Option<Arc<EndpointSlice>>| slice.as_deref().map(service_of);
    addresses(&replaced.old) != addresses(&replaced.new)
        || services(&replaced.old) != services(&replaced.new)
}
