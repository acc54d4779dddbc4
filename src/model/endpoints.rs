//! The endpoints of clusters.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use super::{
    cluster::{Address, Cluster, Endpoint, EndpointGroup, Locality},
    index::Index,
    objects::{EndpointSlice, Labels, Service, SliceEndpoint},
    transport::{is_mutual, waits},
    world::{Destination, External, World},
};

type Groups = BTreeMap<Locality, Vec<Endpoint>>;

/// The endpoints of a cluster, in the order of localities and addresses.
pub(super) fn of_cluster(
    index: &Index,
    world: &World,
    destination: &Destination,
    cluster: &Cluster,
) -> Vec<EndpointGroup> {
    let groups = match &destination.external {
        Some(external) => of_entry(external, cluster.key.port, &cluster.labels),
        None => index
            .service(&destination.service)
            .map(|service| of_service((index, world), service, cluster))
            .unwrap_or_default(),
    };
    grouped(groups)
}

/// Returns the endpoints of a ServiceEntry's port, whose addresses are DNS names.
pub(super) fn of_names(external: &External, port: u16, labels: &Labels) -> Vec<EndpointGroup> {
    grouped(of_entry(external, port, labels))
}

fn grouped(groups: Groups) -> Vec<EndpointGroup> {
    let groups = groups.into_iter().map(|(locality, mut endpoints)| {
        endpoints.sort();
        // An endpoint that moves from one slice to another is in both for a while.
        endpoints.dedup_by(|one, other| one.address == other.address && one.port == other.port);
        EndpointGroup {
            locality,
            endpoints,
        }
    });
    groups.collect()
}

fn of_entry(external: &External, port: u16, labels: &Labels) -> Groups {
    let mut groups = Groups::new();
    let ports = external.ports.iter().filter(|(number, _)| *number == port);
    for (own, group) in ports.flat_map(|(_, endpoints)| endpoints) {
        if labels.select(own) {
            let endpoints = groups.entry(group.locality.clone()).or_default();
            endpoints.extend(group.endpoints.iter().cloned());
        }
    }
    groups
}

/// How much of a Service's endpoints get traffic.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Selection {
    /// Those that are ready.
    Ready,
    /// Those that still serve though they are ending: better than none, which is also
    /// what kube-proxy does.
    Terminating,
}

impl Selection {
    fn includes(self, service: &Service, endpoint: &SliceEndpoint) -> bool {
        match self {
            Self::Ready => endpoint.ready || service.publish_not_ready,
            Self::Terminating => endpoint.serving && endpoint.terminating,
        }
    }
}

fn of_service(state: (&Index, &World), service: &Service, cluster: &Cluster) -> Groups {
    let index = state.0;
    let mut ports = service.ports.iter();
    let Some(port) = ports.find(|port| port.port == cluster.key.port) else {
        return Groups::new();
    };
    let slices: Vec<_> = index.slices(&service.meta.key).collect();
    // A rule may say what they speak, whoever they are.
    let is_guessed = cluster.policy.tls.is_none();
    for selection in [Selection::Ready, Selection::Terminating] {
        // A pod with two addresses is in two slices, and is one endpoint.
        for ipv6 in family_order(service) {
            let mut groups = Groups::new();
            for slice in &slices {
                let chosen = |endpoint: &&SliceEndpoint| {
                    endpoint.address.is_ipv6() == ipv6
                        && selection.includes(service, endpoint)
                        && !(is_guessed && waits(index, state.1, endpoint))
                        && cluster.labels.select(&labels_of(index, endpoint))
                };
                add(state, &mut groups, slice, &port.name, chosen);
            }
            if !groups.is_empty() {
                return groups;
            }
        }
    }
    Groups::new()
}

/// Whether IPv6 is used, first and if there are no such endpoints: the family of the
/// Service's first address comes first.
fn family_order(service: &Service) -> [bool; 2] {
    let first = service.addresses.first().is_some_and(IpAddr::is_ipv6);
    [first, !first]
}

fn labels_of(index: &Index, endpoint: &SliceEndpoint) -> Labels {
    let pod = endpoint.pod.as_ref().and_then(|pod| index.pod(pod));
    pod.map(|pod| pod.labels.clone()).unwrap_or_default()
}

fn add(
    (index, world): (&Index, &World),
    groups: &mut Groups,
    slice: &EndpointSlice,
    port: &Arc<str>,
    chosen: impl Fn(&&SliceEndpoint) -> bool,
) {
    let Some(port) = slice.ports.iter().find(|own| own.name == *port) else {
        return;
    };
    for endpoint in slice.endpoints.iter().filter(chosen) {
        let endpoints = groups.entry(locality(index, endpoint)).or_default();
        let pod = endpoint.pod.as_ref().and_then(|pod| index.pod(pod));
        endpoints.push(Endpoint {
            address: Address::Ip(endpoint.address),
            port: port.port,
            weight: 1,
            pod: endpoint.pod.clone(),
            mutual_tls: pod.is_some_and(|pod| is_mutual(world, pod, port.port)),
        });
    }
}

fn locality(index: &Index, endpoint: &SliceEndpoint) -> Locality {
    let node = endpoint.node.as_ref().and_then(|name| index.node(name));
    let zone = endpoint.zone.clone();
    Locality {
        region: node
            .map(|node| Arc::clone(&node.region))
            .unwrap_or_default(),
        zone: zone
            .or_else(|| node.map(|node| Arc::clone(&node.zone)))
            .unwrap_or_default(),
        sub_zone: Arc::default(),
    }
}
