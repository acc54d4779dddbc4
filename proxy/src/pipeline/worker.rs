//! What the requests of a worker share.

use std::{cell::RefCell, fmt, net::SocketAddr, sync::Arc, time::Duration};

use fastrand::Rng;
use tokio::time::{Instant, interval};
use tokio_util::sync::CancellationToken;

use super::edge::Edge;
use crate::{
    clock::HttpDate,
    http2,
    pool::{Http1Pool, Http2Pool},
    records::Recorder,
    tables::Current,
    traffic::Direction,
    transport::Transport,
};

/// What the requests of a worker share.
#[derive(Debug)]
pub(crate) struct Worker {
    pub tables: Current,
    pub recorder: Recorder,
    pub http1_pool: Http1Pool,
    pub http2_pool: Http2Pool,
    /// Bounds what is held of requests' bodies.
    pub(super) held: super::replay::Budget,
    pub http2_setup: http2::Setup,
    pub date: HttpDate,
    /// Whether the sidecar of a server takes HTTP/1.0.
    pub accepts_http10: bool,
    /// What is done to requests from outside of the mesh; `None` where there are none.
    pub edge: Option<Edge>,
    /// What the control plane calls the proxy; empty without one.
    pub node: Arc<str>,
    pub transport: Transport,
    random: RefCell<Rng>,
}

impl Worker {
    /// A worker that ends connections once `drain` is cancelled.
    pub fn new(
        tables: Current,
        recorder: Recorder,
        drain: CancellationToken,
        accepts_http10: bool,
        edge: Option<Edge>,
    ) -> Self {
        Self {
            tables,
            recorder,
            http1_pool: Http1Pool::default(),
            http2_pool: Http2Pool::default(),
            held: super::replay::Budget::default(),
            http2_setup: http2::Setup {
                drain,
                ..http2::Setup::default()
            },
            date: HttpDate::default(),
            accepts_http10,
            edge,
            node: Arc::default(),
            transport: Transport::default(),
            random: RefCell::default(),
        }
    }

    /// Has the log say why there is no TLS with a server.
    pub fn warn_of_server(&self, server: SocketAddr, cluster: &str, failure: &dyn fmt::Display) {
        if let Some(held_back) = self.transport.may_warn(server.ip()) {
            tracing::warn!(%server, cluster, held_back = held_back.own(), "mutual TLS with a server failed: {failure}");
        }
    }

    /// Whether clients are told to connect elsewhere.
    pub fn is_draining(&self) -> bool {
        self.http2_setup.drain.is_cancelled()
    }

    /// What responses say in `server`.
    pub fn server(&self, direction: Direction) -> &'static [u8] {
        match direction {
            Direction::Outbound if self.edge.is_none() => b"envoy",
            Direction::Outbound | Direction::Inbound => b"istio-envoy",
        }
    }

    /// Uses the worker's generator of random numbers, which nobody should rely on for secrets.
    pub fn with_random<T>(&self, use_it: impl FnOnce(&mut Rng) -> T) -> T {
        use_it(&mut self.random.borrow_mut())
    }

    /// A random UUID (RFC 9562, version 4).
    pub fn request_id(&self) -> [u8; 36] {
        uuid(self.with_random(|random| random.u128(..)))
    }

    /// Closes connections that are not needed any more, every second.
    pub async fn sweep(&self) {
        let mut second = interval(Duration::from_secs(1));
        loop {
            second.tick().await;
            let now = Instant::now();
            self.http1_pool.sweep(now);
            self.http2_pool.sweep(now);
        }
    }
}

fn uuid(random: u128) -> [u8; 36] {
    const VERSION: u128 = 0xf << 76;
    const VARIANT: u128 = 0x3 << 62;
    let bits = random & !(VERSION | VARIANT) | 4 << 76 | 2 << 62;
    let mut text = [b'-'; 36];
    let mut shift = 128;
    for (index, byte) in text.iter_mut().enumerate() {
        if matches!(index, 8 | 13 | 18 | 23) {
            continue;
        }
        shift -= 4;
        let digit = bits >> shift & 0xf;
        *byte = b"0123456789abcdef"[usize::try_from(digit).unwrap_or_default()];
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_ids_are_random_uuids() {
        let text = |random| String::from_utf8(uuid(random).to_vec()).unwrap();
        assert_eq!(text(0), "00000000-0000-4000-8000-000000000000");
        assert_eq!(text(u128::MAX), "ffffffff-ffff-4fff-bfff-ffffffffffff");
        let random = 0x0123_4567_89ab_cdef_0123_4567_89ab_cdef;
        assert_eq!(text(random), "01234567-89ab-4def-8123-456789abcdef");
    }
}
