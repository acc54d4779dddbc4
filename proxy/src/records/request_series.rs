//! A worker's way to the series of requests: one look-up by what the labels are made of.

use std::{
    hash::BuildHasher as _,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use hashbrown::{DefaultHashBuilder, HashTable};

use super::{
    facts::RequestRecord,
    flags::ResponseFlags,
    histogram::{Histogram, add},
    labels::{self, Destination, Outcome},
    parties::Parties,
    registry::{Caps, Origin, Registry, Slot},
    workload::Workload,
};
use crate::tables::Service;

/// A series of requests takes 60 KB of a scrape: 67 lines with 25 labels each.
pub(super) const CAPS: Caps = Caps {
    all: 1000,
    clients: 200,
};

/// Entries of a worker's table. Those of forgotten series stay in it for a while, and
/// authorities that differ in what is not text share a series.
const MAX_ENTRIES: usize = 4 * CAPS.all;

/// What a worker counts in a series.
#[derive(Debug, Default)]
pub(super) struct RequestCells {
    pub requests: AtomicU64,
    /// Milliseconds.
    pub duration: Histogram,
    pub request_bytes: Histogram,
    pub response_bytes: Histogram,
}

/// A worker's table of series.
#[derive(Debug)]
pub(super) struct RequestSeries {
    worker: usize,
    table: HashTable<Known>,
    hasher: DefaultHashBuilder,
    /// The registry's generation in which it had no room: for any series, and for clients'.
    full: [Option<u32>; 2],
}

#[derive(Debug)]
struct Known {
    hash: u64,
    outcome: Outcome,
    to: Owned,
    slot: Arc<Slot<RequestCells>>,
}

/// [`Destination`] that a table can keep.
#[derive(Debug, PartialEq, Eq)]
enum Owned {
    Service(Service),
    Own(Box<str>),
    Host(Box<str>),
    Asked(Box<[u8]>, Box<str>),
    Overflow,
}

impl Owned {
    fn new(to: Destination<'_>) -> Self {
        match to {
            Destination::Service(service) => Self::Service(service.clone()),
            Destination::Own { passthrough } => Self::Own(passthrough.into()),
            Destination::Host(host) => Self::Host(host.into()),
            Destination::Asked { authority, cluster } => {
                Self::Asked(authority.into(), cluster.into())
            }
            Destination::Overflow => Self::Overflow,
        }
    }

    fn borrow(&self) -> Destination<'_> {
        match self {
            Self::Service(service) => Destination::Service(service),
            Self::Own(passthrough) => Destination::Own { passthrough },
            Self::Host(host) => Destination::Host(host),
            Self::Asked(authority, cluster) => Destination::Asked { authority, cluster },
            Self::Overflow => Destination::Overflow,
        }
    }
}

/// What the series of a kind share.
#[derive(Debug)]
pub(super) struct SharedSeries {
    pub registry: Registry<RequestCells>,
    /// Requests that have been counted in the series of those that have no place.
    pub overflows: AtomicU64,
}

impl Default for SharedSeries {
    fn default() -> Self {
        Self {
            registry: Registry::new(CAPS),
            overflows: AtomicU64::default(),
        }
    }
}

impl RequestSeries {
    /// An empty table.
    pub fn new(worker: usize) -> Self {
        Self {
            worker,
            table: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
            full: [None; 2],
        }
    }

    /// Counts a request: in its own series, or in that of the overflow, first of requests
    /// that ended alike, then of all.
    pub fn record(&mut self, shared: &SharedSeries, own: &Workload, request: &RequestRecord<'_>) {
        let outcome = Outcome {
            direction: request.direction,
            is_grpc: request.is_grpc,
            status: request.status.map_or(0, |status| status.as_u16()),
            grpc_status: request.grpc_status.filter(|_| request.is_grpc).map(known),
            flags: request.flags,
            parties: request.parties.map_or(0, Parties::key),
        };
        let untold = Outcome {
            parties: 0,
            ..outcome
        };
        let any = Outcome {
            status: 0,
            grpc_status: None,
            flags: ResponseFlags::NONE,
            ..untold
        };
        let authority = request.request.authority().unwrap_or_default();
        let to = match request.service {
            Some(service) => Destination::Service(service),
            None => {
                let (route, cluster) = (request.route, request.cluster);
                Destination::new(request.direction, route, cluster, authority)
            }
        };
        let context = (shared, own);
        let is_counted = self.count(context, (outcome, to), to.origin(), request)
            || self.count(
                context,
                (untold, Destination::Overflow),
                Origin::Configured,
                request,
            )
            || self.count(
                context,
                (any, Destination::Overflow),
                Origin::Overflow,
                request,
            );
        debug_assert!(is_counted, "the overflow has room for all");
    }

    fn count(
        &mut self,
        (shared, own): (&SharedSeries, &Workload),
        key: (Outcome, Destination<'_>),
        origin: Origin,
        request: &RequestRecord<'_>,
    ) -> bool {
        let hash = self.hasher.hash_one(key);
        let known = self.table.find(hash, |known| known.is(key));
        if let Some(known) = known.filter(|known| known.slot.touch()) {
            known.slot.cells.count(request);
        } else {
            let parties = request
                .parties
                .filter(|parties| parties.key() == key.0.parties);
            let Some(slot) = self.enter((shared, own), (key, parties), hash, origin) else {
                return false;
            };
            slot.touch();
            slot.cells.count(request);
        }
        if key.1 == Destination::Overflow {
            shared.overflows.fetch_add(1, Relaxed);
        }
        true
    }

    /// Makes a key known, with its labels' series.
    fn enter(
        &mut self,
        (shared, own): (&SharedSeries, &Workload),
        (key, parties): ((Outcome, Destination<'_>), Option<&Parties>),
        hash: u64,
        origin: Origin,
    ) -> Option<Arc<Slot<RequestCells>>> {
        let registry = &shared.registry;
        let generation = registry.generation();
        // Until there is room again, nothing is built and nobody is asked.
        if origin != Origin::Overflow
            && self.full[usize::from(origin == Origin::Client)] == Some(generation)
        {
            return None;
        }
        let labels = labels::of_request(own, key.0, key.1, parties);
        let Some(slot) = registry.enter(self.worker, &labels, origin) else {
            self.full[usize::from(origin == Origin::Client)] = Some(generation);
            return None;
        };
        if let Some(known) = self.table.find_mut(hash, |known| known.is(key)) {
            known.slot = Arc::clone(&slot);
            return Some(slot);
        }
        if self.table.len() >= MAX_ENTRIES {
            self.table.retain(|known| !known.slot.is_gone());
        }
        if self.table.len() >= MAX_ENTRIES {
            self.table.clear();
        }
        let known = Known {
            hash,
            outcome: key.0,
            to: Owned::new(key.1),
            slot: Arc::clone(&slot),
        };
        self.table.insert_unique(hash, known, |known| known.hash);
        Some(slot)
    }
}

impl Known {
    fn is(&self, (outcome, to): (Outcome, Destination<'_>)) -> bool {
        self.outcome == outcome && self.to.borrow() == to
    }
}

impl RequestCells {
    fn count(&self, request: &RequestRecord<'_>) {
        add(&self.requests, 1);
        let milliseconds = u64::try_from(request.duration.as_millis()).unwrap_or(u64::MAX);
        self.duration.record(milliseconds);
        self.request_bytes.record(request.request_bytes);
        self.response_bytes.record(request.response_bytes);
    }
}

/// Envoy reports a code that gRPC doesn't define as -1.
fn known(status: u32) -> i8 {
    let status = i8::try_from(status).ok();
    status.filter(|status| *status <= 16).unwrap_or(-1)
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;
    use crate::{
        message::{Fields, RequestHead},
        records::test_util::{request, workload},
    };

    #[test]
    fn a_worker_s_table_is_bounded() {
        let shared = SharedSeries::default();
        let own = workload();
        let mut series = RequestSeries::new(0);
        let pairs = (0x80..=0xbf).flat_map(|a| (0x80..=0xbf).map(move |b| [a, b]));
        let mut requests = 0;
        for authority in pairs {
            let head = RequestHead::new(Method::GET, Some(&authority), b"/", Fields::default());
            let request = RequestRecord {
                cluster: "PassthroughCluster",
                ..request(&head)
            };
            series.record(&shared, &own, &request);
            requests += 1;
        }
        assert!(requests > MAX_ENTRIES && series.table.len() <= MAX_ENTRIES);
        let shown = shared.registry.snapshot();
        let [(_, slots)] = shown.as_slice() else {
            panic!("{shown:?}");
        };
        let counted = slots[0].cells.requests.load(Relaxed);
        assert_eq!(counted, u64::try_from(requests).unwrap());
    }

    #[test]
    fn codes_that_grpc_does_not_define_are_one() {
        assert_eq!([0, 16, 17, 300].map(known), [0, 16, -1, -1]);
    }
}
