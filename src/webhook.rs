//! The HTTPS server around [`pillion_inject`].
//!
//! A review goes from the port ([`pillion_serve`]: connections, TLS, limits, draining)
//! through the routes (method, path, content type, body) to the pure function
//! [`review::review`], and its response goes back the same way. [`ActiveConfig`] holds
//! the current configuration.

mod active_config;
mod body;
mod log;
pub mod path_env;
mod pool;
mod response_body;
pub mod review;
mod routes;

use std::{io, sync::Arc};

use axum::Router;
use pillion_inject as inject;
use pillion_serve::{Budget, Condition, Port, Readiness, Tls};
use rustls::ServerConfig;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    sync::Semaphore,
};
use tokio_util::sync::CancellationToken;

pub use active_config::ActiveConfig;
pub use pillion_serve::Limits;

use crate::metrics::Metrics;
use log::Log;
use pool::Pool;
use review::Inject;

/// Appended to the log line about a failed TLS handshake.
const HANDSHAKE_HINT: &str = "if an API server reports a bad certificate or an unknown issuer, the webhook's caBundle \
                              does not match";

/// The webhook's state, shared by all reviews.
#[derive(Debug)]
pub struct Webhook {
    active_config: Arc<ActiveConfig>,
    readiness: Arc<Readiness>,
    certificate: Condition,
    metrics: Arc<Metrics>,
    limits: Limits,
    /// Permits for reviews in flight.
    reviews: Semaphore,
    /// Permits for reviews in flight of addresses that have not sent a review yet.
    reviews_of_unknown: Semaphore,
    budget: Budget,
    pool: Pool,
    log: Log,
    inject: Inject,
}

impl Webhook {
    /// Creates a webhook with the default [`Limits`], and starts the threads that process
    /// reviews. While the condition `certificate` is not met, TLS handshakes are expected
    /// to fail.
    ///
    /// # Errors
    ///
    /// Returns an error if the system can't start a thread.
    pub fn new(
        active_config: Arc<ActiveConfig>,
        readiness: Arc<Readiness>,
        certificate: Condition,
        metrics: Arc<Metrics>,
    ) -> io::Result<Self> {
        let limits = Limits::default();
        Ok(Self {
            active_config,
            readiness,
            certificate,
            metrics,
            limits,
            reviews: Semaphore::new(limits.in_flight),
            reviews_of_unknown: Semaphore::new(limits.in_flight_of_unknown()),
            budget: Budget::new(limits.buffered_bytes),
            pool: Pool::start()?,
            log: Log::new(),
            inject: inject::inject,
        })
    }

    /// Replaces the limits.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self {
            limits,
            reviews: Semaphore::new(limits.in_flight),
            reviews_of_unknown: Semaphore::new(limits.in_flight_of_unknown()),
            budget: Budget::new(limits.buffered_bytes),
            ..self
        }
    }
}

/// Serves reviews over TLS until `stop` is cancelled. Returns when the last response has
/// been sent and its connection closed, or after [`Limits::drain`].
///
/// HTTP/1.1 and HTTP/2 are offered by ALPN, whatever the TLS configuration says.
///
/// To stop without losing a review, call [`Readiness::drain`] some seconds before
/// cancelling `stop`: responses then tell callers to connect elsewhere, and no
/// connection is closed while it is in use.
pub async fn serve(
    listener: TcpListener,
    tls: Arc<ServerConfig>,
    webhook: Arc<Webhook>,
    stop: CancellationToken,
) {
    let tls = Tls::new(&tls, webhook.certificate.clone(), HANDSHAKE_HINT);
    port(&webhook).serve(listener, Some(tls), stop).await;
}

/// Serves one connection as [`serve`] does, without TLS; for the fuzz target.
#[doc(hidden)]
pub async fn serve_connection<S>(stream: S, is_http2: bool, webhook: Arc<Webhook>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    port(&webhook).serve_one(stream, is_http2).await;
}

fn port(webhook: &Arc<Webhook>) -> Port<Router> {
    Port::new(
        routes::router(Arc::clone(webhook)),
        webhook.limits,
        Arc::clone(&webhook.readiness),
        webhook.metrics.port().clone(),
    )
}
