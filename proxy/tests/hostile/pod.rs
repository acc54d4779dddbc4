//! A pod whose proxy is under attack, and the world around it.

use std::{
    fs, io,
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

pub use crate::addresses::{APPLICATION, GATEWAY, HONEST, HOSTILE, POD, WORLD};
use crate::{
    application,
    bounds::WORKERS,
    client::{PATIENCE, ask},
    control_plane::{self, ControlPlane},
    namespace::Namespace,
    place::Place,
    starting::{captured, command, configured, namespaces},
    usage::{PAGES, Usage},
    workload::Workload,
};

/// Where the proxy shows its own metrics.
const METRICS: SocketAddr = SocketAddr::new(POD, 15090);

/// Descriptors with which there are 64 places, which is the fewest; and with which there are
/// 1,000.
pub const FEW: usize = 768;
pub const MANY: usize = 2640;

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
    workload: Option<Workload>,
}

impl Pod {
    /// Starts one with an application, whose sidecar may have so many descriptors; `None`
    /// where that can't be.
    pub fn start(files: usize) -> Option<Self> {
        let (pod, world) = captured()?;
        let mut command = command(&pod, files, "sidecar", "true");
        command.env("PILLION_DISCOVERY", "none");
        command.env("PROXY_CONFIG", format!(r#"{{"concurrency": {WORKERS}}}"#));
        let client = (APPLICATION, "reporter=\"destination\"");
        Some(Self::run((pod, world), command, client, None))
    }

    /// The same with a control plane: the application's port takes mutual TLS, too.
    pub fn start_in_mesh(files: usize) -> Option<Self> {
        let (pod, world) = captured()?;
        let control_plane = ControlPlane::start(&Place::of(&pod), control_plane::sidecar);
        let command = configured(&pod, files, "sidecar", &control_plane);
        let client = (APPLICATION, "reporter=\"destination\"");
        let workload = Workload::new(&control_plane.issuer);
        let mut pod = Self::run((pod, world), command, client, Some(control_plane));
        pod.workload = Some(workload);
        // Its certificate may come later than its configuration.
        pod.wait_for("handshakes", || pod.try_serves_workload().is_ok());
        pod.before = Some(Usage::of(pod.process()));
        Some(pod)
    }

    /// The same with a gateway, and the application outside.
    pub fn start_gateway(files: usize) -> Option<Self> {
        let (pod, world) = namespaces()?;
        let (inside, outside) = (Place::of(&pod), Place::of(&world));
        drop(outside.spawn(|| application::serve(&[WORLD])));
        let control_plane = ControlPlane::start(&inside, control_plane::gateway);
        let command = configured(&pod, files, "gateway", &control_plane);
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
            workload: None,
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

    /// A workload of its mesh.
    pub fn workload(&self) -> Workload {
        self.workload.clone().unwrap()
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

    /// An honest client is served again and again until these peers are done.
    pub fn serves_beside(&self, peers: Vec<thread::JoinHandle<()>>) {
        while peers.iter().any(|peer| !peer.is_finished()) {
            self.serves();
        }
        for peer in peers {
            peer.join().unwrap();
        }
    }

    /// An honest workload is served.
    pub fn serves_workload(&self) {
        let answer = self.try_serves_workload();
        answer.unwrap_or_else(|error| panic!("{error}: {}", self.log()));
    }

    fn try_serves_workload(&self) -> io::Result<()> {
        let (workload, to) = (self.workload(), self.entrance);
        let answer = self.outside.run(move || workload.ask(to))?;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        assert!(answer.ends_with("served\n"), "{answer}");
        Ok(())
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
    pub fn recovers(self) {
        self.recovers_but_for(0);
    }

    /// The same after an attack that has taken all of the buffers.
    pub fn recovers_from_stalls(self) {
        self.recovers_but_for(PAGES);
    }

    fn recovers_but_for(mut self, more: u64) {
        assert!(self.proxy.try_wait().unwrap().is_none(), "{}", self.log());
        // Chance decides which worker serves a client.
        let use_it = || (0..8).for_each(|_| self.serves());
        use_it();
        self.before().is_back(self.process(), more, use_it);
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
