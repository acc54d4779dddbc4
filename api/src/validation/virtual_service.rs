//! `VirtualService`.

use std::net::IpAddr;

use super::{http, limits, matches::Conditions, multiplied, names, shadowed, tcp};
use crate::{Metadata, VirtualServiceSpec, findings::Findings};

/// The reserved name of all sidecars among gateways.
const MESH: &str = "mesh";

/// Validates a `VirtualService`.
pub(crate) fn virtual_service(
    findings: &mut Findings,
    metadata: &Metadata,
    spec: &VirtualServiceSpec,
) {
    hosts(findings, spec);
    names::gateways(findings, &spec.gateways);
    if spec.http.is_empty() && spec.tcp.is_empty() {
        findings.fault("must have routes: http or tcp");
    }
    sizes(findings, spec);
    let mut conditions = Conditions::default();
    findings.at("http", |findings| {
        for (index, route) in spec.http.iter().enumerate() {
            findings.at(index, |findings| {
                http::route(findings, &mut conditions, route, spec.http.get(index + 1));
            });
        }
    });
    findings.each("tcp", &spec.tcp, tcp::route);
    names::export_to(findings, &metadata.namespace, &spec.export_to, false);
    shadowed::http(findings, &spec.http);
    shadowed::tcp(findings, &spec.tcp);
}

/// How much of everything there is, as every host has all of the routes.
fn sizes(findings: &mut Findings, spec: &VirtualServiceSpec) {
    let hosts = spec.hosts.len();
    findings.at("hosts", |findings| {
        limits::count(findings, hosts, limits::HOSTS);
    });
    let http = spec.http.iter();
    let matches: usize = http.clone().map(|route| route.matches.len().max(1)).sum();
    let destinations: usize = http.map(|route| route.route.len()).sum();
    findings.at("http", |findings| {
        let lists = [(hosts, "hosts"), (matches, "elements of match")];
        limits::product(findings, &lists, limits::HOST_MATCHES);
        let lists = [(hosts, "hosts"), (destinations, "destinations")];
        limits::product(findings, &lists, limits::HOST_DESTINATIONS);
        multiplied::http(findings, &spec.http);
    });
    let tcp = spec.tcp.iter();
    let matches: usize = tcp.map(|route| route.matches.len().max(1)).sum();
    findings.at("tcp", |findings| {
        let lists = [(hosts, "hosts"), (matches, "elements of match")];
        limits::product(findings, &lists, limits::HOST_TCP_MATCHES);
    });
}

/// The hosts that the routes are for.
fn hosts(findings: &mut Findings, spec: &VirtualServiceSpec) {
    if spec.hosts.is_empty() {
        let message = "must have at least one host; a VirtualService without hosts (a delegate) is not built yet";
        findings.at("hosts", |findings| findings.fault(message));
        return;
    }
    let for_sidecars =
        spec.gateways.is_empty() || spec.gateways.iter().any(|gateway| gateway == MESH);
    findings.each("hosts", &spec.hosts, |findings, host| {
        if host == "*" && for_sidecars {
            findings.fault("`*` is only for gateways: name them in spec.gateways, without `mesh`");
        } else if host.parse::<IpAddr>().is_err() {
            names::host(findings, host);
        }
    });
    names::distinct_hosts(findings, "hosts", &spec.hosts);
}
