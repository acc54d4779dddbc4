//! The status port: `/livez`, `/readyz` and `/metrics`, in plain HTTP.

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{Limits, Readiness, port::Port};
use crate::metrics::{Metrics, Server};

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Serves `/livez`, `/readyz` and `/metrics` until told to stop.
///
/// A process that answers at all is alive; it is ready when nothing is missing,
/// and `/readyz` says what is. The token is to be cancelled after the webhook's
/// own, so that the kubelet sees the drain.
pub async fn serve_status(
    listener: TcpListener,
    readiness: Arc<Readiness>,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
) {
    let routes = Router::new()
        .route("/livez", get(async || "ok\n"))
        .route("/readyz", get(readyz).with_state(Arc::clone(&readiness)))
        .route("/metrics", get(exposition).with_state(metrics));
    // The webhook's connections are counted, not the kubelet's.
    let counts = Server::default();
    Port::new(routes, readiness, Limits::status(), counts, stop)
        .serve(listener, None)
        .await;
}

async fn readyz(State(readiness): State<Arc<Readiness>>) -> Response {
    let missing = readiness.missing();
    if missing.is_empty() {
        return "ready\n".into_response();
    }
    let text = format!("not ready\n- {}\n", missing.join("\n- "));
    (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
}

async fn exposition(State(metrics): State<Arc<Metrics>>) -> Response {
    ([(header::CONTENT_TYPE, OPENMETRICS)], metrics.encode()).into_response()
}
