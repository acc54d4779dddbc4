//! How connections end.

use h2::Reason;
use pillion_serve::Frame;

use super::{broken::broken, wire::Tally};
use crate::message::Broken;

/// How a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    /// By the peer, or by us with nothing left to do.
    Closed,
    /// A client did not say in time that it speaks HTTP/2.
    Silent,
    /// There was no request for too long, or nobody uses it and the peer takes no note of that.
    Idle,
    /// The peer sent too many frames, most of them of that kind.
    Flood(Frame),
    /// Otherwise.
    Broken(Broken),
}

impl End {
    pub(super) fn of(error: &h2::Error, tally: &Tally) -> Self {
        match tally.flood() {
            Some(frame) => Self::Flood(frame),
            // One of h2's own limits.
            None if error.is_library() && error.reason() == Some(Reason::ENHANCE_YOUR_CALM) => {
                Self::Flood(Frame::Other)
            }
            None => Self::Broken(tally.alert().map_or_else(|| broken(error), Broken::Alert)),
        }
    }
}
