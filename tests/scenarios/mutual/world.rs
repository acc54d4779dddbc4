//! A pair of pods with sidecars, which have the same names and addresses in every pair.

use std::{fmt, net::Ipv4Addr, sync::Arc, time::Duration};

use pillion::discovery::Offline;
use pillion_certs::SpiffeId;
use serde_json::Value;
use tokio::{
    net::TcpListener,
    time::{Instant, sleep},
};

use super::{
    ca::Ca,
    hello::Hellos,
    mesh::{self, HELLO, SERVER},
    sds::{self, Secrets},
};
use crate::{
    case::{Case, End, Exchange, Kind},
    client, exchange,
    objects::{Cluster, POD, POD_NAME, WORLD},
    outcome::Outcome,
    place::Place,
    pod::{CAPTURE, Member, Pod, Software, connect},
    programs::Programs,
    run::with_log,
};

/// Generous: nothing is measured.
const PATIENCE: Duration = Duration::from_secs(30);

/// Both pods.
pub struct World {
    pub client: Pod,
    pub server: Pod,
    hellos: Hellos,
}

impl fmt::Display for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [client, server] = self.ends().map(|end| end.software);
        write!(f, "{client:?} to {server:?}")
    }
}

impl World {
    /// Starts a pair.
    pub async fn start(
        [client, server]: [Software; 2],
        discovery: &Offline,
        ca: &Ca,
        programs: &Programs,
    ) -> Self {
        let (inside, outside) = (Arc::new(Place::new()), Arc::new(Place::new()));
        connect(&inside, &outside);
        // What goes to the pod's ports rather than to a Service has not passed the client's sidecar.
        let capture = format!("{CAPTURE} -o {}", mesh::ports());
        let places = (Arc::clone(&inside), Arc::clone(&outside));
        let who = (POD_NAME, POD, capture.as_str());
        let mut client = start(client, who, places, (discovery, ca, programs)).await;
        let capture = format!("{CAPTURE},{HELLO}");
        let places = (Arc::clone(&outside), inside);
        let who = (SERVER, WORLD, capture.as_str());
        let server = start(server, who, places, (discovery, ca, programs)).await;
        client.recorder = server.recorder.clone();
        let hellos = Hellos::default();
        let listener = outside.run(TcpListener::bind((WORLD, HELLO))).await;
        let listening = hellos.clone().listen(listener.unwrap());
        outside.handle().spawn(listening);
        Self {
            client,
            server,
            hellos,
        }
    }

    /// The client's pod, and the server's.
    pub fn ends(&self) -> [&Pod; 2] {
        [&self.client, &self.server]
    }

    /// Whether a difference of this end is one here.
    pub fn concerns(&self, end: Option<End>) -> bool {
        let pod = match end {
            None => return true,
            Some(End::Client) => &self.client,
            Some(End::Server) => &self.server,
        };
        pod.software == Software::Pillion
    }

    /// What comes of a case's requests.
    pub async fn run(&self, case: &Case, cluster: &Cluster) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        for exchange in &case.requests {
            outcomes.push(self.settled(case, cluster, exchange).await);
        }
        outcomes
    }

    /// What comes of a request. Where nothing may reach a server, it is sent until that is so: after a change of the mode, our
    /// sidecar takes HTTP as before for some seconds.
    async fn settled(&self, case: &Case, cluster: &Cluster, exchange: &Exchange) -> Outcome {
        let deadline = Instant::now() + PATIENCE;
        let is_refused = exchange
            .expect
            .get("tries")
            .is_some_and(|tries| *tries == 0);
        loop {
            let outcome = self.send(case, cluster, exchange).await;
            let has_reached = outcome.get("tries").is_some_and(|tries| tries != "0");
            if !(is_refused && has_reached) || Instant::now() > deadline {
                return outcome;
            }
            sleep(Duration::from_millis(200)).await;
        }
    }

    async fn send(&self, case: &Case, cluster: &Cluster, exchange: &Exchange) -> Outcome {
        self.hellos.take();
        let sent = exchange::send(&self.client, case, cluster, exchange).await;
        let passes_by = exchange.to.is_some_and(|to| to.ip() == WORLD);
        let mut outcome = match sent.into_iter().next() {
            Some(sent) if passes_by => sent.outcome,
            sent => with_log(&self.client, sent.into_iter().collect()).await,
        };
        if let Some(hello) = self.hellos.take() {
            outcome.insert("hello.sni".to_owned(), hello.sni);
            outcome.insert("hello.alpn".to_owned(), hello.alpn);
        }
        outcome
    }
}

/// The identity of one of the pods.
pub fn id(account: &str) -> SpiffeId {
    SpiffeId::new("cluster.local", "default", account).unwrap()
}

async fn start(
    software: Software,
    (name, address, capture): (&str, Ipv4Addr, &str),
    places: (Arc<Place>, Arc<Place>),
    (discovery, ca, programs): (&Offline, &Ca, &Programs),
) -> Pod {
    if software == Software::Envoy {
        let secrets = Secrets::new(ca.certify(&id(name)), ca.root());
        let listener = places.0.run(TcpListener::bind(sds::ADDRESS)).await;
        let serving = sds::serve(listener.unwrap(), secrets);
        places.0.handle().spawn(serving);
    }
    let member = Member {
        name,
        namespace: "default",
        address,
        kind: Kind::Sidecar,
        trusted_proxies: 0,
        capture,
    };
    let pod = Pod::start_as(software, &member, places, discovery, programs).await;
    if software == Software::Pillion {
        wait_for_certificate(&pod).await;
    }
    pod
}

/// Until then, our proxy is not ready, and nobody sends it anything.
async fn wait_for_certificate(pod: &Pod) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let shown = pod.inside.run(client::admin("/certs")).await;
        let shown = shown.and_then(|shown| serde_json::from_slice::<Value>(&shown).ok());
        let certificates = shown.map(|mut shown| shown["certificates"].take());
        if certificates.is_some_and(|all| all.as_array().is_some_and(|all| !all.is_empty())) {
            return;
        }
        let log = pod.proxy_log();
        assert!(Instant::now() < deadline, "no certificate: {log}");
        sleep(Duration::from_millis(20)).await;
    }
}
