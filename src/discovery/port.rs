//! The port for proxies, and the one without TLS for tests.

use std::{sync::Arc, time::Duration};

use pillion_serve::{Allowance, Limits, Port, PortMetrics, Readiness, Tls};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{ads::Ads, ca::Ca, grpc::Service};

/// Longer than any stream lasts: a token ends it.
const FOREVER: Duration = Duration::from_hours(24 * 365);

/// The limits of the port: a proxy has one connection, with one stream that lasts, and asks for a
/// certificate now and then.
fn limits() -> Limits {
    Limits {
        // Pods may be behind a common address.
        callers: 4,
        connections: 4_096,
        waiting: 256,
        in_flight: 16_384,
        streams: 8,
        // Nothing is read of who has not proved who it is, and waits in memory.
        stream_window: 16 * 1024,
        connection_window: 64 * 1024,
        // A proxy may have nothing to read for as long as nothing changes.
        answer: FOREVER,
        crowded: FOREVER,
        drain: Duration::from_secs(10),
        // A proxy acknowledges what it reads, and makes room for more: many small frames at
        // the start.
        frames: Allowance {
            burst: 32_768,
            rate: 1_000,
            success: 32,
            worthwhile: 64,
        },
        ..Limits::default()
    }
}

/// Serves proxies over TLS until their streams have ended after `stop` is cancelled.
pub(super) async fn serve(
    listener: TcpListener,
    tls: Tls,
    (ads, ca): (Ads, Ca),
    (readiness, metrics): (Arc<Readiness>, PortMetrics),
    stop: CancellationToken,
) {
    let service = Service { ads, ca: Some(ca) };
    Port::new(service, limits(), readiness, metrics)
        .serve(listener, Some(tls), stop)
        .await;
}

/// Serves clients of this machine without TLS until `stop` is cancelled.
pub(super) async fn serve_plaintext(listener: TcpListener, ads: Ads, stop: CancellationToken) {
    let service = Service {
        ads: ads.without_authentication(),
        // Nobody can prove who he is.
        ca: None,
    };
    let port = Arc::new(Port::new(
        service,
        limits(),
        Arc::default(),
        PortMetrics::default(),
    ));
    loop {
        let accepted = stop.run_until_cancelled(listener.accept()).await;
        match accepted {
            None => return,
            Some(Ok((stream, _))) => {
                let port = Arc::clone(&port);
                tokio::spawn(async move { port.serve_one(stream, true).await });
            }
            Some(Err(error)) => {
                tracing::warn!(%error, "can't accept a connection at the port without TLS");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}
