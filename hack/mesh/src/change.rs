//! A change in the API server, until the last proxy has it.

use std::{collections::HashSet, time::Duration};

use anyhow::Context as _;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::{Patch, PatchParams};
use pillion_envoy_api::type_url::{CLUSTER_LOAD_ASSIGNMENT, ROUTE_CONFIGURATION};
use serde_json::json;
use tokio::{
    sync::mpsc,
    time::{Instant, timeout},
};

use crate::{
    cluster::Cluster,
    fleet::{Expected, Fleet},
    names::{self, PORT, Service},
    objects,
};

/// How long a change may take to come to all proxies.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is changed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    /// One endpoint of a Service is replaced.
    Endpoint,
    /// A VirtualService has another route.
    Rule,
}

/// What became of a change.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outcome {
    /// Until the API server had answered the write.
    pub written: Duration,
    /// From the beginning of the write until the first proxy had it.
    pub first: Duration,
    /// From the beginning of the write until the last proxy had it.
    pub last: Duration,
    /// What all proxies were sent because of it.
    pub bytes: u64,
}

impl Kind {
    /// As it is called in the table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Endpoint => "endpoint",
            Self::Rule => "rule",
        }
    }

    /// Makes the change of this number, and waits until all proxies have it.
    pub async fn make(
        self,
        cluster: &Cluster,
        fleet: &Fleet,
        (number, proxies): (usize, usize),
    ) -> anyhow::Result<Outcome> {
        fleet.quiet().await;
        let before = fleet.totals();
        let service = Service(number % fleet.services);
        let (found, mut finders) = mpsc::unbounded_channel();
        let (type_url, name, marker) = match self {
            Self::Endpoint => (
                CLUSTER_LOAD_ASSIGNMENT,
                service.cluster(),
                names::marker_address(number),
            ),
            Self::Rule => (
                ROUTE_CONFIGURATION,
                PORT.to_string(),
                names::marker_name(number),
            ),
        };
        fleet.expect(Some(Expected {
            type_url,
            name,
            marker: marker.clone(),
            found,
        }));
        let start = Instant::now();
        self.write(cluster, service, &marker).await?;
        let written = start.elapsed();
        let all = arrivals(&mut finders, proxies);
        let (first, last) = timeout(PATIENCE, all)
            .await
            .with_context(|| format!("not all proxies have {marker}"))??;
        fleet.quiet().await;
        fleet.expect(None);
        Ok(Outcome {
            written,
            first: first - start,
            last: last - start,
            bytes: fleet.totals().bytes - before.bytes,
        })
    }

    async fn write(self, cluster: &Cluster, service: Service, marker: &str) -> anyhow::Result<()> {
        let (name, namespace) = (service.name(), service.namespace());
        let parameters = PatchParams::default();
        match self {
            Self::Endpoint => {
                let [stays, _] = service.pods();
                let other = json!({"addresses": [marker], "conditions": {"ready": true}});
                let patch = json!({"endpoints": [objects::endpoint(stays), other]});
                let slices = cluster.api::<EndpointSlice>(&namespace);
                slices
                    .patch(&name, &parameters, &Patch::Merge(patch))
                    .await?;
            }
            Self::Rule => {
                let patch = json!({"spec": {"http": objects::routes(service, marker)}});
                let rules = cluster.rules("VirtualService", &namespace);
                rules
                    .patch(&name, &parameters, &Patch::Merge(patch))
                    .await?;
            }
        }
        Ok(())
    }
}

/// When the first and the last of all proxies have found it.
async fn arrivals(
    finders: &mut mpsc::UnboundedReceiver<(usize, Instant)>,
    proxies: usize,
) -> anyhow::Result<(Instant, Instant)> {
    let mut found = HashSet::new();
    let mut times: Option<(Instant, Instant)> = None;
    while found.len() < proxies {
        let (proxy, at) = finders.recv().await.context("no proxy is left")?;
        if found.insert(proxy) {
            let (first, last) = times.unwrap_or((at, at));
            times = Some((first.min(at), last.max(at)));
        }
    }
    times.context("there are no proxies")
}
