//! `PeerAuthentication`.

use super::{limits, names};
use crate::{Metadata, PeerAuthenticationSpec, findings::Findings};

/// Validates a `PeerAuthentication`.
pub(crate) fn peer_authentication(
    findings: &mut Findings,
    _: &Metadata,
    spec: &PeerAuthenticationSpec,
) {
    findings.some("selector", spec.selector.as_ref(), |findings, selector| {
        names::labels(findings, "matchLabels", &selector.match_labels);
    });
    if spec.mtls.is_none() && spec.port_level_mtls.is_empty() {
        findings.warn("says nothing: set mtls.mode to STRICT, PERMISSIVE or DISABLE");
    }
    let selects = spec.selector.as_ref();
    let selects = selects.is_some_and(|selector| !selector.match_labels.is_empty());
    findings.at("portLevelMtls", |findings| {
        limits::count(findings, spec.port_level_mtls.len(), limits::PORTS);
        if !selects && !spec.port_level_mtls.is_empty() {
            findings.fault(
                "is only for chosen pods: set selector.matchLabels. For all pods, there is mtls",
            );
        }
    });
    findings.each_key(
        "portLevelMtls",
        &spec.port_level_mtls,
        |findings, port, _| {
            if port_number(port).is_none() {
                findings.fault(
                "must be the number of a port of the pods, from 1 to 65535; names are not taken",
            );
            }
        },
    );
}

/// The number of a port, as a key of `portLevelMtls` has it.
pub fn port_number(text: &str) -> Option<u16> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    is_plain.then(|| text.parse().ok())?
}
