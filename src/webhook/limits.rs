//! What callers may take, so that the process stays whole, and that none of them
//! takes the service away from the others.

use std::time::Duration;

/// Limits of one port. The defaults are made for API servers as the only
/// callers, and for a container with a memory limit of 256 MiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// An address may take one part in so many of the connections and the memory for
    /// bodies, and a quarter of that part of the requests in flight. A connection
    /// beyond waits for another one's end; a request gets a 503.
    pub callers: usize,
    /// Connections open at a time. At the limit a newcomer gets the place of a
    /// connection of the address that holds most, or waits for one of its own address.
    pub connections: usize,
    /// Connections that wait for a place; one more is closed at once. Together with
    /// the above below the 1,024 file descriptors that a process has where nobody
    /// raised them.
    pub waiting: usize,
    /// Requests read or answered at a time; one more gets a 503 at once. The last
    /// eighth is for addresses that have sent reviews.
    pub in_flight: usize,
    /// Bytes of one body; more gets a 413. The API server itself takes requests
    /// of 3 MiB at most, and etcd objects of half of that.
    pub body_bytes: usize,
    /// Bytes of all bodies until their reviews are done, and of all answers that
    /// have not gone out; more gets a 503 at once. The memory that is taken while a
    /// body comes in can be twice that.
    pub buffered_bytes: usize,
    /// Streams of one HTTP/2 connection.
    pub streams: u32,
    /// Time for TLS to be agreed on.
    pub handshake: Duration,
    /// Time from the first byte of a request to the end of its head. The
    /// connection's clock is looked at this often, so up to twice as long.
    pub head: Duration,
    /// Time for a request's body. The API server gives a webhook 10 s in all.
    pub body: Duration,
    /// Time for a review to be worked on, the wait for its turn included.
    pub work: Duration,
    /// Time in which one of the answers that wait for the caller to read them
    /// has to go out. Looked at as often as the above.
    pub answer: Duration,
    /// Time that a connection may be open without a request. Longer than the
    /// 90 s after which API servers close theirs: were it shorter, a review
    /// could be sent just as we close, and would be lost.
    pub idle: Duration,
    /// Time that a connection waits for a place.
    pub place: Duration,
    /// Time that a connection may be open, whatever comes by it, while others of its
    /// address wait for a place. It ends behind the answers that are due, and its
    /// caller may come again.
    pub crowded: Duration,
    /// Time for what is in flight to end when the process is told to stop;
    /// within the 40 s that the chart has the kubelet give it.
    pub drain: Duration,
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
            handshake: Duration::from_secs(5),
            head: Duration::from_secs(10),
            body: Duration::from_secs(5),
            work: Duration::from_secs(4),
            answer: Duration::from_secs(10),
            idle: Duration::from_secs(120),
            place: Duration::from_secs(5),
            crowded: Duration::from_secs(5),
            drain: Duration::from_secs(20),
        }
    }
}

impl Limits {
    /// What one caller may take of so many.
    pub(super) fn of_one_caller(&self, all: usize) -> usize {
        (all / self.callers.max(1)).max(1)
    }

    /// The requests in flight at which another one is turned away.
    pub(super) fn in_flight_of(&self, is_known: bool) -> usize {
        if is_known {
            self.in_flight
        } else {
            self.in_flight - self.in_flight / 8
        }
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
