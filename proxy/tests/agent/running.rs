//! An agent that runs.

use std::{
    env, fs,
    io::{self, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::pod::{POD, try_ask};

/// The agent's folder: on a file system that only the test sees.
pub const FOLDER: &str = "/run/agent";
const BINARY: &str = env!("CARGO_BIN_EXE_pillion-proxy");
/// The version of Envoy that the scenarios use, too.
const ENVOY: &str = "envoy-1.40.0";
/// Generous: nothing is measured.
const PATIENCE: Duration = Duration::from_secs(60);

/// Envoy's program. Without it the test fails in CI, and says elsewhere that it is skipped.
pub fn envoy() -> Option<String> {
    let tools = env::var_os("PILLION_TOOLS").map(PathBuf::from);
    let cache = Path::new(env!("CARGO_MANIFEST_DIR")).join("../hack/.cache/bin");
    let program = tools.unwrap_or(cache).join(ENVOY);
    if program.exists() {
        return Some(program.to_str().unwrap().to_owned());
    }
    let lacking = format!(
        "this test needs {}: hack/test installs it",
        program.display()
    );
    assert!(env::var_os("CI").is_none(), "{lacking}");
    // Past the capture of the test's output: nobody may miss it.
    let _ = writeln!(io::stderr(), "SKIPPED: {lacking}");
    None
}

/// A folder for files that only the test sees: `ip netns exec` makes a mount namespace.
pub fn prepare() {
    for folder in ["/run", "/var/lib"] {
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "tmpfs", folder])
            .status();
        assert!(mounted.unwrap().success());
    }
    for folder in [
        "/run/secrets/istio",
        "/run/secrets/tokens",
        "/var/lib/istio/data",
    ] {
        fs::create_dir_all(folder).unwrap();
    }
}

/// A program that is a script.
pub fn script(text: &str) -> String {
    let path = "/run/envoy";
    fs::write(path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    path.to_owned()
}

/// An agent. It ends with the value.
pub struct Agent(Child);

impl Agent {
    /// Starts one, as a sidecar of `web-1` in `shop`.
    pub fn start(arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let log = fs::File::create("/run/agent.log").unwrap();
        let config = serde_json::json!({
            "concurrency": 1,
            "discoveryAddress": "localhost:15012",
            "terminationDrainDuration": "1s",
        });
        let child = Command::new(BINARY)
            .args(arguments)
            .env("PROXY_CONFIG", config.to_string())
            .env("INSTANCE_IP", POD)
            .env("POD_NAME", "web-1")
            .env("POD_NAMESPACE", "shop")
            .env("TRUST_DOMAIN", "cluster.local")
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn();
        Self(child.unwrap())
    }

    /// What it and its Envoy say.
    pub fn log(&self) -> String {
        fs::read_to_string("/run/agent.log").unwrap()
    }

    /// Waits until something holds, while the agent runs.
    pub fn until(&mut self, what: &str, holds: impl Fn() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !holds() {
            let ended = self.0.try_wait().unwrap();
            assert!(ended.is_none(), "{ended:?}\n{}", self.log());
            assert!(Instant::now() < deadline, "no {what}\n{}", self.log());
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits until the readiness check gets this status.
    pub fn until_readiness_is(&mut self, status: u16) {
        self.until(&format!("readiness {status}"), || {
            let answer = try_ask(POD, 15021, "GET /healthz/ready", "");
            answer.is_some_and(|answer| answer.status == status)
        });
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) {
        let id = i32::try_from(self.0.id()).unwrap();
        kill_process(Pid::from_raw(id).unwrap(), Signal::TERM).unwrap();
    }

    /// Waits for its end. Returns its code.
    pub fn ends_with(&mut self) -> Option<i32> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status.code();
            }
            assert!(Instant::now() < deadline, "it does not end\n{}", self.log());
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
