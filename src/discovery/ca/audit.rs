//! Who got which certificate, and who did not: a line in the log for each, and metrics.

use std::sync::Arc;

use pillion_telemetry::{Rates, Throttle};

use super::{
    refusal::Refusal,
    requester::{Origin, Requester},
};
use crate::discovery::metrics::Metrics;

/// Lines about refusals, by address: anyone can cause them. Certificates that are issued have a line each.
const REFUSALS: Rates = Rates {
    each: 5,
    first: 20,
    more: 20,
};

/// Writes the lines.
#[derive(Debug)]
pub(super) struct Audit {
    metrics: Arc<Metrics>,
    refusals: Throttle,
}

impl Audit {
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Self {
            metrics,
            refusals: Throttle::new(REFUSALS),
        }
    }

    /// A certificate was issued.
    pub fn issued(
        &self,
        origin: &Origin,
        requester: &Requester,
        serial: &str,
        (lifetime, not_after): (time::Duration, time::OffsetDateTime),
    ) {
        self.metrics.certificate_issued(requester.proof);
        tracing::info!(
            identity = %requester.id,
            pod = requester.pod.as_ref().map(tracing::field::display),
            peer = %origin.address,
            proof = requester.proof.as_str(),
            serial,
            lifetime_seconds = lifetime.whole_seconds(),
            %not_after,
            "issued a certificate"
        );
    }

    /// None was issued; to whom, if that is known.
    pub fn refused(&self, origin: &Origin, requester: Option<&Requester>, refusal: &Refusal) {
        self.metrics.certificate_refused(refusal.reason());
        let Some(held_back) = self.refusals.pass(origin.address.ip()) else {
            return;
        };
        let pod = requester.and_then(|requester| requester.pod.as_ref());
        tracing::warn!(
            identity = requester.map(|requester| requester.id.as_str()),
            pod = pod.map(tracing::field::display),
            peer = %origin.address,
            proof = requester.map(|requester| requester.proof.as_str()),
            reason = refusal.reason().as_str(),
            error = %refusal,
            held_back = held_back.own(),
            held_back_of_others = held_back.others(),
            "refused a certificate"
        );
    }
}
