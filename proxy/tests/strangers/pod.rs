//! A pod: a namespace whose traffic is captured, a sidecar, and applications.

use std::{
    collections::BTreeMap,
    env, fmt, fs,
    path::{Path, PathBuf},
    process::{self, Child, Stdio},
    sync::LazyLock,
    thread,
    time::{Duration, Instant},
};

use crate::{
    namespace::{BINARY, INJECTED, Namespace},
    program::copy,
};

/// Generous: nothing is measured.
const PATIENCE: Duration = Duration::from_secs(30);

/// The binary, where every user may run it.
static FOR_ALL: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = env::temp_dir().join("pillion-strangers");
    let own = folder.join(process::id().to_string());
    fs::create_dir_all(&own).unwrap();
    let path = folder.join("pillion-proxy");
    // Written whole or not at all: another run may be using it.
    fs::rename(copy(Path::new(BINARY), &own), &path).unwrap();
    fs::remove_dir(own).unwrap();
    path
});

/// A pod whose sidecar is ready.
pub struct Pod {
    pub namespace: Namespace,
    reporter: &'static str,
    _sidecar: Child,
}

impl Pod {
    /// Captures the namespace's traffic and starts the sidecar with these variables.
    /// `reporter` is what its metrics say of themselves.
    pub fn start(
        namespace: Namespace,
        address: &str,
        reporter: &'static str,
        variables: &[(&str, &str)],
    ) -> Self {
        let flags = INJECTED.map(|flag| format!("'{flag}'")).join(" ");
        namespace.sh(&format!("{BINARY} init {flags}"));
        let mut command = namespace.command();
        command.args("setpriv --reuid 1337 --regid 1337 --clear-groups --".split(' '));
        command.arg(&*FOR_ALL);
        command.args(["sidecar", "--log-format", "text", "--log-level", "debug"]);
        command.env("PILLION_DISCOVERY", "none");
        command.env("INSTANCE_IP", address);
        command.envs(variables.iter().copied());
        let sidecar = spawn(command, &namespace.folder().join("sidecar.log"));
        namespace.sh(&format!("{BINARY} wait --period-millis 20"));
        Self {
            namespace,
            reporter,
            _sidecar: sidecar,
        }
    }

    /// Where the pod's programs have their files.
    pub fn folder(&self) -> &Path {
        self.namespace.folder()
    }

    /// Runs a script as an application, and returns what it prints.
    pub fn sh(&self, script: &str) -> String {
        let script = format!("cd {} && {script}", self.folder().display());
        let run = self.namespace.run(&script, &[]);
        assert_eq!(run.code, 0, "{script}: {run}\n{}", self.log("sidecar"));
        run.text
    }

    /// Starts a server, and waits until it listens on these ports.
    pub fn serve(&self, name: &str, script: &str, ports: &[u16]) -> Server<'_> {
        let mut command = self.namespace.command();
        let script = format!("cd {} && exec {script}", self.folder().display());
        command.args(["sh", "-c", &script]);
        let log = self.folder().join(format!("{name}.log"));
        let mut server = Server {
            pod: self,
            child: spawn(command, &log),
        };
        for port in ports {
            wait_for(&format!("{name} on {port}"), || {
                let ended = server.child.try_wait().unwrap();
                assert!(ended.is_none(), "{name}: {ended:?}\n{}", self.log(name));
                self.listens(*port)
            });
        }
        server
    }

    fn listens(&self, port: u16) -> bool {
        let script = format!("ss -ltnH 'sport = :{port}'");
        !self.namespace.sh(&script).is_empty()
    }

    /// What a program has written.
    pub fn log(&self, name: &str) -> String {
        fs::read_to_string(self.folder().join(format!("{name}.log"))).unwrap_or_default()
    }

    /// The sidecar has counted these requests by what a label says, and no others.
    pub fn has_counted(&self, label: &str, expected: &[(&str, u64)]) {
        let expected = expected
            .iter()
            .map(|&(text, count)| (text.to_owned(), count));
        self.counts(&expected.collect::<BTreeMap<_, _>>(), || {
            let mut requests = BTreeMap::new();
            for (labels, value) in self.series("istio_requests_total") {
                *requests.entry(text_of(&labels, label)).or_default() += value;
            }
            requests
        });
    }

    /// The sidecar has counted so many TCP connections that were opened or closed.
    pub fn has_counted_connections(&self, state: &str, expected: u64) {
        let name = format!("istio_tcp_connections_{state}_total");
        self.counts(&expected, || {
            let series = self.series(&name);
            series.iter().map(|(_, value)| value).sum::<u64>()
        });
    }

    /// A client may know the end of its request before the sidecar has counted it.
    fn counts<T: PartialEq + fmt::Debug>(&self, expected: &T, count: impl Fn() -> T) {
        let mut last = None;
        wait_for(&format!("{} to count {expected:?}", self.reporter), || {
            let counted = count();
            let is_so = counted == *expected;
            if !is_so && last.as_ref() != Some(&counted) {
                println!("{} counts {counted:?}", self.reporter);
                last = Some(counted);
            }
            is_so
        });
    }

    fn series(&self, name: &str) -> Vec<(String, u64)> {
        let script = "curl -sS --fail http://127.0.0.1:15090/stats/prometheus";
        let metrics = self.namespace.sh(script);
        let mut series = Vec::new();
        for line in metrics.lines() {
            let Some(rest) = line.strip_prefix(name).and_then(|it| it.strip_prefix('{')) else {
                continue;
            };
            let (labels, value) = rest.rsplit_once("} ").unwrap();
            assert_eq!(text_of(labels, "reporter"), self.reporter, "{line}");
            series.push((labels.to_owned(), value.parse().unwrap()));
        }
        series
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        if thread::panicking() {
            println!("{}:\n{}", self.reporter, self.log("sidecar"));
        }
    }
}

/// A program that serves. It ends with its pod, or when it is told to.
pub struct Server<'a> {
    pod: &'a Pod,
    child: Child,
}

impl Server<'_> {
    /// Sends the program a signal.
    pub fn signal(&self, name: &str) {
        self.pod.sh(&format!("kill -{name} {}", self.child.id()));
    }

    /// Asks the program to end, and waits until it has.
    pub fn terminate(mut self) {
        self.signal("TERM");
        wait_for("its end", || self.child.try_wait().unwrap().is_some());
    }
}

/// Waits until it is so.
pub fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

fn spawn(mut command: process::Command, log: &Path) -> Child {
    let log = fs::File::create(log).unwrap();
    command
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap());
    command.stderr(log).spawn().unwrap()
}

fn text_of(labels: &str, name: &str) -> String {
    let (_, rest) = labels.split_once(&format!("{name}=\"")).unwrap();
    rest.split_once('"').unwrap().0.to_owned()
}
