//! Where routes lead.

use super::{limits, names};
use crate::{Destination, PortSelector, findings::Findings, path::shortened};

/// A destination of a route.
pub(super) fn destination(findings: &mut Findings, destination: &Destination) {
    findings.at("host", |findings| {
        if destination.host.contains('*') {
            findings.fault(format!(
                "{:?} must be the name of one service: a route can't lead to a wildcard",
                shortened(&destination.host)
            ));
        } else {
            names::host(findings, &destination.host);
        }
    });
    findings.some("subset", destination.subset.as_ref(), |findings, subset| {
        names::label(findings, subset);
    });
    findings.some("port", destination.port.as_ref(), port_selector);
}

/// A port by its number.
pub(super) fn port_selector(findings: &mut Findings, port: &PortSelector) {
    findings.at("number", |findings| names::port(findings, port.number));
}

/// The weights of a route's destinations.
pub(super) fn weights(findings: &mut Findings, weights: &[u32]) {
    limits::count(findings, weights.len(), limits::DESTINATIONS);
    let sum: u64 = weights.iter().map(|weight| u64::from(*weight)).sum();
    if weights.len() > 1 && sum == 0 {
        findings.fault("the weights add up to 0, so that no destination would get anything: give each a weight");
    } else if sum > u64::from(u32::MAX) {
        findings.fault(format!("the weights add up to more than {}", u32::MAX));
    }
}
