//! The reports of one collector.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use fastrand::Rng;
use tokio::{
    sync::watch,
    time::{Instant, sleep_until, timeout, timeout_at},
};
use tokio_util::sync::CancellationToken;

use super::{
    answer::rejected, connection::Connection, failure::Failure, request::request, trouble::Trouble,
};
use crate::{
    backoff::Backoff,
    records::{Outlet, Report},
    tables::{Avoid, Cluster, Endpoints, Lookup, Pick, Picked, Snapshot},
    transport::ClientTransport,
};

/// How long spans stay with their workers at most.
const INTERVAL: Duration = Duration::from_secs(1);
/// How long a collector that is away is left alone after its first failure, and at most.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// How many endpoints are drawn to find one that has not just failed.
const DRAWS: u32 = 3;
/// How often a report is sent that a collector has seen and not taken: it may be the report's fault,
/// and others wait behind it.
const TRIES: u32 = 5;

/// Who sends the spans of one collector.
#[derive(Debug)]
pub(super) struct Courier {
    outlet: Arc<Outlet>,
    tables: watch::Receiver<Arc<Snapshot>>,
    transport: ClientTransport,
    connection: Option<Connection>,
    /// The endpoint that has failed last.
    failed: Option<SocketAddr>,
    backoff: Backoff,
    random: Rng,
    trouble: Trouble,
}

impl Courier {
    /// Sends what waits there, to endpoints of the newest tables.
    pub fn new(
        outlet: Arc<Outlet>,
        tables: watch::Receiver<Arc<Snapshot>>,
        transport: ClientTransport,
    ) -> Self {
        Self {
            outlet,
            tables,
            transport,
            connection: None,
            failed: None,
            backoff: Backoff::new(BACKOFF.0, BACKOFF.1),
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
            // However many of them there are, what is in the others gets its turn.
            while (is_last || Instant::now() < next)
                && let Some(full) = self.outlet.take_full()
            {
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

    /// Sends a report until it is taken, refused, or sent too often; where it is the last thing to do,
    /// once. Who has not taken it is left alone for a while.
    async fn deliver(&mut self, report: &Report, stop: &CancellationToken) {
        let mut tries = 0;
        loop {
            let before = self.endpoints();
            let failure = match self.attempt(report).await {
                Ok(rejected) => {
                    self.outlet.counters.reported(report.spans, rejected);
                    self.backoff.reset();
                    self.trouble.end(&self.outlet.collector.cluster);
                    return;
                }
                Err(failure) => failure,
            };
            // Another endpoint may do better. One that refuses has answered as it should.
            if failure.may_pass()
                && let Some(open) = self.connection.take()
            {
                self.failed = Some(open.address);
            }
            self.outlet.counters.failed();
            self.trouble.tell(&self.outlet.collector.cluster, &failure);
            tries += u32::from(failure.is_of_report());
            let is_last = stop.is_cancelled() || self.outlet.is_gone();
            let is_over = is_last || !failure.may_pass() || tries >= TRIES;
            if is_over {
                self.outlet.counters.dropped(report.spans);
            }
            if is_last {
                return;
            }
            let longest = self.backoff.next(self.random.f64());
            tokio::select! {
                () = self.wait(&before, longest) => {}
                () = stop.cancelled() => {}
            }
            if is_over {
                return;
            }
        }
    }

    /// The collector's endpoints of now.
    pub(super) fn endpoints(&self) -> Vec<SocketAddr> {
        addresses(&self.tables.borrow(), &self.outlet.collector.cluster)
    }

    /// Waits, but no longer than until the collector has other endpoints than before: these are tried
    /// at once.
    pub(super) async fn wait(&mut self, before: &[SocketAddr], longest: Duration) {
        let until = Instant::now() + longest;
        let cluster = Arc::clone(&self.outlet.collector.cluster);
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
            && self.may_use(&open, &cluster)
        {
            // Its server may have closed it meanwhile: only what a new connection gives is a failure. Who
            // gets spans twice knows them by their numbers.
            if let Ok(answer) = open.send(request(&collector, report)?).await {
                self.connection = Some(open);
                return rejected(collector.protocol, &answer);
            }
        }
        let Picked {
            address, security, ..
        } = self.pick(&cluster)?;
        self.failed = Some(address);
        let within = cluster.settings.connect_timeout;
        let tls = cluster
            .settings
            .tls
            .as_ref()
            .filter(|_| security.for_requests());
        let by = (&self.transport, tls);
        let mut new = Connection::open(address, collector.protocol, within, by).await?;
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

    /// Whether a connection can still be used: its endpoint is still there, and still takes TLS or plaintext as it did.
    fn may_use(&self, open: &Connection, cluster: &Cluster) -> bool {
        let Endpoints::Set(set) = &cluster.endpoints else {
            return false;
        };
        let is_as_safe = open.secured.as_ref().is_none_or(|secured| {
            cluster.settings.tls.as_ref() == Some(&secured.tls) && {
                let trust = secured.trust.as_ref();
                trust.is_none_or(|trust| self.transport.trusts(trust))
            }
        });
        is_as_safe && set.has(open.address, open.secured.is_some())
    }

    /// An endpoint, another one than that which has failed where there is one.
    fn pick(&mut self, cluster: &Cluster) -> Result<Picked, Failure> {
        let avoid = Avoid {
            tried: self.failed.as_slice(),
            attempts: DRAWS,
        };
        match cluster.pick(None, avoid, &mut self.random) {
            Pick::Endpoint(picked) => Ok(picked),
            Pick::Nothing | Pick::Waiting => {
                Err(Failure::NoEndpoint(Arc::clone(&cluster.settings.name)))
            }
        }
    }
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
