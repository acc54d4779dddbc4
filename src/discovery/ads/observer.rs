//! What proxies make of their resources: metrics, the log, and who else wants to know.

use std::{net::IpAddr, sync::Arc};

use pillion_telemetry::{Rates, Throttle};
use pillion_xds::server::{Observer, SentVersions};

use super::memory::{Charge, Full};
use crate::{
    discovery::{
        metrics::{Metrics, Reply},
        proxies::Tracked,
    },
    model::Key,
};

/// Lines of each kind, by address.
const RATES: Rates = Rates {
    each: 1,
    first: 20,
    more: 0,
};

/// What limits the lines that any pod can cause.
#[derive(Debug)]
pub(super) struct Throttles {
    /// Those about refusals.
    refusals: Throttle,
    /// Those about resources that are too large: there is one for every proxy that may see such a
    /// resource.
    withheld: Throttle,
    /// Those about streams for which there is no room.
    crowded: Throttle,
}

impl Default for Throttles {
    fn default() -> Self {
        Self {
            refusals: Throttle::new(RATES),
            withheld: Throttle::new(RATES),
            crowded: Throttle::new(RATES),
        }
    }
}

/// Observes one stream.
#[derive(Debug)]
pub(super) struct StreamObserver {
    pub pod: Key,
    pub address: IpAddr,
    pub metrics: Arc<Metrics>,
    pub throttles: Arc<Throttles>,
    pub tracked: Arc<Tracked>,
    /// The memory that the stream takes for names that this service does not have.
    pub charge: Charge,
}

impl Observer for StreamObserver {
    fn sent(&self, type_url: &str, nonce: &str, resources: usize, _: usize) {
        self.metrics.sent(type_url, resources);
        self.tracked.sent(type_url, nonce, resources);
    }

    fn acked(&self, type_url: &str, nonce: &str) {
        self.metrics.reply(type_url, Reply::Accepted);
        self.tracked.acked(type_url, nonce);
    }

    fn nacked(&self, type_url: &str, nonce: &str, message: &str, sent: SentVersions<'_>) {
        self.metrics.reply(type_url, Reply::Refused);
        self.tracked.nacked(type_url, nonce, message, sent);
        if let Some(held_back) = self.throttles.refusals.pass(self.address) {
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

    fn resumed(&self, type_url: &str) {
        self.tracked.resumed(type_url);
    }

    fn has_room(&self, bytes: usize) -> bool {
        let Err(full) = self.charge.set(bytes) else {
            return true;
        };
        let text = match full {
            Full::Pod => {
                "a pod subscribes to too many names that do not exist; its stream is ended. Look at what runs in it: \
                 proxies have few of these"
            }
            Full::All => {
                "all pods together subscribe to too many names that do not exist; a stream is ended. \
                 pillion_discovery_streams_without_room_total says how often; find the pods in these lines that have \
                 too many"
            }
        };
        self.metrics.without_room(full == Full::Pod);
        if let Some(held_back) = self.throttles.crowded.pass(self.address) {
            tracing::warn!(
                pod = %self.pod,
                bytes,
                held_back = held_back.own(),
                held_back_of_others = held_back.others(),
                "{text}"
            );
        }
        false
    }

    fn withheld(&self, type_url: &str, name: &str, bytes: usize) {
        if let Some(held_back) = self.throttles.withheld.pass(self.address) {
            tracing::error!(
                pod = %self.pod,
                type_url,
                name,
                bytes,
                held_back = held_back.own(),
                held_back_of_others = held_back.others(),
                "a resource is too large to be sent; the proxy keeps the last one, if it has one"
            );
        }
    }
}
