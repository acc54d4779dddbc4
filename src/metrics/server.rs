//! What the HTTPS server counts: load, and callers that hit a limit.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

/// The limits that answer with a 503.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Overload {
    /// What one address may take.
    Caller,
    /// Reviews in flight.
    Reviews,
    /// Bytes of bodies and answers in memory.
    Bytes,
    /// Turns on the threads that work on reviews.
    Work,
}

/// Where a connection may be too slow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// TLS.
    Handshake,
    /// A request's head.
    Head,
    /// A request's body.
    Body,
    /// Answers that the caller does not read.
    Answer,
    /// Between requests.
    Idle,
    /// At anything, while places for connections run short.
    Crowded,
}

/// HTTP/2's frames, as far as they are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Frame {
    /// With little or nothing in it.
    Data,
    Headers,
    Priority,
    RstStream,
    Settings,
    Ping,
    WindowUpdate,
    Continuation,
    Other,
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

impl Phase {
    const ALL: [Self; 6] = [
        Self::Handshake,
        Self::Head,
        Self::Body,
        Self::Answer,
        Self::Idle,
        Self::Crowded,
    ];

    fn labels(self) -> PhaseLabels {
        let phase = match self {
            Self::Handshake => "handshake",
            Self::Head => "head",
            Self::Body => "body",
            Self::Answer => "answer",
            Self::Idle => "idle",
            Self::Crowded => "crowded",
        };
        PhaseLabels { phase }
    }
}

impl Frame {
    /// In the order of their numbers.
    pub(crate) const ALL: [Self; 9] = [
        Self::Data,
        Self::Headers,
        Self::Priority,
        Self::RstStream,
        Self::Settings,
        Self::Ping,
        Self::WindowUpdate,
        Self::Continuation,
        Self::Other,
    ];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Headers => "headers",
            Self::Priority => "priority",
            Self::RstStream => "rst_stream",
            Self::Settings => "settings",
            Self::Ping => "ping",
            Self::WindowUpdate => "window_update",
            Self::Continuation => "continuation",
            Self::Other => "other",
        }
    }

    fn labels(self) -> FrameLabels {
        FrameLabels {
            frame: self.as_str(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FrameLabels {
    frame: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LimitLabels {
    limit: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PhaseLabels {
    phase: &'static str,
}

/// The handles; clones count together.
#[derive(Debug, Default, Clone)]
pub(crate) struct Server {
    connections: Gauge,
    in_flight: Gauge,
    refused: Counter,
    evicted: Counter,
    handshake_failures: Counter,
    accept_failures: Counter,
    overloads: Family<LimitLabels, Counter>,
    timeouts: Family<PhaseLabels, Counter>,
    floods: Family<FrameLabels, Counter>,
    useless: Counter,
}

/// Something that is counted for as long as it lasts, however it ends.
#[derive(Debug)]
pub(crate) struct Counted(Gauge);

impl Counted {
    fn new(gauge: &Gauge) -> (Self, usize) {
        let others = usize::try_from(gauge.inc()).unwrap_or_default();
        (Self(gauge.clone()), others)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Server {
    /// A connection that has been opened.
    pub(crate) fn connection(&self) -> Counted {
        Counted::new(&self.connections).0
    }

    /// A review that has come; `None` when there are so many already.
    pub(crate) fn review(&self, limit: usize) -> Option<Counted> {
        let (review, others) = Counted::new(&self.in_flight);
        (others < limit).then_some(review)
    }

    pub(crate) fn overloaded(&self, limit: Overload) {
        self.overloads.get_or_create(&limit.labels()).inc();
    }

    pub(crate) fn timed_out(&self, phase: Phase) {
        self.timeouts.get_or_create(&phase.labels()).inc();
    }

    /// A connection that was closed for its frames; those that it was mostly for.
    pub(crate) fn flooded(&self, frame: Frame) {
        self.floods.get_or_create(&frame.labels()).inc();
    }

    /// A connection that was ended for its many requests that were no reviews.
    pub(crate) fn useless(&self) {
        self.useless.inc();
    }

    /// A connection that was closed at once: its address has too many.
    pub(crate) fn connection_refused(&self) {
        self.refused.inc();
    }

    /// A connection that was ended for another one's sake.
    pub(crate) fn evicted(&self) {
        self.evicted.inc();
    }

    pub(crate) fn handshake_failed(&self) {
        self.handshake_failures.inc();
    }

    pub(crate) fn accept_failed(&self) {
        self.accept_failures.inc();
    }

    pub(super) fn register(&self, all: &mut Registry) {
        // A rate over a series that springs up at 1 is 0: show them from the start.
        for limit in Overload::ALL {
            drop(self.overloads.get_or_create(&limit.labels()));
        }
        for phase in Phase::ALL {
            drop(self.timeouts.get_or_create(&phase.labels()));
        }
        for frame in Frame::ALL {
            drop(self.floods.get_or_create(&frame.labels()));
        }
        all.register(
            "pillion_webhook_http2_floods",
            "HTTP/2 connections closed for a flood of frames, by the frames that it was mostly made of",
            self.floods.clone(),
        );
        all.register(
            "pillion_webhook_useless_connections",
            "Connections ended because of many requests in a row that were not answered as reviews",
            self.useless.clone(),
        );
        all.register(
            "pillion_webhook_connections_refused",
            "Connections closed because their address has too many, or too many wait for a place",
            self.refused.clone(),
        );
        all.register(
            "pillion_webhook_connections_evicted",
            "Connections ended because all places were taken and their address held most",
            self.evicted.clone(),
        );
        all.register(
            "pillion_webhook_connections",
            "Connections that are open",
            self.connections.clone(),
        );
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
        all.register(
            "pillion_webhook_timeouts",
            "Connections and requests ended by a time limit, by phase",
            self.timeouts.clone(),
        );
        all.register(
            "pillion_webhook_tls_handshake_failures",
            "TLS handshakes that failed; many of them together mean a caBundle that does not fit",
            self.handshake_failures.clone(),
        );
        all.register(
            "pillion_webhook_accept_failures",
            "Failures to accept a connection, most often for want of file descriptors",
            self.accept_failures.clone(),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_what_is_in_flight_up_to_the_limit() {
        let server = Server::default();
        let first = server.review(1);
        assert!(first.is_some());
        assert!(server.review(1).is_none());
        drop(first);
        assert!(server.review(1).is_some());
        assert_eq!(server.in_flight.get(), 0);
    }

    #[test]
    fn counts_a_connection_whose_task_panics_no_longer() {
        let server = Server::default();
        let task = {
            let server = server.clone();
            std::thread::spawn(move || {
                let _open = server.connection();
                panic!("out of cheese");
            })
        };
        assert!(task.join().is_err());
        assert_eq!(server.connections.get(), 0);
    }
}
