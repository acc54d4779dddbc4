//! The sidecar's own ports: for the kubelet, for Prometheus, and for the administrator.

mod admin;
mod client;
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
use pillion_serve::{Limits, Peer, Port, bind};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub(super) use self::shared::Shared;
use self::{merged_metrics::Scraper, probes::Prober, unread::Unread};
use super::{args::Args, environment::Environment, port_numbers};

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The servers of the ports.
#[derive(Debug)]
pub(super) struct Ports(JoinSet<&'static str>);

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
    let prober = Prober::new(
        Arc::clone(&environment.app_probes),
        environment.probe_address,
        args.status_port,
    )
    .context("can't set up TLS for probes")?;
    let scraper = Scraper::new(&shared.metrics, environment.scrape_targets.clone());
    let everyone = IpAddr::from(Ipv6Addr::UNSPECIFIED);
    let itself = IpAddr::from(Ipv4Addr::LOCALHOST);
    let ports = [
        (
            "health",
            everyone,
            port_numbers::HEALTH,
            health::routes(shared),
        ),
        (
            "status",
            everyone,
            args.status_port,
            status(shared, &prober, &scraper),
        ),
        (
            "prometheus",
            everyone,
            port_numbers::PROMETHEUS,
            prometheus(shared),
        ),
        ("admin", itself, port_numbers::ADMIN, admin::routes(shared)),
    ];
    let limits = Limits {
        buffered_bytes: unread::BYTES,
        ..Limits::status()
    };
    let mut servers = JoinSet::new();
    for (name, address, number, routes) in ports {
        let listener = bind(SocketAddr::new(address, number)).await?;
        let port = Port::new(
            routes,
            limits,
            Arc::clone(&shared.readiness),
            shared.metrics.own_ports(),
        );
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

fn status(shared: &Shared, prober: &Prober, scraper: &Scraper) -> Router {
    health::routes(shared)
        .merge(scraper.routes())
        .merge(health::orders(shared, "/drain"))
        .merge(prober.routes())
}
