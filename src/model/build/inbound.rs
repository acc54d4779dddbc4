//! The ports of a pod that Services name.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::model::{
    client::Client,
    index::Index,
    names::{inbound_name, service_host},
    objects::{ContainerPort, Key, Labels, Pod, Service, ServicePort, TargetPort},
    protocol::Protocol,
    tables::{Inbound, InboundPort},
};

/// The most ports of a pod that have a chain and a cluster of their own. Others pass, as those do
/// that no Service names.
const PORTS: usize = 256;

/// The ports of a pod, by the ports of its Services; in order, and each pair once.
pub(super) type Targets = Vec<(u16, u16)>;

/// A port of a Service, and that of the pod.
struct Target<'a> {
    service: &'a Service,
    port: &'a ServicePort,
    number: u16,
}

/// The inbound ports of a sidecar. Of several Services at one port, the oldest decides; of too many
/// ports, those of the oldest Services are there.
pub(super) fn of_client(index: &Index, client: &Client) -> Inbound {
    let mut ports: BTreeMap<u16, InboundPort> = BTreeMap::new();
    for target in all(index, client) {
        if ports.len() >= PORTS && !ports.contains_key(&target.number) {
            continue;
        }
        ports.entry(target.number).or_insert_with(|| {
            let Target {
                service,
                port,
                number,
            } = target;
            let key = &service.meta.key;
            InboundPort {
                port: number,
                protocol: Protocol::of_port(port.port, &port.name, port.app_protocol.as_deref()),
                cluster: inbound_name(number),
                service: key.clone(),
                host: service_host(&key.name, &key.namespace, &index.mesh().domain),
                service_port: port.port,
            }
        });
    }
    Inbound {
        ports: ports.into_values().collect(),
    }
}

/// The pod's ports, by those of its Services.
pub(super) fn targets(index: &Index, client: &Client) -> Targets {
    pairs(all(index, client))
}

/// Looks up the ports of many pods: each namespace's Services are sorted once, and pods that are the
/// same to them are looked up once.
pub(super) struct Lookup<'a> {
    index: &'a Index,
    services: BTreeMap<&'a str, Vec<&'a Arc<Service>>>,
    targets: BTreeMap<Selected<'a>, Targets>,
}

/// What a pod's ports depend on: its namespace, labels and named ports; and the pod, where a Service
/// has no selector.
type Selected<'a> = (&'a str, &'a Labels, &'a [ContainerPort], Option<&'a Key>);

impl<'a> Lookup<'a> {
    /// For one state of the index.
    pub fn new(index: &'a Index) -> Self {
        Self {
            index,
            services: BTreeMap::new(),
            targets: BTreeMap::new(),
        }
    }

    /// The pod's ports, by those of its Services.
    pub fn targets(&mut self, pod: &'a Pod) -> Targets {
        let (index, namespace) = (self.index, &pod.key.namespace);
        let services = self.services.entry(namespace);
        let services = services.or_insert_with(|| by_age(index, namespace));
        let mut others = services.iter().filter(|service| !has_selector(service));
        let own = others.next().map(|_| &pod.key);
        let selected = (&**namespace, &pod.labels, &*pod.ports, own);
        let targets = self.targets.entry(selected);
        targets
            .or_insert_with(|| pairs(of_services(index, services, pod)))
            .clone()
    }
}

/// The ports of a pod, by the ports of its Services.
fn pairs(targets: Vec<Target<'_>>) -> Targets {
    let targets = targets.into_iter();
    let mut targets: Targets = targets
        .map(|target| (target.port.port, target.number))
        .collect();
    // The oldest Services come first, and several may have the same ports.
    let mut seen = BTreeSet::new();
    targets.retain(|target| seen.insert(*target));
    targets.truncate(PORTS);
    targets.sort_unstable();
    targets
}

/// The ports of the pod's Services, the oldest Service first.
fn all<'a>(index: &'a Index, client: &Client) -> Vec<Target<'a>> {
    let Some(pod) = index.pod(&client.pod) else {
        return Vec::new();
    };
    of_services(index, &by_age(index, client.namespace()), pod)
}

/// The Services of a namespace that may have pods, the oldest first.
fn by_age<'a>(index: &'a Index, namespace: &Arc<str>) -> Vec<&'a Arc<Service>> {
    let services = index.services_in(namespace);
    let services = services.filter(|service| service.external_name.is_none());
    let mut services: Vec<&Arc<Service>> = services.collect();
    services.sort_by(|one, other| one.meta.order(&other.meta));
    services
}

/// Whether a Service's pods are those with labels. Else, its slices say which they are.
fn has_selector(service: &Service) -> bool {
    let selector = service.selector.as_ref();
    selector.is_some_and(|selector| !selector.is_empty())
}

fn of_services<'a>(index: &'a Index, services: &[&'a Arc<Service>], pod: &Pod) -> Vec<Target<'a>> {
    let mut targets = Vec::new();
    for service in services {
        for port in &service.ports {
            let number = match &service.selector {
                Some(selector) if has_selector(service) => selector
                    .select(&pod.labels)
                    .then(|| of_pod(pod, &port.target))
                    .flatten(),
                _ => of_slices(index, service, pod, port),
            };
            targets.extend(number.map(|number| Target {
                service,
                port,
                number,
            }));
        }
    }
    targets
}

fn of_pod(pod: &Pod, target: &TargetPort) -> Option<u16> {
    match target {
        TargetPort::Number(number) => Some(*number),
        TargetPort::Name(name) => {
            let mut ports = pod.ports.iter();
            ports.find(|port| port.name == *name).map(|port| port.port)
        }
    }
}

/// The pod's port, by the slices of a Service without selector.
fn of_slices(index: &Index, service: &Service, pod: &Pod, port: &ServicePort) -> Option<u16> {
    let mut slices = index.slices(&service.meta.key).filter(|slice| {
        let mut endpoints = slice.endpoints.iter();
        endpoints.any(|endpoint| {
            endpoint.pod.as_ref() == Some(&pod.key) || pod.ips.contains(&endpoint.address)
        })
    });
    slices.find_map(|slice| {
        let mut ports = slice.ports.iter();
        ports.find(|own| own.name == port.name).map(|own| own.port)
    })
}
