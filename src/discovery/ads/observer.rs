//! What proxies make of their resources: metrics, and the log.

use std::{net::IpAddr, sync::Arc};

use pillion_telemetry::Throttle;
use pillion_xds::server::Observer;

use crate::{
    discovery::metrics::{Metrics, Reply},
    model::Key,
};

/// Observes one stream.
#[derive(Debug)]
pub(super) struct StreamObserver {
    pub pod: Key,
    pub address: IpAddr,
    pub metrics: Arc<Metrics>,
    /// Lines about refusals: any pod can cause them.
    pub refusals: Arc<Throttle>,
}

impl Observer for StreamObserver {
    fn sent(&self, type_url: &str, _: &str, resources: usize, _: usize) {
        self.metrics.sent(type_url, resources);
    }

    fn acked(&self, type_url: &str, _: &str) {
        self.metrics.reply(type_url, Reply::Accepted);
    }

    fn nacked(&self, type_url: &str, _: &str, message: &str) {
        self.metrics.reply(type_url, Reply::Refused);
        if let Some(held_back) = self.refusals.pass(self.address) {
            tracing::warn!(
                pod = %self.pod,
                type_url,
                message,
                held_back = held_back.own(),
                held_back_of_others = held_back.others(),
                "a proxy refused resources; it keeps the last good ones"
            );
        }
    }

    fn withheld(&self, type_url: &str, name: &str, bytes: usize) {
        tracing::error!(
            pod = %self.pod,
            type_url,
            name,
            bytes,
            "a resource is too large to be sent; the proxy keeps the last one"
        );
    }
}
