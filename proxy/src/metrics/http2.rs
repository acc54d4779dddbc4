//! Connections of HTTP/2, as far as no request tells of them.

use pillion_serve::Frame;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

/// The other side of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    Client,
    Server,
}

impl Peer {
    fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FloodLabels {
    reporter: &'static str,
    peer: &'static str,
    frame: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RefusedLabels {
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ErrorLabels {
    peer: &'static str,
    frame: &'static str,
    code: &'static str,
}

/// What is counted of connections of HTTP/2. Clones count together.
#[derive(Debug, Clone, Default)]
pub(crate) struct Http2 {
    floods: Family<FloodLabels, Counter>,
    violations: Counter,
    refused: Family<RefusedLabels, Counter>,
    errors: Family<ErrorLabels, Counter>,
}

impl Http2 {
    /// Shows them.
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "pillion_http2_floods",
            "Connections of HTTP/2 that were cut for a flood of frames, by the frames that it was mostly made of",
            self.floods.clone(),
        );
        registry.register(
            "pillion_http2_violations",
            "Connections of HTTP/2 that were cut because the client broke its rules, or did not begin in time",
            self.violations.clone(),
        );
        registry.register(
            "pillion_http2_refused_heads",
            "Requests of HTTP/2 that the proxy refused for their heads; those that its codec refused are among the errors sent",
            self.refused.clone(),
        );
        registry.register(
            "pillion_http2_errors_sent",
            "Streams (rst_stream) and connections (goaway) that the proxy ended, also without an error, by HTTP/2's error codes",
            self.errors.clone(),
        );
    }

    /// A client or a server was cut off for too many frames, most of them of that kind.
    pub fn flooded(&self, reporter: &'static str, peer: Peer, frame: Frame) {
        let labels = FloodLabels {
            reporter,
            peer: peer.as_str(),
            frame: frame.as_str(),
        };
        self.floods.get_or_create(&labels).inc();
    }

    /// A client was cut off because it does not speak HTTP/2 as it should.
    pub fn broken(&self) {
        self.violations.inc();
    }

    /// A head was refused, for one of a few reasons.
    pub fn refused_head(&self, reason: &'static str) {
        self.refused.get_or_create(&RefusedLabels { reason }).inc();
    }

    /// A frame was sent that ends something, with an error code.
    pub fn sent_error(&self, peer: Peer, frame: &'static str, code: u32) {
        self.errors(peer, frame, name(code)).inc();
    }

    fn errors(&self, peer: Peer, frame: &'static str, code: &'static str) -> Counter {
        let peer = peer.as_str();
        let labels = ErrorLabels { peer, frame, code };
        self.errors.get_or_create_owned(&labels)
    }

    /// How many were cut off for a flood of that kind.
    #[cfg(test)]
    pub fn floods(&self, reporter: &'static str, peer: Peer, frame: Frame) -> u64 {
        let labels = FloodLabels {
            reporter,
            peer: peer.as_str(),
            frame: frame.as_str(),
        };
        self.floods.get_or_create(&labels).get()
    }

    /// How many heads were refused for that reason.
    #[cfg(test)]
    pub fn refused_heads(&self, reason: &'static str) -> u64 {
        self.refused.get_or_create(&RefusedLabels { reason }).get()
    }

    /// How many frames of that name were sent with that error code.
    #[cfg(test)]
    pub fn errors_sent(&self, peer: Peer, frame: &'static str, code: &'static str) -> u64 {
        self.errors(peer, frame, code).get()
    }
}

/// The names of RFC 9113 (7): a peer must not make labels.
fn name(code: u32) -> &'static str {
    match code {
        0x0 => "no_error",
        0x1 => "protocol_error",
        0x2 => "internal_error",
        0x3 => "flow_control_error",
        0x4 => "settings_timeout",
        0x5 => "stream_closed",
        0x6 => "frame_size_error",
        0x7 => "refused_stream",
        0x8 => "cancel",
        0x9 => "compression_error",
        0xa => "connect_error",
        0xb => "enhance_your_calm",
        0xc => "inadequate_security",
        0xd => "http_1_1_required",
        _ => "other",
    }
}
