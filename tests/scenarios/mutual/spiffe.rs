//! SPIFFE's library for Go as a stranger (`hack/go/spiffe`): who is let in by our sidecar, and whom our sidecar speaks to.

use std::{fs, path::Path, process::Stdio, time::Duration};

use pillion_certs::SpiffeId;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, ChildStdout, Command},
    time::timeout,
};

use super::{
    ca::Ca,
    mesh::{self, HELLO, SERVER},
    run::Mesh,
    world::{World, id},
};
use crate::{
    case::Case,
    objects::{Cluster, POD_NAME, WORLD},
    outcome::Outcome,
    place::Place,
    pod::Software,
    programs::Programs,
};

/// Generous: nothing is measured.
const PATIENCE: Duration = Duration::from_secs(20);
/// What a client asks for.
const PATH: &str = "/hello";
/// The account of a stranger.
const STRANGER: &str = "stranger";

/// A server without a sidecar, which our sidecar speaks mutual TLS with: its name, its Service's address and its own, the account
/// that it proves itself as, and the one that it lets in. Its pod has the account of its name.
type Unsided = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
);

const SERVERS: [Unsided; 3] = [
    ("friend", "10.96.1.11", "10.2.0.11", "friend", POD_NAME),
    ("impostor", "10.96.1.12", "10.2.0.12", "friend", POD_NAME),
    ("choosy", "10.96.1.13", "10.2.0.13", "choosy", STRANGER),
];

/// Runs all, and returns what is wrong.
pub async fn all(programs: &Programs, spiffe: &Path) -> Vec<String> {
    let mut mesh = Mesh::start(programs, &[[Software::Pillion; 2]]).await;
    let case = case();
    let cluster = Cluster::of(&case);
    let _servers = mesh.serve(&cluster).await;
    if let Err(error) = mesh.configure(0, &case, &cluster).await {
        return vec![error];
    }
    let world = &mesh.worlds[0];
    let mut faults = as_client(world, &mesh.ca, spiffe).await;
    let mut serving = Vec::new();
    for server in &SERVERS {
        serving.push(Serving::start(&world.server.inside, &mesh.ca, spiffe, server).await);
    }
    let outcomes = world.run(&case, &cluster).await;
    faults.extend(as_server(&outcomes, &world.client.proxy_log()));
    let refused = serving[SERVERS.len() - 1].line().await;
    let expected = format!(r#"refused: unexpected ID "{}""#, id(POD_NAME).as_str());
    if refused != expected {
        faults.push(format!(
            "the choosy server says {refused:?}, not {expected:?}"
        ));
    }
    faults
}

fn case() -> Case {
    let mut resources = vec![json!({
        "kind": "PeerAuthentication", "metadata": {"name": "all"},
        "spec": {"mtls": {"mode": "STRICT"}},
    })];
    let (mut servers, mut requests) = (Vec::new(), Vec::new());
    for (name, service, address, ..) in SERVERS {
        resources.extend(objects(name, service, address));
        servers.push(json!({
            "name": name, "of": [name], "ip": address, "pod": name, "down": true,
        }));
        requests.push(json!({"request": format!("GET http://{name}{PATH}")}));
    }
    let case = json!({
        "rules": ["A2", "D9"], "about": "strangers", "resources": resources, "servers": servers,
        "requests": requests,
    });
    let mut case = serde_json::from_value(case).unwrap();
    mesh::complete(&mut case);
    case
}

fn objects(name: &str, service: &str, address: &str) -> [Value; 2] {
    [
        json!({
            "kind": "Pod",
            "metadata": {"name": name, "uid": name, "labels": {"security.istio.io/tlsMode": "istio"}},
            "spec": {"serviceAccountName": name, "containers": [{"name": "istio-proxy", "args": ["proxy", "sidecar"]}]},
            "status": {"podIPs": [{"ip": address}]},
        }),
        // The only port that the sidecar of the server's pod does not capture, where this server is as well.
        json!({
            "kind": "Service", "metadata": {"name": name},
            "spec": {"clusterIP": service, "ports": [{"name": "http", "port": 80, "targetPort": HELLO}]},
        }),
    ]
}

/// The program with its certificate, to be run there. What it expects is that the other end has this ID.
fn program(
    place: &Place,
    ca: &Ca,
    (spiffe, what): (&Path, &str),
    (own, address, other): (&SpiffeId, &str, &SpiffeId),
) -> Command {
    let file = |name: &str, text: &str| {
        let file = place.folder().join(format!("{name}-{address}.pem"));
        fs::write(&file, text).unwrap();
        file
    };
    let (chain, key) = ca.certify(own);
    let mut command = place.command();
    command
        .arg(spiffe)
        .arg(what)
        .arg(file("certificate", &chain))
        .arg(file("key", &key))
        .arg(file("roots", ca.root()))
        .args([address, other.as_str()])
        .stdin(Stdio::null());
    let mut command = Command::from(command);
    command.kill_on_drop(true);
    command
}

/// What is wrong with how our sidecar receives it.
async fn as_client(world: &World, ca: &Ca, spiffe: &Path) -> Vec<String> {
    let [own, server, client] = [STRANGER, SERVER, POD_NAME].map(id);
    let foreign = SpiffeId::new("foreign.example", "default", STRANGER).unwrap();
    let mut faults = Vec::new();
    let unexpected = format!(r#"unexpected ID "{}""#, server.as_str());
    // The server knows HTTP by what the client offers, and takes none of it: its own list is Istio's, h2 and http/1.1.
    let welcome = format!(
        "version=TLS 1.3\nalpn=\npeer={}\nstatus=200\nweb GET {PATH}",
        server.as_str()
    );
    for (who, own, expected, words) in [
        ("it", &own, &server, welcome.as_str()),
        (
            "it, which wants another server",
            &own,
            &client,
            unexpected.as_str(),
        ),
        // Its words depend on whether the alert comes before the end.
        (
            "one of a foreign trust domain",
            &foreign,
            &server,
            "spiffe: ",
        ),
    ] {
        world.server.recorder.take();
        let place = &world.client.inside;
        let address = format!("{WORLD}:8080");
        let mut get = program(place, ca, (spiffe, "get"), (own, &address, expected));
        let output = get.arg(PATH).output().await.unwrap();
        let is_welcome = words == welcome;
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        if output.status.success() != is_welcome || !said.contains(words) {
            faults.push(format!("{who} says {said:?}, not {words:?}"));
        }
        let received = world.server.recorder.take();
        let named = format!("URI={}", own.as_str());
        let headers = received.iter().flat_map(|request| &request.headers);
        let named = headers
            .filter(|(name, value)| {
                name == "x-forwarded-client-cert" && value.contains(named.as_str())
            })
            .count();
        let wanted = usize::from(is_welcome);
        if (received.len(), named) != (wanted, wanted) {
            faults.push(format!("of {who}, the server receives {received:?}"));
        }
    }
    faults
}

/// A server that runs, and what it says.
struct Serving {
    lines: BufReader<ChildStdout>,
    _child: Child,
}

impl Serving {
    /// Starts a server, and waits until it listens.
    async fn start(
        place: &Place,
        ca: &Ca,
        spiffe: &Path,
        (name, _, address, own, other): &Unsided,
    ) -> Self {
        let address = format!("{address}:{HELLO}");
        let ids = (&id(own), address.as_str(), &id(other));
        let mut command = program(place, ca, (spiffe, "serve"), ids);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut serving = Self {
            lines: BufReader::new(child.stdout.take().unwrap()),
            _child: child,
        };
        assert_eq!(serving.line().await, "listening", "{name}");
        serving
    }

    /// The next line; empty if there is none.
    async fn line(&mut self) -> String {
        let mut line = String::new();
        let _ = timeout(PATIENCE, self.lines.read_line(&mut line)).await;
        line.trim_end().to_owned()
    }
}

/// What is wrong with what our sidecar gets of it.
fn as_server(outcomes: &[Outcome], log: &str) -> Vec<String> {
    let welcome = format!(
        "version=TLS 1.3\nalpn=istio-http/1.1\npeer={}\npath={PATH}\n",
        id(POD_NAME).as_str()
    );
    let failed = "TLS with the server at 10.2.0.12:8443";
    // The alert of the last one may come too late for a client that writes; it says itself that it refuses.
    let expected = [
        ("200", welcome.as_str()),
        ("503", failed),
        ("503", "10.2.0.13:8443"),
    ];
    let mut faults = Vec::new();
    for ((name, ..), (outcome, (status, words))) in
        SERVERS.iter().zip(outcomes.iter().zip(expected))
    {
        let of = |what: &str| outcome.get(what).map(String::as_str).unwrap_or_default();
        if of("status") != status || !of("body").contains(words) {
            faults.push(format!(
                "{name}: {outcome:?}, not {status} {words:?}: {log}"
            ));
        }
    }
    faults
}
