//! What a port counts: connections, and callers that hit a limit.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

/// Where a connection may be too slow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The TLS handshake.
    Handshake,
    /// A request's head.
    Head,
    /// A request's body.
    Body,
    /// Responses that the caller does not read.
    Answer,
    /// Between requests.
    Idle,
    /// At anything, while others of its address wait for a place.
    Crowded,
}

/// The kinds of HTTP/2 frames that are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame {
    /// DATA with little or nothing in it.
    Data,
    /// The head of a request or a response, or trailers.
    Headers,
    /// Of no use any more (RFC 9113, 5.3.2).
    Priority,
    /// The end of a stream before its time.
    RstStream,
    /// What the sender can take.
    Settings,
    /// A question whether the connection lives.
    Ping,
    /// More room for DATA.
    WindowUpdate,
    /// The rest of long HEADERS.
    Continuation,
    /// Of a type that is not told apart.
    Other,
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

    /// The name in metrics and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
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
struct PhaseLabels {
    phase: &'static str,
}

/// What a port counts. Clones count together.
#[derive(Debug, Default, Clone)]
pub struct PortMetrics {
    connections: Gauge,
    refused: Counter,
    evicted: Counter,
    handshake_failures: Counter,
    accept_failures: Counter,
    failures: Counter,
    timeouts: Family<PhaseLabels, Counter>,
    floods: Family<FrameLabels, Counter>,
    useless: Counter,
}

/// A connection that is counted for as long as it lasts, however it ends.
#[derive(Debug)]
pub(crate) struct Open(Gauge);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl PortMetrics {
    /// A connection that has been opened.
    pub(crate) fn connection(&self) -> Open {
        self.connections.inc();
        Open(self.connections.clone())
    }

    /// A connection or a request that was too slow.
    pub fn timed_out(&self, phase: Phase) {
        self.timeouts.get_or_create(&phase.labels()).inc();
    }

    /// A connection that was closed for its flood of frames, mostly of this kind.
    pub(crate) fn flooded(&self, frame: Frame) {
        self.floods.get_or_create(&frame.labels()).inc();
    }

    /// A connection that was ended because its requests kept failing.
    pub(crate) fn useless(&self) {
        self.useless.inc();
    }

    /// A connection that was closed at once: its address has too many.
    pub(crate) fn connection_refused(&self) {
        self.refused.inc();
    }

    /// A connection that was ended to make room for another.
    pub(crate) fn evicted(&self) {
        self.evicted.inc();
    }

    pub(crate) fn handshake_failed(&self) {
        self.handshake_failures.inc();
    }

    /// A connection that ended with an error, most often because what came is not HTTP.
    pub(crate) fn failed(&self) {
        self.failures.inc();
    }

    pub(crate) fn accept_failed(&self) {
        self.accept_failures.inc();
    }

    /// Registers the metrics; their names start with `prefix`, such as `pillion_webhook_`.
    pub fn register(&self, registry: &mut Registry, prefix: &str) {
        // The rate of a series that first appears with 1 is 0: show them from the start.
        for phase in Phase::ALL {
            drop(self.timeouts.get_or_create(&phase.labels()));
        }
        for frame in Frame::ALL {
            drop(self.floods.get_or_create(&frame.labels()));
        }
        registry.register(
            format!("{prefix}http2_floods"),
            "HTTP/2 connections closed for a flood of frames, by the frames that it was mostly made of",
            self.floods.clone(),
        );
        registry.register(
            format!("{prefix}useless_connections"),
            "Connections ended because many requests in a row failed",
            self.useless.clone(),
        );
        registry.register(
            format!("{prefix}connections_refused"),
            "Connections closed because their address has too many, or too many wait for a place",
            self.refused.clone(),
        );
        registry.register(
            format!("{prefix}connections_evicted"),
            "Connections ended because all places were taken and their address held most",
            self.evicted.clone(),
        );
        registry.register(
            format!("{prefix}connections"),
            "Connections that are open",
            self.connections.clone(),
        );
        registry.register(
            format!("{prefix}timeouts"),
            "Connections and requests ended by a time limit, by phase",
            self.timeouts.clone(),
        );
        registry.register(
            format!("{prefix}tls_handshake_failures"),
            "TLS handshakes that failed; many of them together mean that callers do not trust the certificate",
            self.handshake_failures.clone(),
        );
        registry.register(
            format!("{prefix}connections_failed"),
            "Connections that ended with an error, most often because what came was not HTTP",
            self.failures.clone(),
        );
        registry.register(
            format!("{prefix}accept_failures"),
            "Failures to accept a connection, most often because file descriptors ran out",
            self.accept_failures.clone(),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_a_connection_whose_task_panics_no_longer() {
        let metrics = PortMetrics::default();
        let task = {
            let metrics = metrics.clone();
            std::thread::spawn(move || {
                let _open = metrics.connection();
                panic!("out of cheese");
            })
        };
        assert!(task.join().is_err());
        assert_eq!(metrics.connections.get(), 0);
    }
}
