//! Runs scenarios, those of one client after the other with the same proxies.

use std::{collections::BTreeMap, time::Duration};

use pillion::discovery::Offline;
use pillion_envoy_api::type_url;
use pillion_xds::Snapshot;
use serde_json::{Map, Value, json};
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use crate::{
    case::{Case, Client},
    compare::{Both, check},
    configured, exchange,
    log::{self, Line},
    objects::{self, Cluster, POD_NAME},
    outcome::{self, Outcome},
    pod::{Pod, Software},
    programs::Programs,
    spans,
    upstream::Servers,
};

/// Generous: nothing is measured.
const PATIENCE: Duration = Duration::from_secs(20);

/// Runs scenarios, and returns what is wrong, by scenario.
pub async fn all(cases: Vec<Case>, programs: &Programs) -> Vec<String> {
    let mut groups = BTreeMap::<Client, Vec<Case>>::new();
    for case in cases {
        // Labels of a pod may change while it runs.
        let client = Client {
            labels: BTreeMap::new(),
            ..case.client.clone()
        };
        groups.entry(client).or_default().push(case);
    }
    let mut faults = Vec::new();
    for (client, cases) in groups {
        let mut group = Group::start(&client, programs).await;
        let mut runs = Vec::new();
        for (index, case) in cases.iter().enumerate() {
            let run = group.run(index, case).await;
            let taken = run.as_ref().map_or_else(String::as_str, |_| "has run");
            println!("{}: {taken}", case.name);
            runs.push(run);
        }
        faults.extend(group.judge(&cases, runs).await);
    }
    faults
}

/// The outcomes of a scenario's requests, with the clients' ports by proxy.
type Run = Vec<[Vec<exchange::Sent>; 2]>;

/// Both proxies, for scenarios of one client.
pub struct Group {
    client: Client,
    discovery: Offline,
    snapshots: watch::Receiver<Snapshot>,
    /// Ours, and Envoy.
    pub pods: [Pod; 2],
}

impl Group {
    /// Starts them.
    pub async fn start(client: &Client, programs: &Programs) -> Self {
        let discovery = Offline::start().unwrap();
        for object in objects::of_client(client) {
            discovery.apply(&object).await.unwrap();
        }
        let snapshots = discovery
            .follow(client.namespace(), POD_NAME)
            .await
            .unwrap();
        let start = |software| Pod::start(software, client, &discovery, programs);
        let pods = [start(Software::Pillion).await, start(Software::Envoy).await];
        // From here on, nothing is on its way that a scenario has not caused.
        let snapshot = snapshots.borrow().clone();
        for pod in &pods {
            let taken = configured::wait(pod, &snapshot, &discovery).await;
            taken.unwrap_or_else(|error| panic!("not configured at the start: {error}"));
        }
        Self {
            client: client.clone(),
            discovery,
            snapshots,
            pods,
        }
    }

    async fn run(&mut self, index: usize, case: &Case) -> Result<Run, String> {
        let cluster = Cluster::of(case);
        let run = self.run_in(index, case, &cluster).await;
        for object in &cluster.objects {
            self.discovery.delete(object).await.unwrap();
        }
        run
    }

    async fn run_in(
        &mut self,
        index: usize,
        case: &Case,
        cluster: &Cluster,
    ) -> Result<Run, String> {
        let mut servers = Vec::new();
        for pod in &self.pods {
            for (place, inside) in [(&pod.inside, true), (&pod.outside, false)] {
                let some = cluster.servers_in_pod(inside);
                servers.push(Servers::start(&some, place, &pod.recorder).await);
            }
        }
        self.configure(index, case, cluster).await?;
        let [ours, envoys] = &self.pods;
        let mut run = Vec::new();
        for exchange in &case.requests {
            let send = |pod| exchange::send(pod, case, cluster, exchange);
            let (ours, envoys) = tokio::join!(send(ours), send(envoys));
            run.push([ours, envoys]);
        }
        for (who, pod) in ["our proxy", "Envoy"].into_iter().zip(&self.pods) {
            spans::unwanted(case, who, &pod.recorder)?;
        }
        Ok(run)
    }

    /// Applies a scenario's objects, and waits until both proxies have what follows from them.
    pub async fn configure(
        &mut self,
        index: usize,
        case: &Case,
        cluster: &Cluster,
    ) -> Result<(), String> {
        self.apply(case, cluster).await?;
        mark(&self.discovery, index).await;
        let snapshot = settle(&mut self.snapshots, index).await?;
        for (who, pod) in ["our proxy", "Envoy"].into_iter().zip(&self.pods) {
            let taken = configured::wait(pod, &snapshot, &self.discovery).await;
            taken.map_err(|error| format!("{who} is not configured: {error}"))?;
        }
        Ok(())
    }

    async fn apply(&self, case: &Case, cluster: &Cluster) -> Result<(), String> {
        let client = Client {
            labels: case.client.labels.clone(),
            ..self.client.clone()
        };
        let objects = objects::of_client(&client);
        apply(&self.discovery, case, &objects, cluster).await
    }

    /// Adds what the logs say, and compares.
    async fn judge(&self, cases: &[Case], runs: Vec<Result<Run, String>>) -> Vec<String> {
        let mut faults = Vec::new();
        for (case, run) in cases.iter().zip(runs) {
            let found = match run {
                Ok(run) => {
                    let differs: Vec<_> = case.differs.iter().collect();
                    check(case, &differs, &self.with_logs(case, run).await)
                }
                Err(error) => vec![error],
            };
            let about = format!("{} ({}): {}", case.name, case.rules.join(", "), case.about);
            if !found.is_empty() {
                faults.push(format!("{about}\n  {}", found.join("\n  ")));
            }
        }
        faults
    }

    async fn with_logs(&self, case: &Case, run: Run) -> Vec<Both> {
        let mut all = Vec::new();
        for (exchange, [ours, envoys]) in case.requests.iter().zip(run) {
            let mut both = Both::default();
            for ((pod, sent), outcome) in self
                .pods
                .iter()
                .zip([ours, envoys])
                .zip([&mut both.ours, &mut both.envoys])
            {
                *outcome = if exchange.times == 1 {
                    with_log(pod, sent).await
                } else {
                    let sent: Vec<_> = sent.into_iter().map(|sent| sent.outcome).collect();
                    outcome::counted(&sent)
                };
                if case.interchangeable {
                    let names: Vec<_> = case.servers.iter().map(|one| one.name.clone()).collect();
                    outcome::without_servers(outcome, &names);
                }
            }
            all.push(both);
        }
        all
    }
}

/// Applies a scenario's configuration of the mesh, the pods with proxies, and its objects.
pub async fn apply(
    discovery: &Offline,
    case: &Case,
    pods: &[Value],
    cluster: &Cluster,
) -> Result<(), String> {
    let mut mesh = Map::clone(&case.mesh);
    // A relative path: each Envoy has a folder of its own.
    mesh.insert("accessLogFile".to_owned(), json!("access.log"));
    mesh.insert("accessLogFormat".to_owned(), json!(log::FORMAT));
    // Our gateway has it from its environment.
    let proxies = case.client.trusted_proxies;
    let topology = json!({"gatewayTopology": {"numTrustedProxies": proxies}});
    mesh.insert("defaultConfig".to_owned(), topology);
    let configured = discovery.configure(&Value::Object(mesh).to_string()).await;
    configured.map_err(|faults| format!("mesh: {}", faults.join("; ")))?;
    for object in pods.iter().chain(&cluster.objects) {
        let applied = discovery.apply(object).await;
        let name = format!("{} {}", object["kind"], object["metadata"]["name"]);
        applied.map_err(|faults| format!("{name} is refused: {}", faults.join("; ")))?;
    }
    Ok(())
}

/// Applies a Service after all else of a scenario, and removes that of the one before.
pub async fn mark(discovery: &Offline, index: usize) {
    let mark = |index: usize| {
        json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {"name": format!("mark-{index}"), "namespace": "default"},
            "spec": {"clusterIP": "10.96.255.254", "ports": [{"name": "tcp", "port": 4}]},
        })
    };
    if let Some(before) = index.checked_sub(1) {
        discovery.delete(&mark(before)).await.unwrap();
    }
    discovery.apply(&mark(index)).await.unwrap();
}

/// Waits until all that was applied is rendered: the mark, which came last, is.
pub async fn settle(
    snapshots: &mut watch::Receiver<Snapshot>,
    index: usize,
) -> Result<Snapshot, String> {
    let name = format!("outbound|4||mark-{index}.default.svc.cluster.local");
    let is_marked = |snapshot: &Snapshot| {
        let clusters = snapshot.get(type_url::CLUSTER);
        clusters.is_some_and(|clusters| clusters.get(name.as_str()).is_some())
    };
    let marked = timeout(PATIENCE, snapshots.wait_for(is_marked)).await;
    match marked {
        Ok(Ok(snapshot)) => Ok(snapshot.clone()),
        _ => Err("discovery does not render it".to_owned()),
    }
}

/// A request's outcome, with what the access log says. Not every connection is in there.
pub async fn with_log(pod: &Pod, sent: Vec<exchange::Sent>) -> Outcome {
    let Some(exchange::Sent {
        mut outcome,
        client,
    }) = sent.into_iter().next()
    else {
        return Outcome::new();
    };
    if let Some(line) = logged(pod, client).await {
        for (name, value) in [
            ("logged", line.status),
            ("flags", line.flags),
            ("cluster", line.cluster),
            ("route", line.route),
        ] {
            outcome.insert(name.to_owned(), value);
        }
    }
    outcome
}

/// The line of a client's connection. Logs are written with a delay.
async fn logged(pod: &Pod, client: Option<u16>) -> Option<Line> {
    let client = client?;
    for _ in 0..150 {
        if let Some(line) = log::read(&pod.access_log()).remove(&client) {
            return Some(line);
        }
        sleep(Duration::from_millis(20)).await;
    }
    None
}
