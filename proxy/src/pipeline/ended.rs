//! How a request ended.

use super::{attempt::Interrupted, clock::Expired, failure::Failure};
use crate::message::Broken;

/// Why the request ended before its response was complete.
pub(super) enum Ended {
    /// The response has not begun, and the proxy answers instead.
    Failed(Failure),
    /// The response has begun, and the server broke it off.
    Cut(Broken),
    /// The response has begun, and what the client sends is not HTTP.
    BadRequest(&'static str),
    /// The client has gone away.
    ClientGone,
    /// Nothing was sent for too long.
    Idle,
    /// The response has begun, and takes longer than it may.
    Late(Expired),
    /// Newer tables don't allow the client any more.
    Left,
}

impl Ended {
    /// The end of a response that has begun: there can't be another one.
    pub fn within_response(interrupted: Interrupted) -> Self {
        match interrupted {
            Interrupted::Client(Broken::Protocol(reason) | Broken::Refused(reason)) => {
                Self::BadRequest(reason)
            }
            Interrupted::Client(_) => Self::ClientGone,
            Interrupted::Server(broken) => Self::Cut(broken),
            Interrupted::Idle => Self::Idle,
            Interrupted::Timeout(expired) => Self::Late(expired),
            Interrupted::Left => Self::Left,
        }
    }
}
