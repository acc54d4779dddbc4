//! The status port: `/livez`, `/readyz` and `/metrics`, in plain HTTP.

use std::sync::Arc;

use axum::{
    Router,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{Limits, Port, PortMetrics, Readiness};

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Serves `/livez`, `/readyz` and `/metrics` until told to stop.
///
/// A process that answers at all is alive. It is ready when no condition is
/// missing, and `/readyz` names those that are. `/metrics` is what `exposition`
/// returns, in the OpenMetrics text format. Cancel the token after those of the
/// other ports, so that the kubelet sees the drain.
pub async fn serve_status(
    listener: TcpListener,
    readiness: Arc<Readiness>,
    exposition: impl Fn() -> String + Clone + Send + Sync + 'static,
    stop: CancellationToken,
) {
    let conditions = Arc::clone(&readiness);
    let metrics = async move || metrics_response(exposition());
    let routes = Router::new()
        .route("/livez", get(async || "ok\n"))
        .route(
            "/readyz",
            get(async move || readiness_response(&conditions)),
        )
        .route("/metrics", get(metrics));
    // The connections of other ports are counted, not the kubelet's.
    let metrics = PortMetrics::default();
    Port::new(routes, Limits::status(), readiness, metrics)
        .serve(listener, None, stop)
        .await;
}

/// The response to a scrape: metrics in the OpenMetrics text format.
#[must_use]
pub fn metrics_response(exposition: String) -> Response {
    ([(header::CONTENT_TYPE, OPENMETRICS)], exposition).into_response()
}

/// The response to a readiness probe: 200, or 503 with what is missing.
#[must_use]
pub fn readiness_response(readiness: &Readiness) -> Response {
    let missing = readiness.missing();
    if missing.is_empty() {
        return "ready\n".into_response();
    }
    let text = format!("not ready\n- {}\n", missing.join("\n- "));
    (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
}
