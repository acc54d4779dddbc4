//! What a caller may take, so that no caller takes the service away from the
//! others.

use std::time::Duration;

/// Limits of one port. The defaults are made for API servers as the only
/// callers, and for a container with a memory limit of 256 MiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections open at a time. At the limit no more are accepted: callers
    /// wait in the kernel's queue, and idle connections end sooner. Below the
    /// 1,024 file descriptors that a process has where nobody raised them.
    pub connections: usize,
    /// Requests read or answered at a time; one more gets a 503 at once.
    pub in_flight: usize,
    /// Bytes of one body; more gets a 413. The API server itself takes objects
    /// of 3 MiB at most, so that a review never comes near.
    pub body_bytes: usize,
    /// Bytes of all bodies that are being read, and of all answers that have not
    /// gone out; more gets a 503 at once.
    pub buffered_bytes: usize,
    /// Bytes that the reviews which are worked on take, by an upper estimate of what
    /// their JSON comes to in memory. One that would take more by itself gets a
    /// 413, others wait for their turn. A container with 10,000 environment
    /// variables, as an API server sends it, comes to 15 MiB.
    pub working_bytes: usize,
    /// Streams of one HTTP/2 connection.
    pub streams: u32,
    /// Time for TLS to be agreed on.
    pub handshake: Duration,
    /// Time from the first byte of a request to the end of its head. The
    /// connection's clock is looked at this often, so up to twice as long.
    pub head: Duration,
    /// Time for a request's body. The API server gives a webhook 10 s in all.
    pub body: Duration,
    /// Time in which one of the answers that wait for the caller to read them
    /// has to go out. Looked at as often as the above.
    pub answer: Duration,
    /// Time that a connection may be open without a request. Longer than the
    /// 90 s after which API servers close theirs: were it shorter, a review
    /// could be sent just as we close, and would be lost.
    pub idle: Duration,
    /// The same while more than three quarters of the connections are taken.
    pub idle_crowded: Duration,
    /// Time for what is in flight to end when the process is told to stop;
    /// within the 30 s that the kubelet gives it.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 768,
            in_flight: 512,
            body_bytes: 6 * 1024 * 1024,
            buffered_bytes: 16 * 1024 * 1024,
            working_bytes: 16 * 1024 * 1024,
            streams: 128,
            handshake: Duration::from_secs(5),
            head: Duration::from_secs(10),
            body: Duration::from_secs(5),
            answer: Duration::from_secs(10),
            idle: Duration::from_secs(120),
            idle_crowded: Duration::from_secs(5),
            drain: Duration::from_secs(20),
        }
    }
}

impl Limits {
    /// For the status port: a kubelet and a few scrapers, without bodies.
    #[must_use]
    pub fn status() -> Self {
        Self {
            connections: 64,
            in_flight: 64,
            body_bytes: 0,
            buffered_bytes: 0,
            working_bytes: 0,
            drain: Duration::from_secs(1),
            ..Self::default()
        }
    }
}
