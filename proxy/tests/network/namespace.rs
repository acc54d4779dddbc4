//! A network namespace, and programs in it.

use std::{
    env, fmt, fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::atomic::{AtomicU32, Ordering},
};

/// What the injected container passes.
pub const INJECTED: [&str; 16] = [
    "-p",
    "15001",
    "-z",
    "15006",
    "-u",
    "1337",
    "-m",
    "REDIRECT",
    "-i",
    "*",
    "-x",
    "",
    "-b",
    "*",
    "-d",
    "15090,15021,15020",
];

pub const BINARY: &str = env!("CARGO_BIN_EXE_pillion-proxy");

/// Whether namespaces can be made, and there are these programs, each with the command
/// that brings it. Without them the tests fail in CI, and say elsewhere that they are
/// skipped.
pub fn can_run(programs: &[(&str, &str)]) -> bool {
    let lacking = lacking(programs);
    if let Some(lacking) = &lacking {
        assert!(env::var_os("CI").is_none(), "{lacking}");
        // Past the capture of the test's output: nobody may miss it.
        let _ = writeln!(io::stderr(), "SKIPPED: {lacking}");
    }
    lacking.is_none()
}

fn lacking(programs: &[(&str, &str)]) -> Option<String> {
    for (program, install) in [&[("ip", "apt-get install iproute2")], programs].concat() {
        let found = Command::new("sh")
            .args(["-c", &format!("command -v {program}")])
            .output();
        if !found.is_ok_and(|output| output.status.success()) {
            return Some(format!("these tests need {program}: {install}"));
        }
    }
    let name = unique();
    let made = Command::new("ip")
        .args(["netns", "add", &name])
        .output()
        .unwrap();
    let _ = Command::new("ip").args(["netns", "del", &name]).output();
    let complaint = String::from_utf8_lossy(&made.stderr);
    (!made.status.success()).then(|| format!("these tests need root: {}", complaint.trim()))
}

fn unique() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("pillion-network-{}-{next}", std::process::id())
}

/// What a run came to.
pub struct Run {
    pub code: i32,
    pub text: String,
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "exit code {}\n{}", self.code, self.text)
    }
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        Self {
            code: output.status.code().unwrap_or(-1),
            text: text(&output.stdout) + &text(&output.stderr),
        }
    }
}

/// A network namespace with its loopback interface up. It ends with the value.
pub struct Namespace {
    name: String,
    folder: PathBuf,
}

impl Namespace {
    pub fn new() -> Self {
        let name = unique();
        let folder = env::temp_dir().join(&name);
        fs::create_dir(&folder).unwrap();
        let namespace = Self { name, folder };
        let made = Command::new("ip")
            .args(["netns", "add", &namespace.name])
            .status();
        assert!(made.unwrap().success());
        namespace.sh("ip link set lo up");
        namespace
    }

    /// Its name among the system's.
    #[allow(dead_code)] // one of the binaries that have this file goes by it
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where every user may look. It ends with the namespace.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A program in the namespace.
    pub fn command(&self) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name]);
        command
    }

    /// Runs a script with further variables.
    pub fn run(&self, script: &str, variables: &[(&str, &str)]) -> Run {
        let mut command = self.command();
        command.args(["sh", "-c", script]);
        command.envs(variables.iter().copied());
        command.output().unwrap().into()
    }

    /// Runs a script that has to succeed, and returns what it prints.
    pub fn sh(&self, script: &str) -> String {
        let run = self.run(script, &[]);
        assert_eq!(run.code, 0, "{script}: {run}");
        run.text
    }

    /// Another namespace, joined with this: 10.9.0.1 here, 10.9.0.2 and .3 there.
    pub fn peer(&self) -> Namespace {
        let peer = Self::new();
        self.sh(&format!(
            "ip link add v0 type veth peer name v0 netns {} && ip addr add 10.9.0.1/24 dev v0 && ip link set v0 up",
            peer.name
        ));
        peer.sh(
            "ip addr add 10.9.0.2/24 dev v0 && ip addr add 10.9.0.3/24 dev v0 && ip link set v0 up",
        );
        peer
    }
}

/// Every user may run it, whatever comes first in PATH.
pub fn python() -> String {
    let all = ["/usr/bin/python3", "/usr/local/bin/python3"];
    let found = all.into_iter().find(|path| Path::new(path).exists());
    found.unwrap_or("python3").to_owned()
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // What a test's programs have started, too.
        let script = format!("ip netns pids {} | xargs -r kill -9", self.name);
        let _ = Command::new("sh").args(["-c", &script]).status();
        let _ = Command::new("ip")
            .args(["netns", "del", &self.name])
            .status();
        let _ = fs::remove_dir_all(&self.folder);
    }
}
