//! The reports of one collector.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use fastrand::Rng;
use tokio::{
    sync::watch,
    time::{Instant, sleep_until, timeout, timeout_at},
};
use tokio_util::sync::CancellationToken;

use super::{
    answer::rejected, backoff::Backoff, connection::Connection, failure::Failure, request::request,
};
use crate::{
    records::{Outlet, Report},
    tables::{Avoid, Cluster, Endpoints, Lookup, Pick, Snapshot},
};

/// How long spans stay with their workers at most.
const INTERVAL: Duration = Duration::from_secs(1);
/// How many endpoints are drawn to find one that has not just failed.
const DRAWS: u32 = 3;
/// The log says no more often that a collector does not take its spans.
const QUIET: Duration = Duration::from_secs(60);

/// Who sends the spans of one collector.
#[derive(Debug)]
pub(super) struct Courier {
    outlet: Arc<Outlet>,
    tables: watch::Receiver<Arc<Snapshot>>,
    connection: Option<Connection>,
    /// The endpoint that could not be reached last.
    failed: Option<SocketAddr>,
    backoff: Backoff,
    random: Rng,
    trouble: Trouble,
}

/// What the log has been told.
#[derive(Debug, Default)]
struct Trouble {
    is_told: bool,
    last: Option<Instant>,
}

impl Courier {
    /// Sends what waits there, to endpoints of the newest tables.
    pub fn new(outlet: Arc<Outlet>, tables: watch::Receiver<Arc<Snapshot>>) -> Self {
        Self {
            outlet,
            tables,
            connection: None,
            failed: None,
            backoff: Backoff::default(),
            random: Rng::new(),
            trouble: Trouble::default(),
        }
    }

    /// Sends until it is told to stop, or its collector is forgotten; then it sends what is left.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut next = Instant::now() + INTERVAL;
        loop {
            tokio::select! {
                () = self.outlet.filled() => {}
                () = sleep_until(next) => {}
                () = stop.cancelled() => {}
            }
            let is_last = stop.is_cancelled() || self.outlet.is_gone();
            while let Some(full) = self.outlet.take_full() {
                self.deliver(&full, &stop).await;
            }
            if !is_last && Instant::now() < next {
                continue;
            }
            if let Some(rest) = self.outlet.take_rest() {
                self.deliver(&rest, &stop).await;
            }
            if is_last {
                return;
            }
            next = Instant::now() + INTERVAL;
        }
    }

    /// Sends a report until it is taken or refused; where it is the last thing to do, once.
    async fn deliver(&mut self, report: &Report, stop: &CancellationToken) {
        loop {
            let failure = match self.attempt(report).await {
                Ok(rejected) => {
                    self.outlet.counters.reported(report.spans, rejected);
                    self.backoff.reset();
                    self.trouble.end(&self.outlet.collector.cluster);
                    return;
                }
                Err(failure) => failure,
            };
            self.connection = None;
            self.outlet.counters.failed();
            self.trouble.tell(&self.outlet.collector.cluster, &failure);
            if !failure.may_pass() || stop.is_cancelled() || self.outlet.is_gone() {
                self.outlet.counters.dropped(report.spans);
                return;
            }
            let longest = self.backoff.next(self.random.f64());
            tokio::select! {
                () = self.wait(longest) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    /// Waits, but no longer than until the collector has other endpoints: these are tried at once.
    pub(super) async fn wait(&mut self, longest: Duration) {
        let until = Instant::now() + longest;
        let cluster = Arc::clone(&self.outlet.collector.cluster);
        let before = addresses(&self.tables.borrow(), &cluster);
        let others = self
            .tables
            .wait_for(|tables| addresses(tables, &cluster) != before);
        let found = timeout_at(until, others).await;
        match found.map(|found| found.is_ok()) {
            Ok(true) => self.backoff.reset(),
            // There will be no newer tables.
            Ok(false) => sleep_until(until).await,
            Err(_) => {}
        }
    }

    /// How many spans of a report are rejected, once it is taken.
    async fn attempt(&mut self, report: &Report) -> Result<u64, Failure> {
        let limit = self.outlet.collector.timeout;
        let sent = timeout(limit, self.send(report)).await;
        sent.unwrap_or(Err(Failure::Timeout(limit)))
    }

    async fn send(&mut self, report: &Report) -> Result<u64, Failure> {
        let collector = Arc::clone(&self.outlet.collector);
        let cluster = self.cluster()?;
        if let Some(mut open) = self.connection.take()
            && open.is_open()
            && has(&cluster, open.address)
        {
            // Its server may have closed it meanwhile: only what a new connection gives is a failure. Who
            // gets spans twice knows them by their numbers.
            if let Ok(answer) = open.send(request(&collector, report)?).await {
                self.connection = Some(open);
                return rejected(collector.protocol, &answer);
            }
        }
        let address = self.pick(&cluster)?;
        self.failed = Some(address);
        let within = cluster.settings.connect_timeout;
        let mut new = Connection::open(address, collector.protocol, within).await?;
        let answer = new.send(request(&collector, report)?).await?;
        self.failed = None;
        self.connection = Some(new);
        rejected(collector.protocol, &answer)
    }

    fn cluster(&self) -> Result<Arc<Cluster>, Failure> {
        let name = &self.outlet.collector.cluster;
        match self.tables.borrow().clusters.find(name) {
            Lookup::Found(cluster) => Ok(Arc::clone(cluster)),
            Lookup::Waiting => Err(Failure::NoEndpoint(Arc::clone(name))),
            Lookup::Missing => Err(Failure::NoCluster(Arc::clone(name))),
        }
    }

    /// An endpoint, another one than that which has failed where there is one.
    fn pick(&mut self, cluster: &Cluster) -> Result<SocketAddr, Failure> {
        let avoid = Avoid {
            tried: self.failed.as_slice(),
            attempts: DRAWS,
        };
        match cluster.pick(None, avoid, &mut self.random) {
            Pick::Endpoint(picked) => Ok(picked.address),
            Pick::Nothing | Pick::Waiting => {
                Err(Failure::NoEndpoint(Arc::clone(&cluster.settings.name)))
            }
        }
    }
}

/// Whether an endpoint is still one of the cluster.
fn has(cluster: &Cluster, address: SocketAddr) -> bool {
    addresses_of(cluster).any(|other| other == address)
}

/// The endpoints of a cluster, if it is there.
fn addresses(tables: &Snapshot, cluster: &str) -> Vec<SocketAddr> {
    match tables.clusters.find(cluster) {
        Lookup::Found(cluster) => addresses_of(cluster).collect(),
        Lookup::Waiting | Lookup::Missing => Vec::new(),
    }
}

fn addresses_of(cluster: &Cluster) -> impl Iterator<Item = SocketAddr> {
    let set = match &cluster.endpoints {
        Endpoints::Set(set) => Some(set),
        Endpoints::OriginalDestination | Endpoints::Waiting => None,
    };
    set.into_iter()
        .flat_map(|set| set.iter().map(|(address, _)| address))
}

impl Trouble {
    fn tell(&mut self, cluster: &str, failure: &Failure) {
        let is_quiet = self.last.is_some_and(|last| last.elapsed() < QUIET);
        if self.is_told || is_quiet {
            return;
        }
        self.is_told = true;
        self.last = Some(Instant::now());
        if failure.may_pass() {
            tracing::warn!(
                cluster,
                "spans can't be sent to their collector: {failure}; the newest ones are kept until they can, and pillion_tracing_spans_dropped_total counts the others"
            );
        } else {
            tracing::warn!(
                cluster,
                "spans are dropped that their collector does not take: {failure}; pillion_tracing_spans_dropped_total counts them"
            );
        }
    }

    fn end(&mut self, cluster: &str) {
        if self.is_told {
            self.is_told = false;
            tracing::info!(cluster, "spans reach their collector again");
        }
    }
}
