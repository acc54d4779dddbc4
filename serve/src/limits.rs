//! How much callers may use, so that the process survives and no caller takes the
//! service away from the others.

use std::time::Duration;

use crate::Allowance;

/// Limits of one port. The defaults suit API servers as the only callers, and a
/// container with a memory limit of 256 MiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// An address may use a fraction (`1 / callers`) of the connections and of the memory for
    /// bodies, and a quarter of that fraction of the requests in flight. Beyond that, a
    /// connection waits for another one to end, and a request gets a 503.
    pub callers: usize,
    /// Open connections. At the limit, a new connection replaces one of the address that
    /// has the most, or waits for one of its own address to end.
    pub connections: usize,
    /// Connections that wait for a free slot; one more is closed immediately. Together with
    /// `connections` they stay below the usual limit of 1,024 file descriptors.
    pub waiting: usize,
    /// Requests in flight; one more gets a 503 immediately. The last eighth is reserved for
    /// callers that have sent a useful request.
    pub in_flight: usize,
    /// Bytes of one body; more gets a 413. The API server itself takes requests
    /// of 3 MiB at most, and etcd objects of half of that.
    pub body_bytes: usize,
    /// Bytes of all bodies whose requests are in flight, and of all responses that are not
    /// sent yet; more gets a 503 immediately. The memory used while a body
    /// arrives can be twice that.
    pub buffered_bytes: usize,
    /// Streams of one HTTP/2 connection.
    pub streams: u32,
    /// Bytes of a body that a caller of HTTP/2 may send before they are read.
    pub stream_window: u32,
    /// The same of all bodies of a connection: at least 65,535 (RFC 9113, 6.9.2).
    pub connection_window: u32,
    /// Time for the TLS handshake.
    pub handshake: Duration,
    /// Time from the first byte of a request to the end of its head. The
    /// connection's clock is checked this often, so it can take up to twice as long.
    pub head: Duration,
    /// Time for a request's body. The API server gives a webhook 10 s in all.
    pub body: Duration,
    /// Time to process a request, including the wait for its turn.
    pub work: Duration,
    /// Time in which one of the responses that wait for the caller to read them
    /// has to be sent. Checked as often as `head`.
    pub answer: Duration,
    /// Time that a connection may be open without a request. Longer than the
    /// 90 s after which API servers close theirs: if it were shorter, a request
    /// could be sent just as we close, and would be lost.
    pub idle: Duration,
    /// Time that a connection waits for a place.
    pub place: Duration,
    /// Time that a connection may be open, however busy it is, while others of its
    /// address wait for a place. It ends after the responses that are due, and its
    /// caller may connect again.
    pub crowded: Duration,
    /// Time for what is in flight to end when the process is told to stop;
    /// within the 40 s that the chart has the kubelet give it.
    pub drain: Duration,
    /// Frames of one HTTP/2 connection that carry no request.
    pub frames: Allowance,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            callers: 2,
            connections: 768,
            waiting: 96,
            in_flight: 2048,
            body_bytes: 3 * 1024 * 1024,
            buffered_bytes: 16 * 1024 * 1024,
            streams: 128,
            stream_window: 128 * 1024,
            connection_window: 512 * 1024,
            handshake: Duration::from_secs(5),
            head: Duration::from_secs(10),
            body: Duration::from_secs(5),
            work: Duration::from_secs(4),
            answer: Duration::from_secs(10),
            idle: Duration::from_secs(120),
            place: Duration::from_secs(5),
            crowded: Duration::from_secs(5),
            drain: Duration::from_secs(20),
            frames: Allowance::PORT,
        }
    }
}

impl Limits {
    /// How much of this one caller may use.
    pub(crate) fn of_one_caller(&self, all: usize) -> usize {
        (all / self.callers.max(1)).max(1)
    }

    /// The requests that callers which are not known yet may have in flight.
    #[must_use]
    pub fn in_flight_of_unknown(&self) -> usize {
        self.in_flight - self.in_flight / 8
    }

    /// For the status port: a kubelet and a few scrapers, without bodies.
    #[must_use]
    pub fn status() -> Self {
        Self {
            connections: 64,
            waiting: 16,
            in_flight: 64,
            body_bytes: 0,
            buffered_bytes: 0,
            drain: Duration::from_secs(1),
            ..Self::default()
        }
    }
}
