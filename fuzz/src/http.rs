//! The fuzz target for HTTP connections.

use std::{
    pin::pin,
    sync::{Arc, LazyLock},
    thread,
    time::Duration,
};

use pillion::{
    metrics::Metrics,
    webhook::{self, ActiveConfig, Webhook},
};
use pillion_cost::{Bound, Linear};
use pillion_grammar::connections;
use pillion_serve::Readiness;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, duplex, split},
    runtime::{Builder, Runtime},
    time::timeout,
};

use crate::{
    configurations,
    units::{MIB, MILLISECOND},
};

/// All bodies share 16 MiB; an address may use half of that.
pub(crate) const BOUND: Bound = Bound {
    peak: Linear::new(2 * MIB, 64),
    total: Linear::new(8 * MIB, 2048),
    time: Linear::new(20 * MILLISECOND, 10_000),
};

/// No silent connection lasts longer than this. The test does not wait for it, because the
/// runtime's paused clock advances when all tasks are idle.
const END: Duration = Duration::from_secs(600);

/// The clock also advances while the webhook's threads work on a review, so they are waited for
/// in real time: so often, and so long each time.
const WAITS: u32 = 500;
const WAIT: Duration = Duration::from_millis(10);

static WEBHOOK: LazyLock<Arc<Webhook>> = LazyLock::new(|| {
    let readiness = Arc::<Readiness>::default();
    let certificate = readiness.register("waiting for a certificate");
    certificate.set(true);
    let active = Arc::new(ActiveConfig::new(configurations::builtin(), true));
    let webhook = Webhook::new(active, readiness, certificate, Arc::<Metrics>::default());
    Arc::new(webhook.expect("threads"))
});

/// Serves a connection: the input after the first byte is what the caller sends, or
/// instructions for requests and frames. The caller then closes its side, or goes silent.
///
/// # Panics
///
/// Panics if a check fails.
pub fn http(data: &[u8]) {
    let Some((mode, rest)) = data.split_first() else {
        return;
    };
    let (is_http2, closes) = (mode & 1 != 0, mode & 4 != 0);
    let sent = match (mode & 2 != 0, is_http2) {
        (false, _) => rest.to_vec(),
        (true, false) => connections::http1(rest),
        (true, true) => connections::http2(rest),
    };
    let received = BOUND.hold("a connection", sent.len(), || {
        runtime().block_on(connection(&sent, is_http2, closes))
    });
    // Responses are well-formed, and there is at most one for each request.
    if !is_http2 && !received.is_empty() {
        assert!(
            received.starts_with(b"HTTP/1."),
            "{:?}",
            String::from_utf8_lossy(&received)
        );
    }
    let most = 4096 + 64 * sent.len();
    assert!(
        received.len() <= most,
        "{} bytes got {}",
        sent.len(),
        received.len()
    );
}

fn runtime() -> Runtime {
    let mut builder = Builder::new_current_thread();
    builder.enable_time().start_paused(true);
    builder.build().expect("a runtime")
}

/// Returns everything that the webhook sends until it closes its side.
async fn connection(sent: &[u8], is_http2: bool, closes: bool) -> Vec<u8> {
    let (ours, theirs) = duplex(64 * 1024);
    let served = webhook::serve_connection(theirs, is_http2, Arc::clone(&WEBHOOK));
    let (mut read, mut write) = split(ours);
    let send = async {
        // The webhook may close the connection before it has received everything.
        let _ = write.write_all(sent).await;
        if closes {
            let _ = write.shutdown().await;
        }
    };
    let receive = async {
        let mut received = Vec::new();
        let _ = read.read_to_end(&mut received).await;
        received
    };
    let mut all = pin!(async { tokio::join!(served, send, receive) });
    for _ in 0..WAITS {
        if let Ok((_, (), received)) = timeout(END, all.as_mut()).await {
            return received;
        }
        thread::sleep(WAIT);
    }
    panic!("the connection does not end");
}
