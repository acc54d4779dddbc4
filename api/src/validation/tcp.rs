//! A route for TCP.

use super::{
    destination::{destination, weights},
    limits, names,
};
use crate::{TcpRoute, findings::Findings};

/// One route.
pub(super) fn route(findings: &mut Findings, route: &TcpRoute) {
    findings.each("match", &route.matches, |findings, condition| {
        let subnets = condition.destination_subnets.len();
        findings.at("destinationSubnets", |findings| {
            limits::count(findings, subnets, limits::SUBNETS);
        });
        findings.each(
            "destinationSubnets",
            &condition.destination_subnets,
            |findings, subnet| names::subnet(findings, subnet),
        );
        findings.some("port", condition.port.as_ref(), |findings, port| {
            names::port(findings, *port);
        });
        names::labels(findings, "sourceLabels", &condition.source_labels);
        names::gateways(findings, &condition.gateways);
        if !condition.source_namespace.is_empty() {
            findings.at("sourceNamespace", |findings| {
                names::label(findings, &condition.source_namespace);
            });
        }
    });
    findings.at("route", |findings| {
        if route.route.is_empty() {
            findings.fault("must say where connections go: at least one destination");
        }
    });
    findings.each("route", &route.route, |findings, target| {
        findings.at("destination", |findings| {
            destination(findings, &target.destination);
        });
    });
    let all: Vec<u32> = route.route.iter().map(|target| target.weight).collect();
    findings.at("route", |findings| weights(findings, &all));
}
