//! A pod with one of the proxies, and the world around it: a namespace each, with the same
//! addresses for both proxies.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use pillion::discovery::Offline;
use pillion_certs::{Authority, Resolver};
use pillion_serve::{Readiness, Tls};
use time::OffsetDateTime;
use tokio::{net::TcpListener, time::sleep};

use crate::{
    case::{Client, Kind},
    client, log,
    objects::{POD, POD_NAME, WORLD},
    place::Place,
    program::copy,
    programs::Programs,
    upstream::Recorder,
};

/// Generous: nothing is measured.
const PATIENCE: Duration = Duration::from_secs(30);
/// The trust domain, and the one whose identities are taken as well where the mesh's configuration says so.
const TRUST_DOMAIN: &str = "cluster.local";
pub const ALIAS: &str = "old.example";
/// Where discovery listens in the pod: with TLS, which our proxy insists on, and without.
const DISCOVERY: [SocketAddr; 2] = [loopback(15012), loopback(15010)];
/// What the injected container passes.
pub const CAPTURE: &str =
    "-p 15001 -z 15006 -u 1337 -m REDIRECT -i '*' -x '' -b '*' -d 15090,15021,15020";

const fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

/// Which proxy it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Software {
    Pillion,
    Envoy,
}

/// What a pod is in the mesh. The name of its account is its own.
#[derive(Debug, Clone, Copy)]
pub struct Member<'a> {
    pub name: &'a str,
    pub namespace: &'a str,
    pub address: Ipv4Addr,
    pub kind: Kind,
    /// How many proxies in front of it are trusted.
    pub trusted_proxies: u32,
    /// The flags by which a sidecar's traffic is captured.
    pub capture: &'a str,
}

impl<'a> Member<'a> {
    /// Who sends the requests of scenarios.
    fn client(client: &'a Client) -> Self {
        Self {
            name: POD_NAME,
            namespace: client.namespace(),
            address: POD,
            kind: client.kind,
            trusted_proxies: client.trusted_proxies,
            capture: CAPTURE,
        }
    }
}

/// A pod with a proxy, which ends with it.
pub struct Pod {
    pub software: Software,
    /// The pod.
    pub inside: Arc<Place>,
    /// Everything else.
    pub outside: Arc<Place>,
    /// What servers receive by way of the proxy.
    pub recorder: Recorder,
    proxy: Child,
}

impl Pod {
    /// Starts a proxy for this client, which follows this discovery.
    pub async fn start(
        software: Software,
        client: &Client,
        discovery: &Offline,
        programs: &Programs,
    ) -> Self {
        let (inside, outside) = (Arc::new(Place::new()), Arc::new(Place::new()));
        connect(&inside, &outside);
        let member = Member::client(client);
        Self::start_as(software, &member, (inside, outside), discovery, programs).await
    }

    /// Starts a proxy in a place that is connected with another one.
    pub async fn start_as(
        software: Software,
        member: &Member<'_>,
        (inside, outside): (Arc<Place>, Arc<Place>),
        discovery: &Offline,
        programs: &Programs,
    ) -> Self {
        let everybody = fs::Permissions::from_mode(0o777);
        fs::set_permissions(inside.folder(), everybody).unwrap();
        let pillion = copy(&programs.pillion, inside.folder());
        if member.kind == Kind::Sidecar {
            inside.sh(&format!("{} init {}", pillion.display(), member.capture));
        }
        let root = serve(&inside, discovery).await;
        let proxy = match software {
            Software::Pillion => start_pillion(&inside, member, &pillion, &root),
            Software::Envoy => {
                let envoy = copy(&programs.envoy, inside.folder());
                start_envoy(&inside, member, &envoy)
            }
        };
        let mut pod = Self {
            software,
            inside,
            outside,
            recorder: Recorder::default(),
            proxy,
        };
        pod.wait_until_up().await;
        pod
    }

    /// The access log.
    pub fn access_log(&self) -> PathBuf {
        self.inside.folder().join("access.log")
    }

    /// What the proxy says.
    pub fn proxy_log(&self) -> String {
        fs::read_to_string(self.inside.folder().join("proxy.log")).unwrap_or_default()
    }

    async fn wait_until_up(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while self
            .inside
            .run(client::admin("/config_dump"))
            .await
            .is_none()
        {
            let ended = self.proxy.try_wait().unwrap();
            let log = self.proxy_log();
            assert!(ended.is_none(), "{:?} has ended: {log}", self.software);
            assert!(
                Instant::now() < deadline,
                "{:?} does not start: {log}",
                self.software
            );
            sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        let _ = self.proxy.kill();
        let _ = self.proxy.wait();
    }
}

/// Joins the pod with the world, in which every address of servers is the machine's own.
pub fn connect(inside: &Place, outside: &Place) {
    inside.sh(&format!(
        "ip link add eth0 type veth peer name eth0 netns {}",
        outside.name()
    ));
    inside.sh(&format!(
        "ip addr add {POD}/24 dev eth0; ip link set eth0 up; ip route add default via {WORLD}"
    ));
    outside.sh(&format!(
        "ip addr add {WORLD}/24 dev eth0; ip link set eth0 up"
    ));
    for range in ["10.0.0.0/8", "198.51.100.0/24", "203.0.113.0/24"] {
        outside.sh(&format!("ip route add local {range} dev lo"));
    }
}

/// Serves discovery in the pod, and returns the root of its certificate.
async fn serve(inside: &Place, discovery: &Offline) -> String {
    let (now, day) = (OffsetDateTime::now_utc(), time::Duration::DAY);
    let authority = Authority::generate("scenarios", now, day).unwrap();
    let pair = authority
        .issue(&["127.0.0.1".to_owned()], now, day)
        .unwrap();
    let resolver = Arc::new(Resolver::default());
    resolver.replace(&pair);
    let config = pillion_certs::server_config(resolver).unwrap();
    let certificate = Readiness::default().register("the certificate");
    certificate.set(true);
    let tls = Tls::new(&config, certificate, "the test's own");
    let [encrypted, plain] = DISCOVERY.map(TcpListener::bind);
    let encrypted = inside.run(encrypted).await.unwrap();
    let plain = inside.run(plain).await.unwrap();
    inside.handle().spawn(discovery.serve_tls(encrypted, tls));
    inside.handle().spawn(discovery.serve(plain));
    authority.certificate().to_owned()
}

fn start_pillion(
    inside: &Place,
    member: &Member<'_>,
    program: &std::path::Path,
    root: &str,
) -> Child {
    let folder = inside.folder();
    fs::write(folder.join("root.pem"), root).unwrap();
    // As discovery believes it, if it has a CA.
    let token = format!("{}/{}", member.namespace, member.name);
    let role = match member.kind {
        Kind::Sidecar => "sidecar",
        Kind::Gateway => "gateway",
    };
    // `ip netns exec` makes a mount namespace, so nobody else sees this.
    let script = format!(
        "mount -t tmpfs tmpfs /run && mkdir -p /run/secrets/istio /run/secrets/tokens && \
         cp root.pem /run/secrets/istio/root-cert.pem && echo {token} >/run/secrets/tokens/istio-token && \
         exec setpriv --reuid 1337 --regid 1337 --clear-groups -- {} {role} --log-format text",
        program.display()
    );
    let log = serde_json::json!({
        "accessLogFile": folder.join("access.log"), "accessLogFormat": log::FORMAT,
    });
    let proxy_config = serde_json::json!({
        "concurrency": 1,
        "discoveryAddress": DISCOVERY[0],
        "gatewayTopology": {"numTrustedProxies": member.trusted_proxies},
    });
    let mut command = inside.command();
    command
        .args(["sh", "-c", &script])
        .env("TRUST_DOMAIN", TRUST_DOMAIN)
        .env("PILLION_TRUST_DOMAIN_ALIASES", ALIAS)
        .env("PROXY_CONFIG", proxy_config.to_string())
        .env("PILLION_ACCESS_LOG", log.to_string())
        .env("INSTANCE_IP", member.address.to_string())
        .env("POD_NAME", member.name)
        .env("POD_NAMESPACE", member.namespace);
    spawn(command, inside)
}

fn start_envoy(inside: &Place, member: &Member<'_>, program: &std::path::Path) -> Child {
    let role = match member.kind {
        Kind::Sidecar => "sidecar",
        Kind::Gateway => "router",
    };
    let Member {
        name,
        namespace,
        address,
        ..
    } = member;
    let bootstrap = include_str!("envoy.yaml").replace(
        "NODE",
        &format!("{role}~{address}~{name}.{namespace}~{namespace}.svc.cluster.local"),
    );
    fs::write(inside.folder().join("envoy.yaml"), bootstrap).unwrap();
    let mut command = inside.command();
    command
        .args("setpriv --reuid 1337 --regid 1337 --clear-groups --".split(' '))
        .arg(program)
        .args("-c envoy.yaml --concurrency 1 --log-level warning --disable-hot-restart".split(' '))
        .env("POD_NAMESPACE", namespace)
        .args(
            "--file-flush-interval-msec 50 --drain-time-s 1 --drain-strategy immediate".split(' '),
        );
    spawn(command, inside)
}

fn spawn(mut command: Command, inside: &Place) -> Child {
    let log = fs::File::create(inside.folder().join("proxy.log")).unwrap();
    command
        .current_dir(inside.folder())
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log);
    command.spawn().unwrap()
}
