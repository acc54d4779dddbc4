//! Discovery without an API server: model, rendering and protocol are those of `pillion discovery`, and the objects
//! are those of a small mesh that changes when it is told to.
//!
//! It is what the proxies of `hack/bench proxy` and `hack/bench soak` follow. An API server would take more of the
//! machine than the proxy that is measured.

mod objects;

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context as _;
use pillion::discovery::{Faults, Offline};
use pillion_certs::{Authority, Resolver};
use pillion_serve::{Readiness, Tls};
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    net::TcpListener,
    task::JoinHandle,
};

use self::objects::{Mesh, Routes};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where proxies connect to, by TLS. At all addresses, that is 127.0.0.1 and the pod's.
    #[arg(long, default_value = "127.0.0.1:15012")]
    listen: SocketAddr,
    /// The folder for a proxy's `root-cert.pem` and `istio-token`, which are there once it listens.
    #[arg(long)]
    folder: PathBuf,
    /// The address of the pod whose proxy connects. It is called `client`, and its namespace `bench`.
    #[arg(long)]
    pod_ip: IpAddr,
    /// How many hosts there are: `web-0.bench.svc.cluster.local` and so on.
    #[arg(long, default_value_t = 10)]
    hosts: usize,
    /// How many routes each has, by prefix: `/p0/` and so on.
    #[arg(long, default_value_t = 10)]
    prefixes: usize,
    /// What is spoken, as the name of a Service's port says it: http, http2, grpc or tcp.
    #[arg(long, default_value = "http")]
    protocol: String,
    /// The port of all hosts, and of their servers.
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// A server of all hosts; may be given several times.
    #[arg(long = "server", required = true)]
    servers: Vec<IpAddr>,
    /// Rules set the response field `x-route` to HOST-PREFIX-GENERATION, by their numbers.
    #[arg(long)]
    marked: bool,
    /// The folder of a CA: `ca.pem` and `ca-key.pem`. With it there is mutual TLS, of which the servers are pods: `server`, or
    /// `server-1` and so on. The token is that of the client's account, which is called as its pod.
    #[arg(long, value_name = "FOLDER")]
    ca: Option<PathBuf>,
    /// The percentage of requests that is traced; their spans go to port 9411 of the servers, as to Zipkin.
    #[arg(long, value_name = "PERCENT")]
    tracing: Option<f64>,
}

impl Args {
    /// What proxies connect to.
    fn names(&self) -> Vec<String> {
        match self.listen.ip() {
            ip if ip.is_unspecified() => {
                vec![Ipv4Addr::LOCALHOST.to_string(), self.pod_ip.to_string()]
            }
            ip => vec![ip.to_string()],
        }
    }
}

/// Serves until it is killed. Lines of its input change the mesh: `routes GENERATION` replaces the rules of one host
/// (that of the generation's number, in turn), and `endpoints IP…` says which servers all hosts have from now on.
pub(crate) async fn run(args: &Args) -> anyhow::Result<()> {
    let Served {
        mesh,
        discovery,
        serving,
    } = serve(args).await?;
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        let change = mesh.change(&line);
        let change = change.with_context(|| format!("this is no change: {line:?}"))?;
        apply(&discovery, &change).await?;
    }
    serving.await.context("discovery has ended")
}

/// A mesh that proxies can connect to.
struct Served {
    mesh: Mesh,
    discovery: Offline,
    serving: JoinHandle<()>,
}

async fn serve(args: &Args) -> anyhow::Result<Served> {
    let mesh = Mesh {
        hosts: args.hosts,
        protocol: args.protocol.clone(),
        port: args.port,
        are_pods: args.ca.is_some(),
        routes: Routes {
            prefixes: args.prefixes,
            marked: args.marked,
        },
    };
    let mut discovery = Offline::start()?;
    match &args.ca {
        Some(folder) => issue(&mut discovery, folder).await?,
        None => issue_for_nobody(&discovery)?,
    }
    if let Some(percentage) = args.tracing {
        let sampling = json!({"defaultConfig": {"tracing": {"sampling": percentage}}});
        let configured = discovery.configure(&sampling.to_string()).await;
        configured.map_err(|faults| anyhow::anyhow!("no tracing: {}", faults.join("; ")))?;
        apply(&discovery, &objects::collector(&args.servers)).await?;
    }
    let all = mesh.all(args.pod_ip, &args.servers);
    apply(&discovery, &all).await?;
    let (tls, root) = certificate(&args.names())?;
    let listener = TcpListener::bind(args.listen).await;
    let listener = listener.with_context(|| format!("can't listen at {}", args.listen))?;
    let serving = tokio::spawn(discovery.serve_tls(listener, tls));
    write(&args.folder, &root)?;
    Ok(Served {
        mesh,
        discovery,
        serving,
    })
}

/// Turns mutual TLS on. Certificates come from the CA in a folder.
async fn issue(discovery: &mut Offline, folder: &Path) -> anyhow::Result<()> {
    let read = |name: &str| {
        let file = folder.join(name);
        fs::read_to_string(&file).with_context(|| format!("can't read {}", file.display()))
    };
    let (root, key) = (read("ca.pem")?, read("ca-key.pem")?);
    let refused = |faults: Faults| anyhow::anyhow!("no mutual TLS: {}", faults.join("; "));
    discovery.mutual_tls(true).await.map_err(refused)?;
    discovery.issue_with(&root, &key, &root).map_err(refused)
}

/// No proxy is ready without a certificate, also where nobody speaks mutual TLS.
fn issue_for_nobody(discovery: &Offline) -> anyhow::Result<()> {
    let authority = Authority::generate("bench", OffsetDateTime::now_utc(), Duration::DAY)?;
    let root = authority.certificate();
    let issued = discovery.issue_with(root, authority.key(), root);
    issued.map_err(|faults| anyhow::anyhow!("no certificates: {}", faults.join("; ")))
}

async fn apply(discovery: &Offline, objects: &[Value]) -> anyhow::Result<()> {
    for object in objects {
        let name = &object["metadata"]["name"];
        let refused = |faults: Faults| anyhow::anyhow!("{name} is refused: {}", faults.join("; "));
        discovery.apply(object).await.map_err(refused)?;
    }
    Ok(())
}

/// A certificate of its own, and the root that it is to be trusted by.
fn certificate(names: &[String]) -> anyhow::Result<(Tls, String)> {
    let (now, day) = (OffsetDateTime::now_utc(), Duration::DAY);
    let authority = Authority::generate("bench", now, day)?;
    let pair = authority.issue(names, now, day)?;
    let resolver = Arc::new(Resolver::default());
    resolver.replace(&pair);
    let config = pillion_certs::server_config(resolver)?;
    let condition = Readiness::default().register("the certificate");
    condition.set(true);
    let tls = Tls::new(&config, condition, "the benchmark's own");
    Ok((tls, authority.certificate().to_owned()))
}

/// Whoever waits for the token finds both.
fn write(folder: &Path, root: &str) -> anyhow::Result<()> {
    fs::write(folder.join("root-cert.pem"), root)?;
    let (token, part) = (folder.join("istio-token"), folder.join("istio-token.part"));
    // It is the account's name, which the CA believes.
    fs::write(&part, objects::CLIENT)?;
    fs::rename(part, token).context("can't write the token")
}

#[cfg(test)]
mod tests {
    use crate::certificate::Asker;

    use super::*;

    /// No proxy is ready without a certificate, with or without mutual TLS.
    #[tokio::test]
    async fn proxies_get_certificates_without_a_ca_of_their_own() {
        let folder = std::env::temp_dir().join(format!("pillion-mesh-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let listen = free.local_addr().unwrap();
        drop(free);
        let args = Args {
            listen,
            folder: folder.clone(),
            pod_ip: "10.213.1.2".parse().unwrap(),
            hosts: 1,
            prefixes: 1,
            protocol: "http".to_owned(),
            port: 8080,
            servers: vec!["10.213.1.1".parse().unwrap()],
            marked: false,
            ca: None,
            tracing: None,
        };
        let served = serve(&args).await.unwrap();
        let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
        let asker = Asker {
            address: listen,
            tls: Arc::new(pillion_certs::client_config(&read("root-cert.pem"), &[b"h2"]).unwrap()),
            from: (Ipv4Addr::LOCALHOST, 0).into(),
            token: read("istio-token"),
        };
        asker.ask().await.unwrap();
        served.serving.abort();
        fs::remove_dir_all(&folder).unwrap();
    }
}
