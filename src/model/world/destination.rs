//! What traffic can be sent to: Services and the hosts of ServiceEntries.

use std::{collections::BTreeSet, net::IpAddr, sync::Arc};

use crate::model::{
    cluster::EndpointGroup,
    index::Index,
    names::service_host,
    objects::{ExportTo, Key, Labels, Meta, Service},
    protocol::Protocol,
    tables::Cidr,
};

/// A host with its ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::model) struct Destination {
    /// The host, in lower case. A ServiceEntry's may be a wildcard.
    pub host: Arc<str>,
    /// The Service's or ServiceEntry's name and age.
    pub meta: Meta,
    /// The name in telemetry, by which it is found: a Service's own, a ServiceEntry's host.
    pub service: Key,
    /// Whose clients see it.
    pub export_to: ExportTo,
    /// Its virtual addresses.
    pub addresses: Vec<Cidr>,
    /// Its TCP ports.
    pub ports: Vec<Port>,
    /// Where its endpoints come from.
    pub resolution: Resolution,
    /// What a ServiceEntry says of its endpoints; `None` for a Service.
    pub external: Option<External>,
    /// Whether it is no part of the mesh: `MESH_EXTERNAL`.
    pub is_external: bool,
    /// The addresses of a headless Service's pods.
    pub pods: BTreeSet<IpAddr>,
}

/// A port of a destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::model) struct Port {
    /// Its number.
    pub number: u16,
    /// Its name.
    pub name: Arc<str>,
    /// What is spoken there.
    pub protocol: Protocol,
}

/// Where endpoints come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::model) enum Resolution {
    /// EndpointSlices, or a ServiceEntry's addresses.
    Endpoints,
    /// The address that the client called.
    Passthrough,
    /// DNS, all answers.
    Dns,
    /// DNS, one answer for a connection.
    LogicalDns,
}

/// The endpoints of a ServiceEntry's host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::model) struct External {
    /// For each port, the endpoints, each with its labels.
    pub ports: Vec<(u16, Vec<(Labels, EndpointGroup)>)>,
}

impl Destination {
    /// The port of that number.
    pub fn port(&self, number: u16) -> Option<&Port> {
        self.ports.iter().find(|port| port.number == number)
    }

    /// Whether it is a headless Service.
    pub fn is_headless(&self) -> bool {
        self.external.is_none() && self.resolution == Resolution::Passthrough
    }
}

/// The destinations that Services are. An ExternalName is none.
pub(super) fn of_services(index: &Index) -> Vec<Destination> {
    let services = index
        .services()
        .filter(|service| service.external_name.is_none());
    services.map(|service| of_service(index, service)).collect()
}

fn of_service(index: &Index, service: &Service) -> Destination {
    let key = &service.meta.key;
    let ports = service.ports.iter().map(|port| Port {
        number: port.port,
        name: Arc::clone(&port.name),
        protocol: Protocol::of_port(port.port, &port.name, port.app_protocol.as_deref()),
    });
    let pods = index.slices(key).flat_map(|slice| &slice.endpoints);
    let pods = pods.map(|endpoint| endpoint.address);
    Destination {
        host: service_host(&key.name, &key.namespace, &index.mesh().domain),
        meta: service.meta.clone(),
        service: key.clone(),
        export_to: service.exported_to(&index.mesh().exports.services),
        addresses: service.addresses.iter().copied().map(Cidr::from).collect(),
        ports: ports.collect(),
        resolution: if service.headless {
            Resolution::Passthrough
        } else {
            Resolution::Endpoints
        },
        external: None,
        is_external: false,
        pods: if service.headless {
            pods.collect()
        } else {
            BTreeSet::new()
        },
    }
}
