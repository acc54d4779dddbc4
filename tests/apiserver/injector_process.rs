//! The built injector as a process of its own.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    path::Path,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use pillion_envtest::free_port;
use tokio::{
    process::{Child, Command},
    time::{Instant, sleep},
};

const DEADLINE: Duration = Duration::from_secs(120);

/// Ports for one injector.
#[derive(Debug, Clone, Copy)]
pub struct Ports {
    pub webhook: SocketAddr,
    pub status: SocketAddr,
}

impl Ports {
    /// Ports that were free just now.
    pub fn free() -> Self {
        let port = || SocketAddr::from((Ipv4Addr::LOCALHOST, free_port().unwrap()));
        Self {
            webhook: port(),
            status: port(),
        }
    }

    /// What a webhook configuration calls.
    pub fn url(&self) -> String {
        format!("https://{}/inject", self.webhook)
    }
}

/// A running injector; it is killed when dropped.
#[derive(Debug)]
pub struct InjectorProcess {
    pub ports: Ports,
    child: Child,
}

impl InjectorProcess {
    /// Starts one against the API server of a kubeconfig.
    pub fn start(kubeconfig: &Path, ports: Ports, arguments: &[&str]) -> Self {
        // Killed with this thread, too: a test process that is killed drops nothing.
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", env!("CARGO_BIN_EXE_pillion")])
            .arg("injector")
            .args(["--webhook-address", &ports.webhook.to_string()])
            .args(["--status-address", &ports.status.to_string()])
            .args(["--serving-dns-name", "127.0.0.1", "--drain-delay", "0s"])
            .args(["--log-format", "text"])
            .args(arguments)
            .env("KUBECONFIG", kubeconfig)
            .env_remove("POD_NAME")
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        Self { ports, child }
    }

    /// Waits until `/readyz` says so.
    pub async fn ready(&mut self) {
        let deadline = Instant::now() + DEADLINE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("the injector ended: {status}");
            }
            let answer = self.get("/readyz");
            if answer
                .as_ref()
                .is_some_and(|answer| answer.starts_with("HTTP/1.1 200"))
            {
                return;
            }
            assert!(Instant::now() < deadline, "not ready: {answer:?}");
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// What the status port answers; `None` while it is closed.
    pub fn get(&self, path: &str) -> Option<String> {
        let mut stream = TcpStream::connect(self.ports.status).ok()?;
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"
        )
        .ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer)
    }

    /// The value of a metric, by its name with its labels.
    pub fn metric(&self, name: &str) -> Option<f64> {
        let text = self.get("/metrics")?;
        let line = text.lines().find(|line| {
            line.strip_prefix(name)
                .is_some_and(|rest| rest.starts_with(' '))
        })?;
        line.rsplit(' ').next()?.parse().ok()
    }

    /// The most bytes that were ever resident.
    pub fn peak_memory(&self) -> u64 {
        let id = self.child.id().expect("a running injector");
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line
            .and_then(|line| line.trim().strip_suffix(" kB"))
            .unwrap();
        kib.parse::<u64>().unwrap() * 1024
    }

    /// Tells it to stop, as the kubelet does.
    pub fn terminate(&self) {
        let id = self.child.id().expect("a running injector").to_string();
        let told = std::process::Command::new("kill")
            .args(["-TERM", &id])
            .status()
            .unwrap();
        assert!(told.success());
    }

    /// Waits until it has ended by itself.
    pub async fn ended(&mut self) -> ExitStatus {
        tokio::time::timeout(DEADLINE, self.child.wait())
            .await
            .expect("the injector's end")
            .unwrap()
    }
}
