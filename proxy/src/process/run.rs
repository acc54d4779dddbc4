//! The life of the process, from its start to its end.

use std::{io, process::ExitCode, sync::Arc, time::Instant};

use anyhow::Context as _;
use pillion_serve::Readiness;
use pillion_telemetry::Adjust;
use tokio::{
    runtime,
    signal::unix::{SignalKind, signal},
    time::sleep,
};
use tokio_util::sync::CancellationToken;

use super::{
    args::Args, capacity, discovery, drain::DrainTimes, entrance::Entrances,
    environment::Environment, ports, worker,
};
use crate::{
    export::Exporter, kind::Kind, metrics::Metrics, records::Records, traffic::Traffic,
    transport::ClientTransport,
};

/// Runs the proxy until it is told to end. `open` opens the entrances once the workers run.
///
/// # Errors
///
/// When a port can't be used, or the system has no more threads.
pub(crate) fn run(
    args: &Args,
    kind: Kind,
    open: impl FnOnce(Arc<Entrances>) -> io::Result<()>,
) -> anyhow::Result<ExitCode> {
    let (_guard, log) = pillion_telemetry::init_adjustable(args.log_format, args.log_level)?;
    let mut environment = Environment::of_process(args.status_port);
    let log_of_requests = environment.access_log.take();
    let records = Arc::new(Records::new(environment.workload.clone(), log_of_requests));
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("can't start the runtime")?;
    let start = Start { args, kind, open };
    let carried = runtime.block_on(carry(start, environment, &log, &records));
    records.flush();
    let lines = records.dropped_lines();
    if lines > 0 {
        tracing::warn!(
            lines,
            "lines of the access log were dropped that could not be written in time"
        );
    }
    carried?;
    Ok(ExitCode::SUCCESS)
}

/// What the process is started with.
struct Start<'a, F> {
    args: &'a Args,
    kind: Kind,
    open: F,
}

async fn carry(
    start: Start<'_, impl FnOnce(Arc<Entrances>) -> io::Result<()>>,
    environment: Environment,
    log: &Adjust,
    records: &Arc<Records>,
) -> anyhow::Result<()> {
    let Start { args, kind, open } = start;
    // A pod may be deleted before its proxy is ready.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let readiness = Arc::<Readiness>::default();
    let listening = readiness.register(kind.waits_for());
    let concurrency = environment.concurrency();
    let connections = capacity::connections(concurrency);
    let traffic = Arc::new(Traffic::new(connections));
    let metrics = Arc::new(Metrics::new(Arc::clone(records)));
    let quit = CancellationToken::new();
    let drain = CancellationToken::new();
    let configuration = discovery::follow(kind, args, &environment, &readiness, &metrics)
        .context("can't follow the control plane")?;
    let shared = ports::Shared {
        configuration: configuration.clone(),
        readiness: Arc::clone(&readiness),
        metrics: Arc::clone(&metrics),
        quit: quit.clone(),
        drain: drain.clone(),
        log: log.clone(),
        chains: records.chains(),
        concurrency,
        started: Instant::now(),
    };
    // Both go on until the process ends: the kubelet and the application ask during the drain, too.
    let mut ports = ports::serve(args, &environment, &shared).await?;
    let carried = worker::Shared {
        traffic: Arc::clone(&traffic),
        metrics,
        records: Arc::clone(records),
        tables: configuration.tables.clone(),
        node: Arc::clone(&configuration.node),
        configs: Arc::default(),
        credentials: configuration.credentials.clone(),
        drain: drain.clone(),
        accepts_http10: environment.accepts_http10,
        edge: kind
            .is_at_edge()
            .then(|| environment.proxy_config.edge.clone()),
    };
    let (mut workers, entrances) =
        worker::Workers::start(concurrency, &carried).context("can't start the workers")?;
    let entrances = Arc::new(entrances);
    open(Arc::clone(&entrances)).context("can't open the ports of the traffic")?;
    // Nobody awaits it: it goes on until the process ends, whose runtime ends it.
    tokio::spawn(sweep(Arc::clone(records)));
    let transport = ClientTransport::new(&carried.configs, &configuration.credentials);
    let tables = configuration.tables.clone();
    let exporter = Exporter::start(records.spans(), tables, transport);
    listening.set(true);
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        workers = concurrency,
        connections,
        discovery = environment
            .discovery
            .as_ref()
            .map_or("none", |found| &found.address),
        "{}",
        kind.carries()
    );
    tokio::select! {
        _ = terminate.recv() => tracing::info!("told to end by SIGTERM"),
        _ = interrupt.recv() => tracing::info!("told to end by SIGINT"),
        () = quit.cancelled() => tracing::info!("told to end by /quitquitquit"),
        ended = ports.ended() => anyhow::bail!("a port's server has ended: {ended}"),
        () = configuration.ended() => anyhow::bail!("the configuration thread has ended; see the log lines above"),
        ended = workers.ended() => anyhow::bail!("a worker has ended: {ended}"),
    }
    readiness.drain();
    drain.cancel();
    let times = environment.drain_times();
    // Some go on for the whole time, whether somebody uses them or not.
    let is_whole = matches!(times, DrainTimes::AtMost(_)) && kind.drains_all_the_time();
    times.wait(async || traffic.open() == 0 && !is_whole).await;
    tracing::info!(
        connections = traffic.open(),
        "ends; connections that are open are cut"
    );
    workers.stop().await;
    exporter.finish().await;
    Ok(())
}

/// Has series forgotten that nobody uses.
async fn sweep(records: Arc<Records>) {
    loop {
        sleep(Records::SWEEP_INTERVAL).await;
        records.sweep();
    }
}
