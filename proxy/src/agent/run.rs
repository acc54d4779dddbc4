//! The life of the agent, from its start to its end.

use std::{pin::pin, process::ExitCode, sync::Arc, time::Duration};

use anyhow::Context as _;
use time::OffsetDateTime;
use tokio::{
    runtime,
    signal::unix::{Signal, SignalKind, signal},
};

use super::{
    args::Args,
    arguments::{self, command_line},
    bootstrap::{self, bootstrap},
    drain,
    envoy::{Envoy, exit_code},
    folder::{ADS, BOOTSTRAP, Folder, SDS},
    ready,
    relay::Relay,
    roots,
    secrets::Secrets,
    socket,
};
use crate::{
    identity,
    metrics::Metrics,
    process::{Beside, Orders, Ports},
    records::{Records, Workload},
};

/// Runs Envoy as the sidecar until it ends, or the agent is told to end.
///
/// # Errors
///
/// When there is no control plane, Envoy can't be started, or a port or the folder can't be used.
pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let (_guard, _log) =
        pillion_telemetry::init_adjustable(args.proxy.log_format, args.proxy.log_level)?;
    let beside = Beside::of_process(&args.proxy);
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("can't start the runtime")?;
    runtime.block_on(Box::pin(supervise(args, &beside)))
}

/// The signals that end a pod.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

/// What is open while Envoy runs.
struct Open {
    ports: Ports,
    orders: Orders,
    signals: Signals,
    /// Envoy's sockets are in it.
    folder: Folder,
}

async fn supervise(args: &Args, beside: &Beside) -> anyhow::Result<ExitCode> {
    // A pod may be deleted before its proxy is ready.
    let signals = Signals {
        terminate: signal(SignalKind::terminate())?,
        interrupt: signal(SignalKind::interrupt())?,
    };
    let orders = Orders::default();
    let configured = orders.readiness.register(
        "waiting for Envoy to have its listeners and clusters from the control plane; its log says why they have not come",
    );
    let folder = Folder::make(&args.folder)?;
    let metrics = provide(beside, &orders, &folder)?;
    let ports = Box::pin(beside.serve(&args.proxy, &orders, &metrics)).await?;
    let envoy = start(args, beside, &folder)?;
    // Nobody awaits it: it goes on until the process ends, whose runtime ends it.
    tokio::spawn(ready::follow(configured));
    let open = Open {
        ports,
        orders,
        signals,
        folder,
    };
    Box::pin(until_the_end(envoy, beside, open)).await
}

/// Provides what Envoy will ask for: its configuration, and its certificate.
fn provide(beside: &Beside, orders: &Orders, folder: &Folder) -> anyhow::Result<Arc<Metrics>> {
    let server = beside.server().context(
        "there is no control plane (PILLION_DISCOVERY=none), and an Envoy is configured by nobody else: run `pillion-proxy sidecar` without PILLION_ENVOY",
    )?;
    let records = Arc::new(Records::new(Workload::default(), None));
    let metrics = Arc::new(Metrics::new(records));
    let file = server.roots.clone();
    let file = file.context("the control plane has no file of roots")?;
    let identified = orders.readiness.register(
        "waiting for a certificate from the control plane; the log says why it has not come",
    );
    let credentials = identity::start(identity::Settings {
        server: server.clone(),
        trust_domains: beside.trust_domains(),
        roots: roots::follow(file),
        metrics: Arc::clone(&metrics),
        identified,
        for_envoy: true,
        now: OffsetDateTime::now_utc,
    });
    let secrets = Secrets::follow(credentials);
    let relay = Arc::new(Relay::new(server));
    let open = |name| {
        let path = folder.path(name);
        socket::open(&path).with_context(|| format!("can't open the socket {}", path.display()))
    };
    // Nobody awaits them: they go on until the process ends, whose runtime ends them.
    tokio::spawn(socket::serve(open(ADS)?, move |request| {
        let relay = Arc::clone(&relay);
        async move { relay.answer(request).await }
    }));
    tokio::spawn(socket::serve(open(SDS)?, move |request| {
        std::future::ready(secrets.answer(request))
    }));
    Ok(metrics)
}

/// How long connections of listeners and filter chains that a change takes away may go on: Istio's default of
/// `drainDuration`, and the proxy's own time. How long the end takes is the agent's to say.
const LEAVING: Duration = Duration::from_secs(45);

fn start(args: &Args, beside: &Beside, folder: &Folder) -> anyhow::Result<Envoy> {
    let node = Beside::node(&args.proxy);
    let bootstrap = bootstrap(&bootstrap::Settings {
        node: &node,
        ads: &folder.path(ADS),
        sds: &folder.path(SDS),
        address: beside.address(),
    });
    let bootstrap = folder
        .write(BOOTSTRAP, bootstrap.to_string().as_bytes())
        .context("can't write Envoy's bootstrap")?;
    let settings = arguments::Settings {
        bootstrap: &bootstrap,
        concurrency: beside.concurrency(),
        drain: LEAVING,
        address: beside.address(),
        log_level: args.proxy.log_level,
        component_log_level: args.proxy.component_log_level.as_deref(),
    };
    let (program, arguments) = command_line(&args.envoy, &settings)?;
    let envoy = Envoy::start(program.clone(), arguments)?;
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        program = %program.display(),
        node = node.id,
        "Envoy carries the pod's traffic, and this agent is beside it"
    );
    Ok(envoy)
}

async fn until_the_end(
    mut envoy: Envoy,
    beside: &Beside,
    mut open: Open,
) -> anyhow::Result<ExitCode> {
    let orders = &open.orders;
    let mut drained = false;
    loop {
        tokio::select! {
            _ = open.signals.terminate.recv() => tracing::info!("told to end by SIGTERM"),
            _ = open.signals.interrupt.recv() => tracing::info!("told to end by SIGINT"),
            () = orders.quit.cancelled() => tracing::info!("told to end by /quitquitquit"),
            () = orders.drain.cancelled(), if !drained => {
                drained = true;
                drain::begin().await;
                continue;
            }
            ended = open.ports.ended() => anyhow::bail!("a port's server has ended: {ended}"),
            ended = envoy.ended() => {
                let status = ended.context("Envoy can't be waited for")?;
                tracing::error!(%status, "Envoy has ended by itself, and its agent ends with it; see the lines above");
                return Ok(exit_code(status));
            }
        }
        break;
    }
    orders.readiness.drain();
    if !drained {
        drain::begin().await;
    }
    {
        let waited = pin!(beside.drain_times().wait(drain::has_none));
        tokio::select! {
            () = waited => {}
            ended = envoy.ended() => {
                let status = ended.context("Envoy can't be waited for")?;
                tracing::warn!(%status, "Envoy has ended before it was told to");
                return Ok(exit_code(status));
            }
        }
    }
    let status = envoy.end().await.context("Envoy can't be ended")?;
    tracing::info!(%status, "Envoy has ended");
    drop(open.folder);
    Ok(exit_code(status))
}
