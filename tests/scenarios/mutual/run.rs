//! Runs cases, one after the other, with all pairs.

use std::time::Duration;

use futures::future::join_all;
use pillion::discovery::Offline;
use pillion_xds::Snapshot;
use tokio::{sync::watch, time::sleep};

use super::{ca::Ca, mesh, stranger, world::World};
use crate::{
    case::{Case, Difference},
    compare::{Both, check},
    configured,
    objects::{Cluster, POD_NAME},
    outcome::Outcome,
    pod::Software,
    programs::Programs,
    run::{apply, mark, settle},
    upstream::Servers,
};

/// Who is the client, and who the server. What the others do is compared with what the last ones do.
const PAIRS: [[Software; 2]; 4] = [
    [Software::Pillion, Software::Pillion],
    [Software::Pillion, Software::Envoy],
    [Software::Envoy, Software::Pillion],
    [Software::Envoy, Software::Envoy],
];

/// After this, requests of our proxies have followed a change of the mode, 2 s after they have learnt of it.
const UNTIL_FOLLOWED: Duration = Duration::from_millis(2500);

/// Runs cases, and then clients that are strangers, and returns what is wrong.
pub async fn all(mut cases: Vec<Case>, programs: &Programs) -> Vec<String> {
    let mut mesh = Mesh::start(programs, &PAIRS).await;
    let mut faults = Vec::new();
    for (index, case) in cases.iter_mut().enumerate() {
        mesh::complete(case);
        let ran = mesh.run(index, case).await;
        let found = ran.map_or_else(|error| vec![error], |runs| judge(case, &mesh.worlds, &runs));
        println!("{}: {} faults", case.name, found.len());
        let about = format!("{} ({}): {}", case.name, case.rules.join(", "), case.about);
        if !found.is_empty() {
            faults.push(format!("{about}\n  {}", found.join("\n  ")));
        }
    }
    faults.extend(stranger::faults(&mut mesh, cases.len()).await);
    faults
}

/// All pairs, and what configures them.
pub struct Mesh {
    pub ca: Ca,
    pub worlds: Vec<World>,
    discovery: Offline,
    /// What a client gets, and what a server does.
    snapshots: [watch::Receiver<Snapshot>; 2],
}

impl Mesh {
    /// Starts these pairs.
    pub async fn start(programs: &Programs, pairs: &[[Software; 2]]) -> Self {
        let (ca, mut discovery) = (Ca::new(), Offline::start().unwrap());
        ca.sign_for(&mut discovery).await;
        for pod in mesh::pods() {
            discovery.apply(&pod).await.unwrap();
        }
        let client = discovery.follow("default", POD_NAME).await.unwrap();
        let server = discovery.follow("default", mesh::SERVER).await.unwrap();
        let mut worlds = Vec::new();
        for pair in pairs {
            worlds.push(World::start(*pair, &discovery, &ca, programs).await);
        }
        Self {
            ca,
            worlds,
            discovery,
            snapshots: [client, server],
        }
    }

    async fn run(&mut self, index: usize, case: &Case) -> Result<Vec<Vec<Outcome>>, String> {
        let cluster = Cluster::of(case);
        let _servers = self.serve(&cluster).await;
        let configured = self.configure(index, case, &cluster).await;
        let runs = match configured {
            Ok(()) => Ok(join_all(self.worlds.iter().map(|world| world.run(case, &cluster))).await),
            Err(error) => Err(error),
        };
        self.clear(&cluster).await;
        runs
    }

    /// Starts the servers in all pairs.
    pub async fn serve(&self, cluster: &Cluster) -> Vec<Servers> {
        let mut servers = Vec::new();
        for world in &self.worlds {
            let place = &world.server.inside;
            servers.push(Servers::start(&cluster.servers, place, &world.server.recorder).await);
        }
        servers
    }

    /// Applies a case's objects, and waits until all proxies have what follows from them.
    pub async fn configure(
        &mut self,
        index: usize,
        case: &Case,
        cluster: &Cluster,
    ) -> Result<(), String> {
        apply(&self.discovery, case, &mesh::pods(), cluster).await?;
        mark(&self.discovery, index).await;
        for (end, snapshots) in self.snapshots.iter_mut().enumerate() {
            let snapshot = settle(snapshots, index).await?;
            for world in &self.worlds {
                let pod = world.ends()[end];
                let taken = configured::wait(pod, &snapshot, &self.discovery).await;
                taken.map_err(|error| format!("{world}: end {end} is not configured: {error}"))?;
            }
        }
        sleep(UNTIL_FOLLOWED).await;
        Ok(())
    }

    /// Deletes a case's objects, but for pods: those that run stay, and each case applies them as they are.
    pub async fn clear(&self, cluster: &Cluster) {
        for object in cluster.objects.iter().filter(|it| it["kind"] != "Pod") {
            self.discovery.delete(object).await.unwrap();
        }
    }
}

/// What is wrong with the outcomes of each pair.
fn judge(case: &Case, worlds: &[World], runs: &[Vec<Outcome>]) -> Vec<String> {
    let Some((envoys, others)) = runs.split_last() else {
        return Vec::new();
    };
    let mut faults = Vec::new();
    for (world, ours) in worlds.iter().zip(others) {
        let differs: Vec<&Difference> = case
            .differs
            .iter()
            .filter(|difference| world.concerns(difference.of))
            .collect();
        let pairs = ours.iter().zip(envoys).map(|(ours, envoys)| Both {
            ours: ours.clone(),
            envoys: envoys.clone(),
        });
        let found = check(case, &differs, &pairs.collect::<Vec<_>>());
        faults.extend(found.into_iter().map(|fault| format!("{world}: {fault}")));
    }
    faults
}
