//! `pillion discovery`: configures the proxies of the mesh.
//!
//! Data flows in one direction: watches → the model's thread → snapshots → streams.
//!
//! ```text
//! watch/ ──► convert/ ──► thread ─────────────────────────► ads/ ──► proxies
//! tasks      pure         owns the model (src/model/) and   tokens,
//!                         snapshots/, which renders with    limits
//!                         render/ (pure)
//! ```
//!
//! Beside that, `ca` issues certificates of workloads at the same port, `certificates` keeps the
//! serving certificate and the mesh's CA, `turnover` tells proxies of its roots, `root_cert` writes
//! them into every namespace, `validation` reviews rules, `status` writes
//! what became of them, and `debug` says what proxies make of it.

mod accounts;
mod ads;
mod args;
mod beside;
mod ca;
mod client;
mod convert;
mod debug;
mod findings;
mod grpc;
mod identity;
mod metrics;
mod names;
mod offline;
mod pace;
mod port;
pub(crate) mod proxies;
mod render;
mod report;
mod root_cert;
mod snapshots;
mod status;
mod thread;
mod turnover;
mod update;
mod validation;
mod watch;

use std::sync::Arc;

use anyhow::{Context, bail};
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use kube::Client;
use pillion_certs::Resolver;
use pillion_serve::{Readiness, Tls, bind};
use tokio::{
    sync::{mpsc, oneshot, watch as latest},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

pub use args::Args;
#[doc(hidden)] // for the fuzz target
pub use identity::token_lasts;
#[doc(hidden)] // for the scenarios and the benchmarks
pub use offline::{Faults, Offline};

use self::{
    accounts::Accounts,
    ads::Ads,
    beside::Beside,
    ca::{Ca, Signing, Tokens},
    convert::mesh::{Defaults, Mesh},
    findings::Findings,
    identity::Authenticator,
    metrics::Metrics,
    proxies::{Attributions, Proxies, Tell},
    report::Reports,
    status::Board,
    update::{UPDATES, Update},
    validation::Validation,
};
use crate::{
    certificates::{
        self, Issuing, Owner, WAITS_FOR_CA_BUNDLE, WAITS_FOR_CERTIFICATE,
        ca_bundle::{self, Roots, Trusted},
        own::MeshCa,
        plugged::Found,
    },
    cluster,
    control_thread::{ControlThread, drain},
};

/// The name that Events are published in.
const CONTROLLER: &str = "pillion-discovery";
/// Appended to the log line about a failed TLS handshake.
const HANDSHAKE_HINT: &str = "if a proxy reports a bad certificate or an unknown issuer, the ConfigMap \
                              istio-ca-root-cert of its namespace does not have the root of this service; if an \
                              API server does, the caBundle does not";
/// After how many overlaps a root that is not wanted is removed: another replica may learn of
/// a new CA an overlap later.
const OVERLAPS_UNTIL_REMOVAL: u32 = 3;

/// What is waited for until certificates of workloads can be signed.
const WAITS_FOR_AUTHORITY: &str = "waiting for the mesh's CA and its trust domain, to sign certificates of workloads; \
                                   if the CA can't sign, the log says why";

/// What is waited for until proxies can connect. It is the first condition: without any, a process is ready.
const WAITS_FOR_PORTS: &str = "waiting for its ports to be open";

/// How long certificates are valid, and what they are signed with.
type Issued = (ca::Lifetimes, latest::Receiver<Option<Arc<Signing>>>);

/// What the tasks of the role share.
#[derive(Debug, Clone, Default)]
struct Shared {
    readiness: Arc<Readiness>,
    metrics: Arc<Metrics>,
    /// What the webhook says of objects because of others.
    beside: Beside,
    /// Which accounts have pods.
    accounts: Accounts,
}

/// Runs the discovery service until SIGTERM or SIGINT, then drains it.
///
/// # Errors
///
/// Returns an error if it can't start: there is no cluster, or a port is in use. With an
/// invalid configuration or certificate, it runs but is not ready, and reports why.
pub async fn run(args: Args) -> anyhow::Result<()> {
    args.check_lifetimes()?;
    let lifetimes = args.workload_lifetimes()?;
    let _flush = pillion_telemetry::init(args.log_format)?;
    let shared = Shared::default();
    let is_open = shared.readiness.register(WAITS_FOR_PORTS);
    let status_port = bind(args.status_address).await?;
    let metrics = Arc::clone(&shared.metrics);
    let readiness = Arc::clone(&shared.readiness);
    let mut control = ControlThread::start(status_port, readiness, move || metrics.encode())
        .context("cannot start the thread of the status port")?;
    let client = cluster::client().await?;
    let mut tasks = JoinSet::new();
    let tell = tell(&mut tasks, &client, &shared);
    let (trust_domain, trust_domains) = latest::channel(None);
    let told = (&shared, &tell, trust_domain);
    let (updates, model) = spawn_model(&mut tasks, &args, &client, told)?;
    let resolver = Arc::new(Resolver::default());
    let owner = owner(&shared);
    let (served, told) = (
        (&owner, Arc::clone(&resolver)),
        (trust_domains.clone(), &tell.reports),
    );
    let authorities = spawn_certificates(&mut tasks, &args, &client, served, told);
    let metrics = Arc::clone(&shared.metrics);
    tasks.spawn(turnover::run(authorities.clone(), updates.clone(), metrics));
    let (signing, signed_with) = latest::channel(None);
    let can_sign = shared.readiness.register(WAITS_FOR_AUTHORITY);
    tasks.spawn(ca::feed(authorities, trust_domains, signing, can_sign));

    let tls = |config| Tls::new(&config, owner.certificate.clone(), HANDSHAKE_HINT);
    let tls = [
        tls(pillion_certs::server_config(Arc::clone(&resolver))?),
        tls(pillion_certs::asking_server_config(resolver)?),
    ];
    let issued = (lifetimes, signed_with);
    let (mut servers, stop) =
        spawn_servers(&args, &client, (&shared, &tell), (updates, issued), tls).await?;
    is_open.set(true);
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        revision = args.revision(),
        namespace = args.namespace,
        ads = %args.ads_address,
        status = %args.status_address,
        "started"
    );

    let stopping = control.stopping.clone();
    let outcome = tokio::select! {
        () = stopping.cancelled() => Ok(()),
        ended = tasks.join_next() => Err(anyhow::anyhow!("a background task ended unexpectedly: {ended:?}")),
        _ = model => Err(anyhow::anyhow!("the model's thread ended unexpectedly")),
        // There is nothing left to drain.
        ended = servers.join_next() => bail!("a server ended unexpectedly: {ended:?}"),
        ended = control.ended() => bail!("the status server ended unexpectedly: {ended:?}"),
    };
    drain(&shared.readiness, args.drain_delay).await;
    stop.cancel();
    while servers.join_next().await.is_some() {}
    control.stop().await.context("the status server failed")?;
    tracing::info!("stopped");
    outcome
}

/// Who is told of what becomes of rules; tasks publish Events, and look at refusals.
fn tell(tasks: &mut JoinSet<()>, client: &Client, shared: &Shared) -> Tell {
    let (reports, publish) = Reports::new(client.clone(), CONTROLLER, Arc::clone(&shared.metrics));
    tasks.spawn(publish);
    let (attributions, attribute) = Attributions::new();
    tasks.spawn(attribute);
    Tell {
        proxies: Proxies::default(),
        board: Board::default(),
        reports,
        attributions,
    }
}

/// Starts the watches, the thread that they feed, and the task that writes statuses.
fn spawn_model(
    tasks: &mut JoinSet<()>,
    args: &Args,
    client: &Client,
    (shared, tell, trust_domain): (&Shared, &Tell, latest::Sender<Option<Arc<str>>>),
) -> anyhow::Result<(mpsc::Sender<Update>, oneshot::Receiver<()>)> {
    let (updates, receiver) = mpsc::channel(UPDATES);
    let defaults = Defaults {
        domain: args.cluster_domain.as_str().into(),
        namespace: args.namespace.as_str().into(),
        load_balancer: args.load_balancer(),
        mutual_tls: args.mutual_tls,
        trust_domain: args.trust_domain.clone(),
    };
    let mesh = Mesh::default_of(&defaults);
    let settings = watch::MeshSettings {
        namespace: args.namespace.clone(),
        name: args.revisioned("istio"),
        defaults,
        trust_domain,
    };
    let readiness = &shared.readiness;
    let context = watch::Context {
        client,
        revision: args.revision(),
        updates: &updates,
        reports: &tell.reports,
        board: &tell.board,
        readiness,
    };
    // Nor is anything rendered before the roots are known.
    let waits_for = watch::spawn(tasks, settings, &context) + 1;
    let synced = readiness.register("waiting for all lists, to render them");
    let metrics = Arc::clone(&shared.metrics);
    let (leads, is_leading) = latest::channel(false);
    let findings = Findings::new(tell.board.clone(), shared.beside.clone(), is_leading);
    let statuses = status::Settings {
        namespace: args.namespace.clone(),
        lease: args.revisioned("pillion-discovery-status"),
    };
    if args.statuses {
        let board = tell.board.clone();
        tasks.spawn(status::run(client.clone(), statuses, board, leads));
    }
    let told = (metrics, findings, shared.accounts.clone());
    let model = thread::start(receiver, waits_for, synced, &mesh, told)
        .context("cannot start the model's thread")?;
    Ok((updates, model))
}

/// The role as the owner of its certificates.
fn owner(shared: &Shared) -> Owner {
    let readiness = &shared.readiness;
    Owner {
        name: "discovery service",
        controller: CONTROLLER,
        certificate: readiness.register(WAITS_FOR_CERTIFICATE),
        // Without its webhook, discovery works all the same.
        ca_bundle: Readiness::default().register(WAITS_FOR_CA_BUNDLE),
        metrics: shared.metrics.certificates().clone(),
    }
}

/// Starts the tasks that keep the certificates, and those that make clients trust them. Returns
/// what workloads' certificates are signed with.
fn spawn_certificates(
    tasks: &mut JoinSet<()>,
    args: &Args,
    client: &Client,
    (owner, resolver): (&Owner, Arc<Resolver>),
    (trust_domains, reports): (latest::Receiver<Option<Arc<str>>>, &Reports),
) -> latest::Receiver<Option<Arc<Issuing>>> {
    let (plugged, found) = latest::channel(Found::Unknown);
    tasks.spawn(certificates::plugged::run(
        client.clone(),
        args.plugged_ca(trust_domains),
        plugged,
        owner.clone(),
    ));
    let (issuing, signs) = latest::channel(None);
    let mesh = MeshCa::new(found, issuing);
    let (roots, wanted) = latest::channel(Roots::Unknown);
    let (trusted, trusted_roots) = latest::channel(Trusted::nothing());
    let removal_delay = args.ca_overlap * OVERLAPS_UNTIL_REMOVAL;
    // API servers learn of a new root within seconds, and proxies within minutes: how long these
    // have trusted a root decides when it is used.
    tasks.spawn(ca_bundle::run::<ValidatingWebhookConfiguration>(
        client.clone(),
        ca_bundle::Settings {
            revision: args.revision().to_owned(),
            removal_delay,
        },
        wanted.clone(),
        latest::channel(Trusted::nothing()).0,
        owner.clone(),
    ));
    tasks.spawn(root_cert::run(
        client.clone(),
        root_cert::Settings {
            name: args.revisioned("istio-ca-root-cert"),
            owner: args.namespace.clone(),
            removal_delay,
            patience: args.ca_overlap,
        },
        wanted,
        trusted,
        reports.clone(),
    ));
    let serving = certificates::Serving::new(
        resolver,
        roots,
        trusted_roots.clone(),
        args.ca_overlap,
        owner.clone(),
    );
    tasks.spawn(certificates::own::run(
        client.clone(),
        args.own_certificates(),
        (serving, trusted_roots),
        owner.clone(),
        Some(mesh),
    ));
    signs
}

/// Starts the servers. They end after the returned token is cancelled, when their streams have
/// ended.
async fn spawn_servers(
    args: &Args,
    client: &Client,
    (shared, tell): (&Shared, &Tell),
    (updates, (lifetimes, signing)): (mpsc::Sender<Update>, Issued),
    [webhook_tls, ads_tls]: [Tls; 2],
) -> anyhow::Result<(JoinSet<()>, CancellationToken)> {
    let (mut servers, stop) = (JoinSet::new(), CancellationToken::new());
    let authenticator = Authenticator::new(client.clone(), Arc::clone(&shared.metrics));
    let authenticator = Arc::new(authenticator);
    let tokens = Tokens::Reviewed(Arc::clone(&authenticator));
    let proofs = (tokens, shared.accounts.clone());
    let ca = Ca::start(proofs, signing, lifetimes, Arc::clone(&shared.metrics))
        .context("cannot start the threads that sign certificates")?;
    let metrics = Arc::clone(&shared.metrics);
    let ads = Ads::new(authenticator, updates, metrics, tell.clone(), stop.clone());
    let listener = bind(args.debug_address).await?;
    let proxies = tell.proxies.clone();
    servers.spawn(debug::serve(listener, proxies, stop.clone()));
    if let Some(address) = args.plaintext_address() {
        let listener = bind(address).await?;
        tracing::warn!(%address, "serving ADS without authentication, for tests");
        servers.spawn(port::serve_plaintext(listener, ads.clone(), stop.clone()));
    }
    let listener = bind(args.webhook_address).await?;
    let validation = Validation::start(Arc::clone(&shared.metrics), shared.beside.clone())
        .context("cannot start the threads that review rules")?;
    servers.spawn(validation.serve(
        listener,
        webhook_tls,
        Arc::clone(&shared.readiness),
        stop.clone(),
    ));
    let listener = bind(args.ads_address).await?;
    servers.spawn(port::serve(
        listener,
        ads_tls,
        (ads, ca),
        (
            Arc::clone(&shared.readiness),
            shared.metrics.ads_port().clone(),
        ),
        stop.clone(),
    ));
    Ok((servers, stop))
}
