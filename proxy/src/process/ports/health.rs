//! The kubelet's checks of the proxy, and what other containers of the pod may ask of it.

use std::sync::Arc;

use axum::{
    Router,
    extract::Extension,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use pillion_serve::{Peer, Readiness, readiness_response};
use tokio_util::sync::CancellationToken;

/// Whether the process is ready, and what others have asked it to do.
#[derive(Debug, Clone, Default)]
pub(crate) struct Orders {
    pub readiness: Arc<Readiness>,
    /// Cancelled when the process is to end.
    pub quit: CancellationToken,
    /// Cancelled when clients are to connect elsewhere.
    pub drain: CancellationToken,
}

/// `/healthz/ready`.
pub(super) fn routes(readiness: &Arc<Readiness>) -> Router {
    let readiness = Arc::clone(readiness);
    Router::new().route(
        "/healthz/ready",
        get(async move || readiness_response(&readiness)),
    )
}

/// `/quitquitquit`, and the drain by this path.
///
/// The drain begins with the end of the pod, while the application still answers: clients
/// that keep their connections have to leave before it stops.
pub(super) fn orders(orders: &Orders, drain: &str) -> Router {
    let (quit, readiness) = (orders.quit.clone(), Arc::clone(&orders.readiness));
    let tell_clients = orders.drain.clone();
    let begin = move || {
        readiness.drain();
        tell_clients.cancel();
    };
    Router::new()
        .route(
            "/quitquitquit",
            post(async move |peer: Extension<Peer>| from_the_pod(&peer, || quit.cancel())),
        )
        .route(
            drain,
            post(async move |peer: Extension<Peer>| from_the_pod(&peer, begin)),
        )
}

/// Does what only the pod's own containers may ask for.
fn from_the_pod(peer: &Peer, order: impl FnOnce()) -> Response {
    if !peer.address().ip().is_loopback() {
        let text = "only for the pod's own containers, by 127.0.0.1\n";
        return (StatusCode::FORBIDDEN, text).into_response();
    }
    order();
    "ok\n".into_response()
}
