//! The sidecar: it carries a pod's captured traffic.
//!
//! One thread (`control`) serves the ports of the kubelet, of Prometheus and of the
//! administrator, and takes the signals. The workers carry the traffic, each on a thread
//! of its own with sockets of its own, and share nothing that a connection would wait for.

mod app_probes;
mod args;
mod capacity;
mod connection;
mod detect;
mod drain;
mod environment;
mod port_numbers;
mod ports;
mod proxy_config;
mod scrape;
mod worker;

use std::{process::ExitCode, sync::Arc, time::Instant};

use anyhow::Context as _;
use pillion_serve::Readiness;
use pillion_telemetry::Adjust;
use tokio::{
    runtime,
    signal::unix::{SignalKind, signal},
    sync::watch,
    time::sleep,
};
use tokio_util::sync::CancellationToken;

pub use args::Args;

use self::{environment::Environment, worker::Workers};
use crate::{metrics::Metrics, records::Records, tables::Snapshot, traffic::Traffic};

/// Runs the sidecar until it is told to end.
///
/// # Errors
///
/// When a port can't be used, or the system has no more threads.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let (_guard, log) = pillion_telemetry::init_adjustable(args.log_format, args.log_level)?;
    let mut environment = Environment::of_process(args.status_port);
    let log_of_requests = environment.access_log.take();
    let records = Arc::new(Records::new(environment.workload.clone(), log_of_requests));
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("can't start the runtime")?;
    let carried = runtime.block_on(carry(args, environment, &log, &records));
    records.flush();
    carried?;
    Ok(ExitCode::SUCCESS)
}

async fn carry(
    args: &Args,
    environment: Environment,
    log: &Adjust,
    records: &Arc<Records>,
) -> anyhow::Result<()> {
    // A pod may be deleted before its sidecar is ready.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let readiness = Arc::<Readiness>::default();
    let listening = readiness.register("waiting for the ports of captured traffic");
    let connections = capacity::connections();
    let traffic = Arc::new(Traffic::new(connections));
    let metrics = Arc::new(Metrics::new(Arc::clone(records)));
    let quit = CancellationToken::new();
    let drain = CancellationToken::new();
    let concurrency = environment.concurrency();
    let shared = ports::Shared {
        readiness: Arc::clone(&readiness),
        metrics: Arc::clone(&metrics),
        quit: quit.clone(),
        drain: drain.clone(),
        log: log.clone(),
        concurrency,
        started: Instant::now(),
    };
    // Both go on until the process ends: the kubelet and the application ask during the drain, too.
    let mut ports = ports::serve(args, &environment, &shared).await?;
    // Without a control plane, the first tables are the last ones.
    let (_tables, updates) = watch::channel(Arc::new(Snapshot::pass_through(
        environment.detection_timeout,
    )));
    let carried = worker::Shared {
        traffic: Arc::clone(&traffic),
        metrics,
        records: Arc::clone(records),
        tables: updates,
        drain: drain.clone(),
        accepts_http10: environment.accepts_http10,
    };
    let mut workers = Workers::start(concurrency, &carried).context("can't start the workers")?;
    tokio::spawn(sweep(Arc::clone(records)));
    listening.set(true);
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        workers = concurrency,
        connections,
        outbound = port_numbers::OUTBOUND,
        inbound = port_numbers::INBOUND,
        "carries the pod's traffic; without a control plane, it goes to where the application sent it"
    );
    tokio::select! {
        _ = terminate.recv() => tracing::info!("told to end by SIGTERM"),
        _ = interrupt.recv() => tracing::info!("told to end by SIGINT"),
        () = quit.cancelled() => tracing::info!("told to end by /quitquitquit"),
        ended = ports.ended() => anyhow::bail!("a port's server has ended: {ended}"),
        ended = workers.ended() => anyhow::bail!("a worker has ended: {ended}"),
    }
    readiness.drain();
    drain.cancel();
    drain::wait(&environment, &traffic).await;
    tracing::info!(
        connections = traffic.open(),
        "ends; connections that are open are cut"
    );
    Ok(())
}

/// Has series forgotten that nobody uses.
async fn sweep(records: Arc<Records>) {
    loop {
        sleep(Records::SWEEP_INTERVAL).await;
        records.sweep();
    }
}
