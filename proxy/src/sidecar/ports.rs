//! The sidecar's own ports: for the kubelet, for Prometheus, and for the administrator.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use axum::{
    Router,
    extract::Extension,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use pillion_serve::{
    Limits, Peer, Port, PortMetrics, Readiness, bind, metrics_response, readiness_response,
};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{args::Args, port_numbers};
use crate::metrics::Metrics;

/// The servers of the ports.
#[derive(Debug)]
pub(super) struct Ports(JoinSet<&'static str>);

impl Ports {
    /// Waits for the end of one, which is a fault.
    pub async fn ended(mut self) -> &'static str {
        match self.0.join_next().await {
            Some(Ok(port)) => port,
            _ => "it panicked",
        }
    }
}

/// What the handlers share.
#[derive(Debug, Clone)]
struct Shared {
    readiness: Arc<Readiness>,
    metrics: Arc<Metrics>,
    quit: CancellationToken,
}

/// Opens all ports and serves them.
///
/// # Errors
///
/// When one can't be used.
pub(super) async fn serve(
    args: &Args,
    readiness: &Arc<Readiness>,
    metrics: &Arc<Metrics>,
    quit: &CancellationToken,
) -> anyhow::Result<Ports> {
    let shared = Shared {
        readiness: Arc::clone(readiness),
        metrics: Arc::clone(metrics),
        quit: quit.clone(),
    };
    let everyone = IpAddr::from(Ipv6Addr::UNSPECIFIED);
    let itself = IpAddr::from(Ipv4Addr::LOCALHOST);
    let ports = [
        ("health", everyone, port_numbers::HEALTH, health(&shared)),
        ("status", everyone, args.status_port, status(&shared)),
        (
            "prometheus",
            everyone,
            port_numbers::PROMETHEUS,
            prometheus(&shared),
        ),
        ("admin", itself, port_numbers::ADMIN, admin(&shared)),
    ];
    let mut servers = JoinSet::new();
    for (name, address, number, routes) in ports {
        let listener = bind(SocketAddr::new(address, number)).await?;
        let port = Port::new(
            routes,
            Limits::status(),
            Arc::clone(readiness),
            PortMetrics::default(),
        );
        servers.spawn(async move {
            // They are served to the last: the process's end is theirs.
            port.serve(listener, None, CancellationToken::new()).await;
            name
        });
    }
    Ok(Ports(servers))
}

fn health(shared: &Shared) -> Router {
    let readiness = Arc::clone(&shared.readiness);
    Router::new().route(
        "/healthz/ready",
        get(async move || readiness_response(&readiness)),
    )
}

fn prometheus(shared: &Shared) -> Router {
    let metrics = Arc::clone(&shared.metrics);
    Router::new().route(
        "/stats/prometheus",
        get(async move || metrics_response(metrics.encode())),
    )
}

fn status(shared: &Shared) -> Router {
    let (quit, readiness) = (shared.quit.clone(), Arc::clone(&shared.readiness));
    health(shared)
        .merge(prometheus(shared))
        .route(
            "/quitquitquit",
            post(async move |peer: Extension<Peer>| from_the_pod(&peer, || quit.cancel())),
        )
        .route(
            "/drain",
            post(async move |peer: Extension<Peer>| from_the_pod(&peer, || readiness.drain())),
        )
}

fn admin(shared: &Shared) -> Router {
    let metrics = Arc::clone(&shared.metrics);
    Router::new()
        .route("/stats/prometheus", get(async move || metrics_response(metrics.encode())))
        .fallback(async || {
            (
                StatusCode::NOT_FOUND,
                "the admin port has /stats/prometheus; /config_dump, /clusters and /logging are not built yet\n",
            )
        })
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
