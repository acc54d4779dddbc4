//! The HTTPS server around [`crate::inject`].
//!
//! A review goes from the port ([`serve`]: connections, TLS, limits, drain)
//! through the routes (method, path, content type, body) to the pure
//! [`review::review`], and its answer back the same way. What it is answered
//! with is in [`Current`]; the status port ([`serve_status`]) tells the kubelet
//! by [`Readiness`] when reviews may come.

mod activity;
mod body;
mod budget;
mod callers;
mod current;
mod limits;
mod listener;
mod log;
pub mod path_env;
mod port;
mod readiness;
pub mod review;
mod routes;
mod sendable;
mod status;
mod weight;

use std::sync::Arc;

use rustls::ServerConfig;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

pub use current::Current;
pub use limits::Limits;
pub use readiness::{Condition, Readiness};
pub use status::serve_status;

use crate::{inject, metrics::Metrics};
use budget::Budget;
use log::Log;
use port::Port;
use review::Inject;
use weight::Scales;

/// What all reviews share.
#[derive(Debug)]
pub struct Webhook {
    current: Arc<Current>,
    readiness: Arc<Readiness>,
    metrics: Arc<Metrics>,
    limits: Limits,
    budget: Budget,
    scales: Scales,
    log: Log,
    inject: Inject,
}

impl Webhook {
    /// A webhook with the default [`Limits`].
    #[must_use]
    pub fn new(current: Arc<Current>, readiness: Arc<Readiness>, metrics: Arc<Metrics>) -> Self {
        let limits = Limits::default();
        Self {
            current,
            readiness,
            metrics,
            limits,
            budget: Budget::new(limits.buffered_bytes),
            scales: Scales::new(limits.working_bytes),
            log: Log::new(),
            inject: inject::inject,
        }
    }

    /// The same with other limits.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self {
            limits,
            budget: Budget::new(limits.buffered_bytes),
            scales: Scales::new(limits.working_bytes),
            ..self
        }
    }
}

/// Serves reviews over TLS until told to stop; returns once the last review has
/// been answered and its connection has ended, or the time for that is up.
///
/// HTTP/1.1 and HTTP/2 are offered by ALPN, whatever the TLS configuration says.
///
/// To stop without losing a review, say so in [`Readiness::drain`] some seconds
/// before the token is cancelled: answers then tell callers to go elsewhere,
/// while no connection is closed under them.
pub async fn serve(
    listener: TcpListener,
    tls: Arc<ServerConfig>,
    webhook: Arc<Webhook>,
    stop: CancellationToken,
) {
    let mut tls = ServerConfig::clone(&tls);
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(tls));
    port(&webhook, stop).serve(listener, Some(acceptor)).await;
}

/// Serves one connection as [`serve`] does, past TLS; for the fuzz target.
#[doc(hidden)]
pub async fn serve_connection<S>(stream: S, is_http2: bool, webhook: Arc<Webhook>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let port = port(&webhook, CancellationToken::new());
    port.serve_one(stream, is_http2).await;
}

fn port(webhook: &Arc<Webhook>, stop: CancellationToken) -> Port {
    Port::new(
        routes::router(Arc::clone(webhook)),
        Arc::clone(&webhook.readiness),
        webhook.limits,
        webhook.metrics.server().clone(),
        stop,
    )
}
