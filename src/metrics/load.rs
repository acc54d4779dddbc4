//! The webhook's load: reviews in flight, and reviews rejected because of a limit.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

/// The limits that lead to a 503 response.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Overload {
    /// The share of one address.
    Caller,
    /// Reviews in flight.
    Reviews,
    /// Bytes of bodies and responses in memory.
    Bytes,
    /// The queue for the threads that process reviews.
    Work,
}

impl Overload {
    const ALL: [Self; 4] = [Self::Caller, Self::Reviews, Self::Bytes, Self::Work];

    fn labels(self) -> LimitLabels {
        let limit = match self {
            Self::Caller => "caller",
            Self::Reviews => "reviews",
            Self::Bytes => "bytes",
            Self::Work => "work",
        };
        LimitLabels { limit }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LimitLabels {
    limit: &'static str,
}

#[derive(Debug, Default)]
pub(super) struct Load {
    in_flight: Gauge,
    overloads: Family<LimitLabels, Counter>,
}

/// Counts a review as in flight until it is dropped.
#[derive(Debug)]
pub(crate) struct InFlight(Gauge);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Load {
    pub fn review(&self) -> InFlight {
        self.in_flight.inc();
        InFlight(self.in_flight.clone())
    }

    pub fn overloaded(&self, limit: Overload) {
        self.overloads.get_or_create(&limit.labels()).inc();
    }

    pub fn register(&self, registry: &mut Registry) {
        // The rate of a series that first appears with 1 is 0: create all series now.
        for limit in Overload::ALL {
            drop(self.overloads.get_or_create(&limit.labels()));
        }
        registry.register(
            "pillion_webhook_reviews_in_flight",
            "Reviews that are being read or processed",
            self.in_flight.clone(),
        );
        registry.register(
            "pillion_webhook_overloads",
            "Reviews rejected with a 503, by the limit that was reached",
            self.overloads.clone(),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_reviews_in_flight() {
        let load = Load::default();
        let first = load.review();
        let second = load.review();
        assert_eq!(load.in_flight.get(), 2);
        drop((first, second));
        assert_eq!(load.in_flight.get(), 0);
    }
}
