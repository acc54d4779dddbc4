//! The hosts of ServiceEntries.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use pillion_api::{self as api, ServiceEntrySpec, WorkloadEntry};

use super::destination::{Destination, External, Port, Resolution};
use crate::model::{
    cluster::{Address, Endpoint, EndpointGroup, Locality},
    index::Index,
    names::{TLS_MODE, TLS_MODE_ISTIO},
    objects::{ExportTo, Key, Object},
    protocol::Protocol,
    tables::Cidr,
};

/// The destinations that ServiceEntries name, one for each host.
pub(super) fn destinations(index: &Index) -> Vec<Destination> {
    let entries = index.service_entries();
    let hosts = entries.flat_map(|entry| entry.spec.hosts.iter().map(move |host| (entry, host)));
    hosts
        .map(|(entry, host)| destination(index, entry, host))
        .collect()
}

/// Joins ServiceEntries of one namespace for the same host: the oldest gets the ports that it
/// lacks. Others, which differ in resolution or audience, are left out.
pub(super) fn join(destinations: Vec<Destination>) -> Vec<Destination> {
    let mut joined: Vec<Destination> = Vec::new();
    let mut places: BTreeMap<(Arc<str>, Key), usize> = BTreeMap::new();
    for to in destinations {
        let place = (Arc::clone(&to.host), to.service.clone());
        let old = places.get(&place).and_then(|index| joined.get_mut(*index));
        match old {
            Some(old) => add_ports(old, to),
            None => {
                places.insert(place, joined.len());
                joined.push(to);
            }
        }
    }
    joined
}

fn add_ports(old: &mut Destination, new: Destination) {
    let (Some(external), Some(own)) = (&mut old.external, new.external) else {
        return;
    };
    if old.resolution != new.resolution || old.export_to != new.export_to {
        return;
    }
    let known: BTreeSet<u16> = old.ports.iter().map(|port| port.number).collect();
    let lacks = |number: &u16| !known.contains(number);
    old.ports
        .extend(new.ports.into_iter().filter(|port| lacks(&port.number)));
    let endpoints = own.ports.into_iter();
    external
        .ports
        .extend(endpoints.filter(|(number, _)| lacks(number)));
}

fn destination(index: &Index, entry: &Object<ServiceEntrySpec>, host: &str) -> Destination {
    let exports = &index.mesh().exports.services;
    let spec = &entry.spec;
    let namespace = &entry.meta.key.namespace;
    let host: Arc<str> = host.to_ascii_lowercase().into();
    let ports = spec.ports.iter().map(|port| Port {
        number: port.number,
        name: port.name.as_str().into(),
        protocol: Protocol::of_name(&port.protocol),
    });
    Destination {
        host: Arc::clone(&host),
        meta: entry.meta.clone(),
        service: Key::new(Arc::clone(namespace), Arc::clone(&host)),
        export_to: ExportTo::of(&spec.export_to, exports, namespace),
        addresses: spec
            .addresses
            .iter()
            .filter_map(|text| Cidr::parse(text))
            .collect(),
        ports: ports
            .filter(|port| port.protocol != Protocol::Udp)
            .collect(),
        resolution: match spec.resolution {
            api::Resolution::None | api::Resolution::DynamicDns => Resolution::Passthrough,
            api::Resolution::Static => Resolution::Endpoints,
            api::Resolution::Dns => Resolution::Dns,
            api::Resolution::DnsRoundRobin => Resolution::LogicalDns,
        },
        external: Some(external(spec, &host, index.mesh().mutual_tls)),
        is_external: spec.location == api::Location::MeshExternal,
        pods: BTreeSet::new(),
    }
}

fn external(spec: &ServiceEntrySpec, host: &Arc<str>, has_mutual_tls: bool) -> External {
    let is_mesh = has_mutual_tls && spec.location == api::Location::MeshInternal;
    let own = WorkloadEntry {
        address: host.to_string(),
        ..WorkloadEntry::default()
    };
    let by_dns = matches!(
        spec.resolution,
        api::Resolution::Dns | api::Resolution::DnsRoundRobin
    );
    let entries = if spec.endpoints.is_empty() && by_dns {
        std::slice::from_ref(&own)
    } else {
        &spec.endpoints[..]
    };
    let ports = spec.ports.iter().map(|port| {
        let endpoints = entries.iter().map(|entry| {
            let group = EndpointGroup {
                locality: locality(&entry.locality),
                endpoints: vec![endpoint(entry, port, is_mesh)],
            };
            (entry.labels.clone().into_iter().collect(), group)
        });
        (port.number, endpoints.collect())
    });
    External {
        ports: ports.collect(),
    }
}

fn endpoint(entry: &WorkloadEntry, port: &api::ServicePort, is_mesh: bool) -> Endpoint {
    let target = port.target_port.unwrap_or(port.number);
    Endpoint {
        address: match entry.address.parse() {
            Ok(ip) => Address::Ip(ip),
            Err(_) => Address::Name(entry.address.to_ascii_lowercase().into()),
        },
        port: entry.ports.get(&port.name).copied().unwrap_or(target),
        weight: entry.weight.max(1),
        pod: None,
        mutual_tls: is_mesh
            && entry
                .labels
                .get(TLS_MODE)
                .is_some_and(|mode| mode == TLS_MODE_ISTIO),
    }
}

/// Reads `REGION/ZONE/SUB-ZONE`, of which the last parts may be missing.
fn locality(text: &str) -> Locality {
    let mut parts = text.splitn(3, '/').map(Arc::<str>::from);
    let mut next = || parts.next().unwrap_or_default();
    Locality {
        region: next(),
        zone: next(),
        sub_zone: next(),
    }
}
