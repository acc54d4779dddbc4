//! The sidecar's own ports: for the kubelet, for Prometheus, and for the administrator; and those of an agent,
//! beside an Envoy that has the others.

mod admin;
mod client;
mod envoy;
mod health;
mod merged_metrics;
mod probes;
mod redirect;
mod request;
mod shared;
mod unread;

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use anyhow::Context as _;
use axum::{Extension, Router, routing::get};
use pillion_serve::{Limits, Peer, Port, PortMetrics, Readiness, bind};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub(super) use self::shared::Shared;
pub(crate) use self::{
    envoy::{NoAnswer, ask_envoy},
    health::Orders,
};
use self::{merged_metrics::Scraper, probes::Prober, unread::Unread};
use super::{args::Args, environment::Environment, port_numbers};
use crate::metrics::Metrics;

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A port: its name, its address, its number, and what it answers.
type Served = (&'static str, IpAddr, u16, Router);

/// The servers of the ports.
#[derive(Debug)]
pub(crate) struct Ports(JoinSet<&'static str>);

impl Ports {
    /// Waits for the end of one, which is a fault.
    pub async fn ended(&mut self) -> &'static str {
        match self.0.join_next().await {
            Some(Ok(port)) => port,
            _ => "it panicked",
        }
    }
}

/// Opens all ports and serves them.
///
/// # Errors
///
/// When one can't be used.
pub(super) async fn serve(
    args: &Args,
    environment: &Environment,
    shared: &Shared,
) -> anyhow::Result<Ports> {
    let scraper = Scraper::new(&shared.metrics, environment.scrape_targets.clone());
    let (readiness, orders) = (&shared.readiness, shared.orders());
    let kubelets = of_kubelet(args, environment, &orders, &scraper)?;
    let others = [
        (
            "prometheus",
            EVERYONE,
            port_numbers::PROMETHEUS,
            prometheus(shared),
        ),
        ("admin", ITSELF, port_numbers::ADMIN, admin::routes(shared)),
    ];
    let ports = kubelets.into_iter().chain(others);
    open(ports, readiness, &shared.metrics.own_ports()).await
}

/// Opens those of an agent and serves them: Envoy has that of the administrator, and its own metrics.
///
/// # Errors
///
/// When one can't be used.
pub(super) async fn serve_beside(
    args: &Args,
    environment: &Environment,
    orders: &Orders,
    metrics: &Arc<Metrics>,
) -> anyhow::Result<Ports> {
    let scraper = Scraper::beside_envoy(metrics, environment.scrape_targets.clone());
    let ports = of_kubelet(args, environment, orders, &scraper)?;
    open(ports, &orders.readiness, &metrics.own_ports()).await
}

/// Everybody's address.
const EVERYONE: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
/// That of the pod's own containers.
const ITSELF: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// The ports of the kubelet, and of who asks for merged metrics.
fn of_kubelet(
    args: &Args,
    environment: &Environment,
    orders: &Orders,
    scraper: &Scraper,
) -> anyhow::Result<[Served; 2]> {
    let probes = Arc::clone(&environment.app_probes);
    let prober = Prober::new(probes, environment.probe_address, args.status_port)
        .context("can't set up TLS for probes")?;
    Ok([
        (
            "health",
            EVERYONE,
            port_numbers::HEALTH,
            health::routes(&orders.readiness),
        ),
        (
            "status",
            EVERYONE,
            args.status_port,
            status(orders, &prober, scraper),
        ),
    ])
}

async fn open(
    ports: impl IntoIterator<Item = Served>,
    readiness: &Arc<Readiness>,
    metrics: &PortMetrics,
) -> anyhow::Result<Ports> {
    let limits = Limits {
        buffered_bytes: unread::BYTES,
        ..Limits::status()
    };
    let mut servers = JoinSet::new();
    for (name, address, number, routes) in ports {
        let listener = bind(SocketAddr::new(address, number)).await?;
        let port = Port::new(routes, limits, Arc::clone(readiness), metrics.clone());
        servers.spawn(async move {
            // They are served to the last: the process's end is theirs.
            port.serve(listener, None, CancellationToken::new()).await;
            name
        });
    }
    Ok(Ports(servers))
}

fn prometheus(shared: &Shared) -> Router {
    let metrics = Arc::clone(&shared.metrics);
    let unread = Arc::new(Unread::new());
    let scrape = async move |Extension(peer): Extension<Peer>| match unread.room(&peer) {
        Some(room) => unread.response(OPENMETRICS, metrics.encode(), room, &peer),
        None => unread::refusal(),
    };
    Router::new().route("/stats/prometheus", get(scrape))
}

fn status(orders: &Orders, prober: &Prober, scraper: &Scraper) -> Router {
    health::routes(&orders.readiness)
        .merge(scraper.routes())
        .merge(health::orders(orders, "/drain"))
        .merge(prober.routes())
}
