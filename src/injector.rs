//! `pillion injector`: runs the webhook in a cluster, and keeps its configuration, its
//! certificates and the caBundle up to date.
//!
//! Three tasks do that: `config_watch` for the configuration and whether nodes support
//! native sidecars, `certificates` for the serving certificate, and `ca_bundle` for
//! the caBundle, which contains the roots that the certificates' task requires.

mod args;
mod client_ca;
mod conditions;
mod config_watch;
mod shared;

use std::sync::Arc;

use anyhow::{Context, bail};
use kube::Client;
use pillion_certs::Resolver;
use pillion_serve::bind;
use tokio::{sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;

pub use args::Args;
pub use conditions::Conditions;
use shared::Shared;

use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;

use crate::{
    certificates::{self, ca_bundle},
    cluster,
    control_thread::{ControlThread, drain},
    webhook::{self, Webhook},
};

/// After how many overlaps an unneeded root is removed from the caBundle: another replica
/// may learn of a new CA an overlap later, and serve the old one's certificate for another
/// overlap if somebody has reverted the bundle.
const OVERLAPS_UNTIL_REMOVAL: u32 = 3;

/// Runs the injector until SIGTERM or SIGINT, then drains it.
///
/// # Errors
///
/// Returns an error if the injector can't start: there is no cluster, a port is in use,
/// or `--client-ca-file` is invalid. With any other invalid configuration or certificate,
/// it runs but is not ready, and reports why.
pub async fn run(args: Args) -> anyhow::Result<()> {
    args.check_lifetimes()?;
    let _flush = pillion_telemetry::init(args.log_format)?;
    let shared = Shared::new();
    let status_port = bind(args.status_address).await?;
    let metrics = Arc::clone(&shared.metrics);
    let readiness = Arc::clone(&shared.readiness);
    let mut control = ControlThread::start(status_port, readiness, move || metrics.encode())
        .context("cannot start the thread of the status port")?;
    let webhook_port = bind(args.webhook_address).await?;
    let client = cluster::client().await?;
    let resolver = Arc::new(Resolver::default());
    let (tls, client_ca) = client_ca::server_config(&args, Arc::clone(&resolver))?;
    let webhook = Webhook::new(
        Arc::clone(&shared.active_config),
        Arc::clone(&shared.readiness),
        shared.conditions.certificate.clone(),
        Arc::clone(&shared.metrics),
    )
    .context("cannot start the threads that process reviews")?;

    let mut tasks = JoinSet::new();
    spawn_tasks(&mut tasks, &args, &client, &shared, resolver);
    if let Some(client_ca) = client_ca {
        tasks.spawn(client_ca.run(Arc::clone(&shared.metrics)));
    }
    let stop_webhook = CancellationToken::new();
    let mut server = tokio::spawn(webhook::serve(
        webhook_port,
        Arc::new(tls),
        Arc::new(webhook),
        stop_webhook.clone(),
    ));
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        revision = args.revision(),
        namespace = args.namespace,
        webhook = %args.webhook_address,
        status = %args.status_address,
        "started"
    );

    let stopping = control.stopping.clone();
    let outcome = tokio::select! {
        () = stopping.cancelled() => Ok(()),
        ended = tasks.join_next() => Err(anyhow::anyhow!("a background task ended unexpectedly: {ended:?}")),
        // There is nothing left to drain.
        ended = &mut server => bail!("the webhook's server ended unexpectedly: {ended:?}"),
        ended = control.ended() => bail!("the status server ended unexpectedly: {ended:?}"),
    };
    drain(&shared.readiness, args.drain_delay).await;
    stop_webhook.cancel();
    server.await.context("the webhook's server failed")?;
    control.stop().await.context("the status server failed")?;
    tracing::info!("stopped");
    outcome
}

fn spawn_tasks(
    tasks: &mut JoinSet<()>,
    args: &Args,
    client: &Client,
    shared: &Shared,
    resolver: Arc<Resolver>,
) {
    let (roots, wanted_roots) = watch::channel(ca_bundle::Roots::Unknown);
    let (trusted, trusted_roots) = watch::channel(ca_bundle::Trusted::nothing());
    tasks.spawn(config_watch::run(
        client.clone(),
        config_watch::Source::new(args),
        shared.clone(),
    ));
    tasks.spawn(ca_bundle::run::<MutatingWebhookConfiguration>(
        client.clone(),
        ca_bundle::Settings {
            revision: args.revision().to_owned(),
            removal_delay: args.ca_overlap * OVERLAPS_UNTIL_REMOVAL,
        },
        wanted_roots,
        trusted,
        shared.owner(),
    ));
    let serving = certificates::Serving::new(
        resolver,
        roots,
        trusted_roots.clone(),
        args.ca_overlap,
        shared.owner(),
    );
    match &args.tls_cert_dir {
        Some(folder) => tasks.spawn(certificates::mounted::run(
            certificates::mounted::Settings {
                folder: folder.clone(),
                names: args.serving_names(),
                overlap: args.ca_overlap,
            },
            serving,
        )),
        None => tasks.spawn(certificates::own::run(
            client.clone(),
            args.own_certificates(),
            (serving, trusted_roots),
            shared.owner(),
            None,
        )),
    };
}
