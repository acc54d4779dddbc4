//! What comes of waiting for the other side.

use std::time::Duration;

use rustix::event::epoll;

/// Connections that are looked at before the clock is.
const EVENTS: usize = 64;

/// Room for what comes, and what has come.
pub(super) struct Turn {
    pub events: Vec<epoll::Event>,
    pub buffer: Vec<u8>,
    /// Of the responses that are complete.
    pub latencies: Vec<Duration>,
}

impl Turn {
    pub fn new() -> Self {
        Self {
            events: Vec::with_capacity(EVENTS),
            buffer: vec![0; 64 * 1024],
            latencies: Vec::new(),
        }
    }
}
