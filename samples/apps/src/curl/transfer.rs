//! What `--write-out` can tell of a transfer.

use hyper::{HeaderMap, StatusCode};
use std::time::{Duration, Instant};

/// What was measured of a transfer.
pub(super) struct Transfer {
    pub(super) start: Instant,
    pub(super) connected: Duration,
    pub(super) first_byte: Duration,
    pub(super) total: Duration,
    pub(super) size: u64,
    pub(super) redirects: u32,
    pub(super) url: String,
    /// Of the last answer, if there was one.
    pub(super) status: Option<StatusCode>,
    pub(super) version: hyper::Version,
    pub(super) headers: HeaderMap,
}

impl Transfer {
    pub(super) fn new() -> Self {
        Self {
            start: Instant::now(),
            connected: Duration::ZERO,
            first_byte: Duration::ZERO,
            total: Duration::ZERO,
            size: 0,
            redirects: 0,
            url: String::new(),
            status: None,
            version: hyper::Version::HTTP_11,
            headers: HeaderMap::new(),
        }
    }
}
