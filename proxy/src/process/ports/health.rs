//! The kubelet's checks of the proxy, and what other containers of the pod may ask of it.

use std::sync::Arc;

use axum::{
    Router,
    extract::Extension,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use pillion_serve::{Peer, readiness_response};

use super::shared::Shared;

/// `/healthz/ready`.
pub(super) fn routes(shared: &Shared) -> Router {
    let readiness = Arc::clone(&shared.readiness);
    Router::new().route(
        "/healthz/ready",
        get(async move || readiness_response(&readiness)),
    )
}

/// `/quitquitquit`, and the drain by this path.
///
/// The drain begins with the end of the pod, while the application still answers: clients
/// that keep their connections have to leave before it stops.
pub(super) fn orders(shared: &Shared, drain: &str) -> Router {
    let (quit, readiness) = (shared.quit.clone(), Arc::clone(&shared.readiness));
    let tell_clients = shared.drain.clone();
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
