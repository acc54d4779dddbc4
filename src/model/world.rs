//! What is made of the index's objects, once for all clients: destinations and compiled
//! rules, in Istio's order.

mod destination;
mod service_entries;

use std::{collections::BTreeMap, sync::Arc};

pub(super) use self::destination::{Destination, External, Port, Resolution};
use super::{
    authentication::Authentication,
    index::Index,
    names::service_host,
    objects::{ExportTo, Key, Labels, MeshConfig},
    rules::{DestinationRule, Gateway, HostRules, PeerAuthentication, Telemetry, VirtualService},
};

/// Destinations and rules.
#[derive(Debug)]
pub(super) struct World {
    /// The mesh's configuration.
    pub mesh: MeshConfig,
    /// All destinations, the oldest first.
    pub destinations: Vec<Arc<Destination>>,
    by_host: BTreeMap<Arc<str>, Vec<Arc<Destination>>>,
    /// The ExternalName Services.
    pub aliases: Vec<Alias>,
    /// All VirtualServices, the oldest first.
    pub virtual_services: Vec<Arc<VirtualService>>,
    /// The DestinationRules of each namespace.
    pub destination_rules: BTreeMap<Arc<str>, HostRules>,
    /// All Gateways, the oldest first.
    pub gateways: Vec<Arc<Gateway>>,
    /// The Telemetries of each namespace, the oldest first.
    pub telemetries: BTreeMap<Arc<str>, Vec<Telemetry>>,
    /// The PeerAuthentications.
    pub authentication: Authentication,
}

/// An ExternalName Service: another name of a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Alias {
    /// Its host.
    pub host: Arc<str>,
    /// The host that it stands for.
    pub target: Arc<str>,
    /// Whose clients see it.
    pub export_to: ExportTo,
}

impl World {
    /// Reads the index.
    pub fn new(index: &Index) -> Self {
        let mesh = index.mesh().clone();
        let mut destinations = destination::of_services(index);
        destinations.extend(service_entries::destinations(index));
        destinations.sort_by(|one, other| one.meta.order(&other.meta));
        let destinations = service_entries::join(destinations).into_iter();
        let destinations: Vec<_> = destinations.map(Arc::new).collect();
        let mut by_host: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for to in &destinations {
            by_host
                .entry(Arc::clone(&to.host))
                .or_default()
                .push(Arc::clone(to));
        }
        let virtual_services = index.virtual_services();
        let mut virtual_services: Vec<_> = virtual_services
            .map(|object| Arc::new(VirtualService::new(object, &mesh)))
            .collect();
        virtual_services.sort_by(|one, other| one.meta.order(&other.meta));
        let gateways = index.gateways();
        let mut gateways: Vec<_> = gateways
            .map(|object| Arc::new(Gateway::new(object)))
            .collect();
        gateways.sort_by(|one, other| one.meta.order(&other.meta));
        Self {
            aliases: aliases(index),
            destinations,
            by_host,
            destination_rules: destination_rules(index),
            virtual_services,
            gateways,
            telemetries: telemetries(index),
            authentication: authentication(index),
            mesh,
        }
    }

    /// The destinations of a host, the oldest first.
    pub fn destinations_of(&self, host: &str) -> &[Arc<Destination>] {
        self.by_host
            .get(host)
            .map(Vec::as_slice)
            .unwrap_or_default()
    }

    /// The destination of a host that is the object of that name.
    pub fn destination(&self, host: &str, service: &Key) -> Option<&Arc<Destination>> {
        let mut destinations = self.by_host.get(host)?.iter();
        destinations.find(|to| to.service == *service)
    }

    /// The Telemetry in a namespace that holds for a pod with these labels, or without labels the one
    /// for all pods.
    pub fn telemetry(&self, namespace: &str, labels: Option<&Labels>) -> Option<&Telemetry> {
        let mut all = self.telemetries.get(namespace)?.iter();
        all.find(|telemetry| match labels {
            Some(labels) => !telemetry.selector.is_empty() && telemetry.selector.select(labels),
            None => telemetry.selector.is_empty(),
        })
    }
}

fn telemetries(index: &Index) -> BTreeMap<Arc<str>, Vec<Telemetry>> {
    let mut all: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for object in index.telemetries() {
        let of_namespace = all.entry(Arc::clone(&object.meta.key.namespace));
        of_namespace.or_default().push(Telemetry::new(object));
    }
    for of_namespace in all.values_mut() {
        of_namespace.sort_by(|one, other| one.meta.order(&other.meta));
    }
    all
}

fn authentication(index: &Index) -> Authentication {
    let objects = index.peer_authentications();
    let objects = objects.map(|object| PeerAuthentication::new(object));
    Authentication::new(&index.mesh().root_namespace, objects)
}

fn destination_rules(index: &Index) -> BTreeMap<Arc<str>, HostRules> {
    let objects = index.destination_rules();
    let mut all: Vec<_> = objects
        .map(|object| Arc::new(DestinationRule::new(object, index.mesh())))
        .collect();
    all.sort_by(|one, other| one.meta.order(&other.meta));
    let mut rules: BTreeMap<_, HostRules> = BTreeMap::new();
    for rule in all {
        let namespace = Arc::clone(&rule.meta.key.namespace);
        rules.entry(namespace).or_default().push(rule);
    }
    rules
}

fn aliases(index: &Index) -> Vec<Alias> {
    let services = index.services().filter_map(|service| {
        let target = service.external_name.as_ref()?;
        let key = &service.meta.key;
        Some(Alias {
            host: service_host(&key.name, &key.namespace, &index.mesh().domain),
            target: target.to_ascii_lowercase().trim_end_matches('.').into(),
            export_to: service.exported_to(&index.mesh().exports.services),
        })
    });
    services.collect()
}
