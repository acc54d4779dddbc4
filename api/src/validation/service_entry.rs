//! `ServiceEntry`.

use std::{collections::HashSet, net::IpAddr};

use super::{addresses, limits, names};
use crate::{
    Metadata, Resolution, ServiceEntrySpec, ServicePort, WorkloadEntry, findings::Findings,
    path::shortened,
};

/// The protocols that a port may have.
const PROTOCOLS: [&str; 11] = [
    "HTTP", "HTTP2", "GRPC", "GRPC-WEB", "HTTPS", "TLS", "TCP", "MONGO", "REDIS", "MYSQL", "UDP",
];
/// Those of them whose requests or connections say which host they are for.
const WITH_HOSTS: [&str; 6] = ["HTTP", "HTTP2", "GRPC", "GRPC-WEB", "HTTPS", "TLS"];

/// Validates a `ServiceEntry`.
pub(crate) fn service_entry(findings: &mut Findings, metadata: &Metadata, spec: &ServiceEntrySpec) {
    sizes(findings, spec);
    hosts(findings, spec);
    resolution(findings, spec);
    findings.each(
        "addresses",
        &spec.addresses,
        |findings, address| match address.parse::<IpAddr>() {
            Ok(_) => {}
            Err(_) if address.contains('/') => {
                findings.fault("networks are not built yet; single addresses are");
            }
            Err(_) => findings.fault(format!("{:?} is no address", shortened(address))),
        },
    );
    ports(findings, spec);
    let ports: HashSet<&str> = spec.ports.iter().map(|port| port.name.as_str()).collect();
    findings.each("endpoints", &spec.endpoints, |findings, entry| {
        endpoint(findings, entry, &ports, spec.resolution);
    });
    names::export_to(findings, &metadata.namespace, &spec.export_to, true);
}

/// How much of everything there is: each port of each host is a cluster with all endpoints, and each
/// port of each address a listener.
fn sizes(findings: &mut Findings, spec: &ServiceEntrySpec) {
    let (hosts, ports, endpoints) = (spec.hosts.len(), spec.ports.len(), spec.endpoints.len());
    for (field, count, most) in [
        ("hosts", hosts, limits::HOSTS),
        ("addresses", spec.addresses.len(), limits::HOSTS),
        ("ports", ports, limits::PORTS),
    ] {
        findings.at(field, |findings| limits::count(findings, count, most));
    }
    let lists = [(hosts, "hosts"), (ports, "ports"), (endpoints, "endpoints")];
    limits::product(findings, &lists[..2], limits::HOST_PORTS);
    findings.at("addresses", |findings| {
        let lists = [(spec.addresses.len(), "addresses"), (ports, "ports")];
        limits::product(findings, &lists, limits::ADDRESS_PORTS);
    });
    findings.at("endpoints", |findings| {
        limits::product(findings, &lists, limits::HOST_PORT_ENDPOINTS);
    });
    let localities: HashSet<&str> = spec.endpoints.iter().map(|one| &*one.locality).collect();
    if localities.len() > limits::LOCALITIES {
        let message = format!("have more than {} localities", limits::LOCALITIES);
        findings.at("endpoints", |findings| findings.fault(message));
    }
    if spec.resolution == Resolution::Dns {
        asked_for(findings, spec);
    }
}

/// How many names DNS is asked for.
fn asked_for(findings: &mut Findings, spec: &ServiceEntrySpec) {
    let (field, names): (_, HashSet<&str>) = match spec.endpoints.is_empty() {
        true => ("hosts", spec.hosts.iter().map(String::as_str).collect()),
        false => {
            let all = spec.endpoints.iter().map(|endpoint| &*endpoint.address);
            (
                "endpoints",
                all.filter(|name| name.parse::<IpAddr>().is_err()).collect(),
            )
        }
    };
    if names.len() > limits::DNS_NAMES {
        let message = format!(
            "DNS would be asked for {} names by every proxy; there can't be more than {} in an object",
            names.len(),
            limits::DNS_NAMES
        );
        findings.at(field, |findings| findings.fault(message));
    }
}

/// The names of the service.
fn hosts(findings: &mut Findings, spec: &ServiceEntrySpec) {
    if spec.hosts.is_empty() {
        findings.at("hosts", |findings| {
            findings.fault("must have at least one host");
        });
    }
    findings.each("hosts", &spec.hosts, |findings, host| {
        if host == "*" {
            findings.fault(
                "`*` is no host of a service; unknown hosts are governed by outboundTrafficPolicy",
            );
        } else {
            names::host(findings, host);
        }
        if host.starts_with('*') && host != "*" && !host.starts_with("*.") {
            // A listener for TLS would have a name that neither Envoy nor the proxy takes.
            findings.fault("a wildcard must be a whole label: `*.example.com`");
        }
        addresses::check(findings, host);
    });
}

/// How addresses are found.
fn resolution(findings: &mut Findings, spec: &ServiceEntrySpec) {
    let message = match spec.resolution {
        Resolution::Static | Resolution::Dns => None,
        Resolution::None => Some("NONE (the default) is not built yet; DNS and STATIC are"),
        Resolution::DnsRoundRobin => Some("DNS_ROUND_ROBIN is not built yet; DNS and STATIC are"),
        Resolution::DynamicDns => Some("DYNAMIC_DNS is not built yet; DNS and STATIC are"),
    };
    if let Some(message) = message {
        findings.at("resolution", |findings| findings.fault(message));
    }
    if spec.resolution == Resolution::Dns && spec.endpoints.is_empty() {
        findings.each("hosts", &spec.hosts, |findings, host| {
            if host.starts_with('*') {
                findings.fault(
                    "a wildcard can't be resolved by DNS: name the endpoints, or single hosts",
                );
            }
        });
    }
}

/// The ports of the service.
fn ports(findings: &mut Findings, spec: &ServiceEntrySpec) {
    if spec.ports.is_empty() {
        findings.at("ports", |findings| {
            findings.warn("without ports, no traffic reaches the service");
        });
    }
    let (mut names, mut numbers) = (HashSet::new(), HashSet::new());
    findings.each("ports", &spec.ports, |findings, port| {
        service_port(findings, port, spec.hosts.len());
        if !names.insert(&port.name) {
            findings.at("name", |findings| {
                findings.fault("another port has this name already");
            });
        }
        if !numbers.insert(port.number) {
            findings.at("number", |findings| {
                findings.fault("another port has this number already");
            });
        }
    });
}

/// One port of a service with that many hosts.
fn service_port(findings: &mut Findings, port: &ServicePort, hosts: usize) {
    findings.at("number", |findings| names::port(findings, port.number));
    findings.some("targetPort", port.target_port.as_ref(), |findings, port| {
        names::port(findings, *port);
    });
    findings.at("name", |findings| names::label(findings, &port.name));
    let protocol = port.protocol.to_ascii_uppercase();
    findings.at("protocol", |findings| {
        if !protocol.is_empty() && !PROTOCOLS.contains(&protocol.as_str()) {
            findings.fault(format!("must be one of {}, not {:?}", PROTOCOLS.join(", "), shortened(&port.protocol)));
        } else if hosts > 1 && !WITH_HOSTS.contains(&protocol.as_str()) {
            findings.fault("connections of this protocol don't say which of the hosts they are for: use one ServiceEntry for each host");
        }
    });
}

/// One endpoint.
fn endpoint(
    findings: &mut Findings,
    entry: &WorkloadEntry,
    ports: &HashSet<&str>,
    resolution: Resolution,
) {
    findings.at("address", |findings| {
        let address = entry.address.as_str();
        if addresses::check(findings, address) {
            return;
        }
        if address.is_empty() {
            findings.fault("must be set");
        } else if address.starts_with("unix:") {
            findings.fault("Unix sockets are not built yet");
        } else if address.parse::<IpAddr>().is_err() {
            if resolution == Resolution::Static {
                findings.fault(format!(
                    "{:?} must be an IP address where resolution is STATIC",
                    shortened(address)
                ));
            } else if !names::is_name(address) {
                findings.fault(format!(
                    "{:?} is neither an IP address nor a DNS name",
                    shortened(address)
                ));
            }
        }
    });
    findings.each_key("ports", &entry.ports, |findings, name, port| {
        if !ports.contains(name) {
            findings.fault("spec.ports has no port of this name");
        }
        names::port(findings, *port);
    });
    names::labels(findings, "labels", &entry.labels);
    findings.at("locality", |findings| {
        limits::text(findings, &entry.locality);
    });
}
