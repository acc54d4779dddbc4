//! The ports of a pod that Services name.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::model::{
    authentication::Effective,
    client::Client,
    index::Index,
    names::{inbound_name, service_host},
    objects::{Labels, Pod, Service, ServicePort, TargetPort},
    protocol::Protocol,
    tables::{Inbound, InboundPort},
    world::World,
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
pub(super) fn of_client(index: &Index, world: &World, client: &Client) -> Inbound {
    // None: there is no mutual TLS.
    let mtls = world.mesh.mutual_tls.then_some(&world.authentication);
    let of_port = |port| {
        let effective = mtls.map(|all| all.mtls(client.namespace(), &client.labels, port));
        effective.unwrap_or_else(Effective::plaintext)
    };
    let mut ports: BTreeMap<u16, InboundPort> = BTreeMap::new();
    for target in all(index, client) {
        let Target {
            service,
            port,
            number,
        } = target;
        let protocol = Protocol::of_port(port.port, &port.name, port.app_protocol.as_deref());
        // Connections to such a number are of none of the Service's ports.
        let is_tcp = protocol != Protocol::Udp;
        let has_room = ports.len() < PORTS || ports.contains_key(&number);
        if !is_tcp || !has_room {
            continue;
        }
        ports.entry(number).or_insert_with(|| {
            let key = &service.meta.key;
            InboundPort {
                port: number,
                protocol,
                cluster: inbound_name(number),
                service: key.clone(),
                host: service_host(&key.name, &key.namespace, &index.mesh().domain),
                service_port: port.port,
                mtls: of_port(number),
            }
        });
    }
    let others = mtls.map(|all| all.mtls_of_pods(client.namespace(), &client.labels));
    let named = mtls.map(|all| all.named_ports(client.namespace(), &client.labels));
    let named = named.into_iter().flatten();
    Inbound {
        named: named
            .filter(|(port, _)| !ports.contains_key(port))
            .take(PORTS)
            .collect(),
        ports: ports.into_values().collect(),
        others: others.unwrap_or_else(Effective::plaintext),
    }
}

/// The pod's ports, by those of its Services.
pub(super) fn targets(index: &Index, client: &Client) -> Targets {
    let targets = all(index, client).into_iter();
    pairs(targets.map(|target| (target.port.port, target.number)))
}

/// The first of these pairs, the ports of the oldest Service first, in order and each once.
pub(super) fn pairs(all: impl Iterator<Item = (u16, u16)>) -> Targets {
    // Several Services may have the same ports.
    let mut seen = BTreeSet::new();
    let mut targets: Targets = all.filter(|pair| seen.insert(*pair)).take(PORTS).collect();
    targets.sort_unstable();
    targets
}

/// The ports of the pod's Services, the oldest Service first.
fn all<'a>(index: &'a Index, client: &Client) -> Vec<Target<'a>> {
    let Some(pod) = index.pod(&client.pod) else {
        return Vec::new();
    };
    let mut targets = Vec::new();
    for service in by_age(index, client.namespace()) {
        let target = |(port, number)| Target {
            service,
            port,
            number,
        };
        if let Some(selector) = selector(service) {
            targets.extend(by_selector(selector, service, pod).map(target));
        } else {
            let ports = service.ports.iter();
            let ports =
                ports.filter_map(|port| Some((port, of_slices(index, service, pod, port)?)));
            targets.extend(ports.map(target));
        }
    }
    targets
}

/// The Services of a namespace that may have pods, the oldest first.
pub(super) fn by_age<'a>(index: &'a Index, namespace: &Arc<str>) -> Vec<&'a Arc<Service>> {
    let services = index.services_in(namespace);
    let services = services.filter(|service| service.external_name.is_none());
    let mut services: Vec<&Arc<Service>> = services.collect();
    services.sort_by(|one, other| one.meta.order(&other.meta));
    services
}

/// The labels of a Service's pods. Without any, its slices say which pods it has.
pub(super) fn selector(service: &Service) -> Option<&Labels> {
    let selector = service.selector.as_ref();
    selector.filter(|selector| !selector.is_empty())
}

/// The ports of a Service with this selector, with those of the pod; none, if it is not the Service's.
pub(super) fn by_selector<'a>(
    selector: &Labels,
    service: &'a Service,
    pod: &Pod,
) -> impl Iterator<Item = (&'a ServicePort, u16)> {
    let ports = if selector.select(&pod.labels) {
        service.ports.as_slice()
    } else {
        &[]
    };
    let ports = ports.iter();
    ports.filter_map(|port| Some((port, of_pod(pod, &port.target)?)))
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
