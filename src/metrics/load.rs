//! The webhook's load: reviews in flight, and those that a limit turned away.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

/// The limits that answer with a 503.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Overload {
    /// What one address may use.
    Caller,
    /// Reviews in flight.
    Reviews,
    /// Bytes of bodies and responses in memory.
    Bytes,
    /// Turns on the threads that work on reviews.
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

/// A review that is counted for as long as it lasts, however it ends.
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

    pub fn register(&self, all: &mut Registry) {
        // The rate of a series that first appears with 1 is 0: show them from the start.
        for limit in Overload::ALL {
            drop(self.overloads.get_or_create(&limit.labels()));
        }
        all.register(
            "pillion_webhook_reviews_in_flight",
            "Reviews that are being read or answered",
            self.in_flight.clone(),
        );
        all.register(
            "pillion_webhook_overloads",
            "Reviews turned away with a 503, by the limit that was reached",
            self.overloads.clone(),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_what_is_in_flight() {
        let load = Load::default();
        let first = load.review();
        let second = load.review();
        assert_eq!(load.in_flight.get(), 2);
        drop((first, second));
        assert_eq!(load.in_flight.get(), 0);
    }
}
