//! A pod whose proxy is under attack, and the world around it.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::{
    application,
    bounds::WORKERS,
    client::{PATIENCE, ask},
    control_plane::ControlPlane,
    namespace::{BINARY, INJECTED, Namespace, can_run},
    place::Place,
    program::copy,
    usage::Usage,
};

/// The pod's address, and where its application listens.
pub const POD: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 9, 0, 1));
pub const APPLICATION: SocketAddr = SocketAddr::new(POD, 8080);
/// The port of a gateway, and where its requests go.
pub const GATEWAY: SocketAddr = SocketAddr::new(POD, 8081);
pub const WORLD: SocketAddr = SocketAddr::new(HONEST, 8080);
/// Who attacks.
pub const HOSTILE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 9, 0, 2));
/// Who has to be served meanwhile.
pub const HONEST: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 9, 0, 3));
/// Where the proxy shows its own metrics.
const METRICS: SocketAddr = SocketAddr::new(POD, 15090);

/// Descriptors with which there are 64 places, which is the fewest; and with which there are
/// 1,000.
pub const FEW: usize = 768;
pub const MANY: usize = 2640;

const PROGRAMS: [(&str, &str); 2] = [
    ("iptables-nft-save", "apt-get install iptables"),
    ("setpriv", "apt-get install util-linux"),
];

/// The binary, where every user may run it: in the namespace's folder, which this run has made
/// and which ends with it, so that nobody else decides what is run here.
fn binary(pod: &Namespace) -> PathBuf {
    let path = pod.folder().join("pillion-proxy");
    // A link takes no room, but not every file system has one to there.
    if fs::hard_link(BINARY, &path).is_err() {
        return copy(Path::new(BINARY), pod.folder());
    }
    path
}

/// The enemies are this process, and have many connections.
fn raise_files() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    setrlimit(Resource::Nofile, raised).unwrap();
}

/// Two namespaces that are joined: the pod's, and that of everybody else.
fn namespaces() -> Option<(Namespace, Namespace)> {
    if !can_run(&PROGRAMS) {
        return None;
    }
    raise_files();
    let pod = Namespace::new();
    let world = pod.peer();
    Some((pod, world))
}

/// A proxy that may have so many descriptors, behind a script.
fn command(pod: &Namespace, files: usize, role: &str, script: &str) -> Command {
    let script = format!(
        "{script} && ulimit -n {files} && \
         exec setpriv --reuid 1337 --regid 1337 --clear-groups -- {} {role} --log-format text",
        binary(pod).display()
    );
    let mut command = pod.command();
    command.args(["sh", "-c", &script]);
    command.env("INSTANCE_IP", POD.to_string());
    command
}

/// A pod with a proxy. It ends with the value.
pub struct Pod {
    /// Where the pod's programs are.
    pub inside: Place,
    /// Where its enemies are, and everybody else.
    pub outside: Place,
    /// Where clients connect to.
    pub entrance: SocketAddr,
    /// What the proxy's metrics say of themselves.
    pub reporter: &'static str,
    proxy: Child,
    before: Option<Usage>,
    log: PathBuf,
    world: Namespace,
    _pod: Namespace,
    control_plane: Option<ControlPlane>,
}

impl Pod {
    /// Starts one with an application, whose sidecar may have so many descriptors; `None`
    /// where that can't be.
    pub fn start(files: usize) -> Option<Self> {
        let (pod, world) = namespaces()?;
        let flags = INJECTED.map(|flag| format!("'{flag}'")).join(" ");
        pod.sh(&format!("{BINARY} init {flags}"));
        let inside = Place::of(&pod);
        drop(inside.spawn(|| application::serve(&[APPLICATION])));
        let mut command = command(&pod, files, "sidecar", "true");
        command.env("PILLION_DISCOVERY", "none");
        command.env("PROXY_CONFIG", format!(r#"{{"concurrency": {WORKERS}}}"#));
        let client = (APPLICATION, "reporter=\"destination\"");
        Some(Self::run((pod, world), command, client, None))
    }

    /// The same with a gateway, and the application outside.
    pub fn start_gateway(files: usize) -> Option<Self> {
        let (pod, world) = namespaces()?;
        let (inside, outside) = (Place::of(&pod), Place::of(&world));
        drop(outside.spawn(|| application::serve(&[WORLD])));
        let control_plane = ControlPlane::start(&inside);
        // `ip netns exec` makes a mount namespace, so nobody else sees this.
        let folder = control_plane.folder.display();
        let script = format!(
            "mount -t tmpfs tmpfs /run && mkdir -p /run/secrets/istio /run/secrets/tokens && \
             cp {folder}/root-cert.pem /run/secrets/istio/ && cp {folder}/istio-token /run/secrets/tokens/"
        );
        let mut command = command(&pod, files, "gateway", &script);
        let address = &control_plane.address;
        let config = format!(r#"{{"concurrency": {WORKERS}, "discoveryAddress": "{address}"}}"#);
        command.env("PROXY_CONFIG", config);
        let client = (GATEWAY, "reporter=\"source\"");
        Some(Self::run(
            (pod, world),
            command,
            client,
            Some(control_plane),
        ))
    }

    fn run(
        (pod, world): (Namespace, Namespace),
        mut command: Command,
        (entrance, reporter): (SocketAddr, &'static str),
        control_plane: Option<ControlPlane>,
    ) -> Self {
        let log = pod.folder().join("proxy.log");
        let file = fs::File::create(&log).unwrap();
        command.stdin(Stdio::null());
        command.stdout(file.try_clone().unwrap()).stderr(file);
        let mut pod = Self {
            inside: Place::of(&pod),
            outside: Place::of(&world),
            entrance,
            reporter,
            proxy: command.spawn().unwrap(),
            before: None,
            log,
            world,
            _pod: pod,
            control_plane,
        };
        pod.warm_up();
        pod
    }

    /// Uses everything once, so that what is made once is there already.
    fn warm_up(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while !self.try_serves() {
            assert!(Instant::now() < deadline, "{}", self.log());
            thread::sleep(Duration::from_millis(20));
        }
        for _ in 0..50 {
            self.serves();
        }
        self.metrics();
        self.before = Some(Usage::of(self.process()));
    }

    /// The proxy's number.
    pub fn process(&self) -> u32 {
        self.proxy.id()
    }

    /// Where its enemies are.
    pub fn world(&self) -> &Namespace {
        &self.world
    }

    /// What the proxy had before the attack.
    pub fn before(&self) -> Usage {
        self.before.unwrap()
    }

    /// What the proxy says.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// An honest client is served.
    pub fn serves(&self) {
        let to = self.entrance;
        let answer = self.outside.run(move || ask(HONEST, to, "/"));
        let answer = answer.unwrap_or_else(|error| panic!("{error}: {}", self.log()));
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        assert!(answer.ends_with("served\n"), "{answer}");
    }

    fn try_serves(&self) -> bool {
        let to = self.entrance;
        let answer = self.outside.run(move || ask(HONEST, to, "/"));
        answer.is_ok_and(|answer| answer.ends_with("served\n"))
    }

    fn metrics(&self) -> String {
        let answer = self
            .outside
            .run(|| ask(HONEST, METRICS, "/stats/prometheus"));
        answer.unwrap()
    }

    /// The sum of all series of a metric that have these labels.
    pub fn counted(&self, name: &str, labels: &[&str]) -> u64 {
        let text = self.metrics();
        let lines = text.lines().filter(|line| {
            let (series, _) = line.split_once(' ').unwrap_or_default();
            series.split('{').next() == Some(name)
                && labels.iter().all(|label| series.contains(label))
        });
        let values = lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
        // Counters are whole numbers.
        values.map(|value| value as u64).sum()
    }

    /// Waits until that has been counted so often.
    pub fn counts(&self, name: &str, labels: &[&str], at_least: u64) {
        let what = format!("{name} {labels:?}");
        self.wait_for(&what, || self.counted(name, labels) >= at_least);
    }

    /// The same, of two metrics together.
    pub fn counts_either(&self, one: &str, other: &str, at_least: u64) {
        let counted = || self.counted(one, &[]) + self.counted(other, &[]);
        self.wait_for(&format!("{one} and {other}"), || counted() >= at_least);
    }

    /// Tries until that has been counted.
    pub fn counts_after(&self, name: &str, try_it: impl Fn()) {
        self.wait_for(name, || {
            let is_counted = self.counted(name, &[]) > 0;
            if !is_counted {
                try_it();
            }
            is_counted
        });
    }

    fn wait_for(&self, what: &str, holds: impl Fn() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !holds() {
            let in_time = Instant::now() < deadline;
            assert!(
                in_time,
                "{what} is less\n{}\n{}",
                self.metrics(),
                self.log()
            );
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// The enemies are gone: the proxy lives, serves, and has what it had before.
    pub fn recovers(mut self) {
        assert!(self.proxy.try_wait().unwrap().is_none(), "{}", self.log());
        // Chance decides which worker serves a client.
        let use_it = || (0..8).for_each(|_| self.serves());
        use_it();
        self.before().is_back(self.process(), use_it);
        self.serves();
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        let _ = self.proxy.kill();
        let _ = self.proxy.wait();
        if let Some(control_plane) = &self.control_plane {
            let _ = fs::remove_dir_all(&control_plane.folder);
        }
    }
}
