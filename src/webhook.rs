//! The HTTPS server around [`pillion_inject`].
//!
//! A review goes from the port ([`pillion_serve`]: connections, TLS, limits, draining)
//! through the routes (method, path, content type, body) to the pure function
//! [`review::review`], and its response goes back the same way. [`ActiveConfig`] holds
//! the current configuration.

mod active_config;
mod log;
pub mod path_env;
pub mod review;
mod routes;
mod shared;

use std::sync::Arc;

use axum::Router;
use pillion_serve::{Port, Tls};
use rustls::ServerConfig;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
};
use tokio_util::sync::CancellationToken;

pub use active_config::ActiveConfig;
pub use pillion_serve::Limits;
pub use shared::Webhook;

/// Appended to the log line about a failed TLS handshake.
const HANDSHAKE_HINT: &str = "if an API server reports a bad certificate or an unknown issuer, the webhook's caBundle \
                              does not match";

/// Serves reviews over TLS until `stop` is cancelled. Returns when the last response has
/// been sent and its connection closed, or after [`Limits::drain`].
///
/// HTTP/1.1 and HTTP/2 are offered by ALPN, whatever the TLS configuration says.
///
/// To stop without losing a review, call [`pillion_serve::Readiness::drain`] some seconds before
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
