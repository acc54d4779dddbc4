//! The debug port, for `pillion proxy-status`: which proxies are connected to this replica, and
//! what they made of what they were sent.
//!
//! It is bound to loopback, so no other pod reaches it. What reaches it is the API server's
//! `pods/portforward`, for which the caller needs that permission in this namespace.

use std::sync::Arc;

use axum::{
    Router,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use pillion_serve::{Limits, Port, PortMetrics};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::proxies::{Proxies, report};

/// Serves until `stop` is cancelled.
pub(super) async fn serve(listener: TcpListener, proxies: Proxies, stop: CancellationToken) {
    let routes = Router::new()
        .route(report::PATH, get(async move || sync(&proxies)))
        .fallback(async || (StatusCode::NOT_FOUND, "not found: see /debug/syncz\n"));
    Port::new(
        routes,
        Limits::status(),
        Arc::default(),
        PortMetrics::default(),
    )
    .serve(listener, None, stop)
    .await;
}

fn sync(proxies: &Proxies) -> Response {
    match serde_json::to_vec(&proxies.reports()) {
        Ok(json) => ([(header::CONTENT_TYPE, "application/json")], json).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
