//! `pillion injector`: the webhook in a cluster, with its configuration, its
//! certificates and the caBundle kept current.
//!
//! Three tasks feed the server: the configuration and whether sidecars are native
//! ([`config_watch`]), the serving certificate ([`certificates`]), and
//! the caBundle ([`ca_bundle`]), which follows the roots that the certificates'
//! task wants trusted.

mod args;
mod ca_bundle;
mod certificates;
mod client_ca;
mod conditions;
mod config_watch;
mod control_thread;
mod shared;

use std::{sync::Arc, time::Duration};

use anyhow::{Context, bail};
use kube::Client;
use pillion_certs::Resolver;
use pillion_serve::{Readiness, bind};
use tokio::{sync::watch, task::JoinSet, time::sleep};
use tokio_util::sync::CancellationToken;

pub use args::Args;
pub use conditions::Conditions;
use control_thread::ControlThread;
use shared::Shared;

use crate::webhook::{self, Webhook};

/// How many overlaps a root stands that nobody here wants: another replica may
/// get to know of a new CA an overlap later, and serve by the old one for another
/// if somebody has set the bundle back.
const SURPLUS_STANDS: u32 = 3;

/// Runs until SIGTERM or SIGINT, then drains.
///
/// # Errors
///
/// When the role can't start: no cluster, or a port in use. A configuration or
/// a certificate at fault does not end it: it is not ready, and says why.
pub async fn run(args: Args) -> anyhow::Result<()> {
    args.check_lifetimes()?;
    let _flush = pillion_telemetry::init(args.log_format)?;
    let shared = Shared::new();
    let status_port = bind(args.status_address).await?;
    let mut control = ControlThread::start(status_port, &shared)
        .context("cannot start the thread of the status port")?;
    let webhook_port = bind(args.webhook_address).await?;
    let client = Client::try_default().await.context(
        "cannot find a cluster; in one, a service account is mounted, outside, set KUBECONFIG",
    )?;
    let resolver = Arc::new(Resolver::default());
    let (tls, client_ca) = client_ca::server_config(&args, Arc::clone(&resolver))?;
    let webhook = Webhook::new(
        Arc::clone(&shared.active_config),
        Arc::clone(&shared.readiness),
        shared.conditions.certificate.clone(),
        Arc::clone(&shared.metrics),
    )
    .context("cannot start the threads that work on reviews")?;

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
        ended = tasks.join_next() => Err(anyhow::anyhow!("a task that never ends has ended: {ended:?}")),
        // Nothing is left to drain.
        ended = &mut server => bail!("the webhook's server has ended: {ended:?}"),
        ended = control.ended() => bail!("the status server has ended: {ended:?}"),
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
    tasks.spawn(ca_bundle::run(
        client.clone(),
        ca_bundle::Settings {
            revision: args.revision().to_owned(),
            stand: args.ca_overlap * SURPLUS_STANDS,
        },
        wanted_roots,
        trusted,
        shared.clone(),
    ));
    let serving = certificates::Serving::new(
        resolver,
        roots,
        trusted_roots.clone(),
        args.ca_overlap,
        shared.clone(),
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
            certificates::own::Settings::new(args),
            serving,
            trusted_roots,
            shared.clone(),
        )),
    };
}

/// Goes unready first and serves on for a while: the endpoints have to be
/// withdrawn before the port closes, or reviews would run into it.
async fn drain(readiness: &Readiness, delay: Duration) {
    readiness.drain();
    sleep(delay).await;
}
