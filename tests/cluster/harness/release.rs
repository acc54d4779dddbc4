//! An installation of the chart for one test, beside the one that all share.

use std::{
    process::Command,
    thread,
    time::{Duration, Instant},
};

use super::{
    cluster::{Cluster, in_cluster, tool},
    shell,
};

/// The chart, from the repository's folder.
pub const CHART: &str = "charts/pillion";
pub const INSTALL: [&str; 6] = [
    "upgrade",
    "--install",
    "--create-namespace",
    "--wait",
    "--timeout",
    "2m",
];

/// Whether a pod with these labels would be injected; `None` if it would be refused.
///
/// API servers hear of webhooks that come and go a little later than who has made them.
fn injects(labels: &str) -> Option<bool> {
    let mut kubectl = Command::new(tool("kubectl"));
    let run = [
        "run",
        "probe",
        "--image=probe",
        "--dry-run=server",
        "-o",
        "yaml",
    ];
    in_cluster(&mut kubectl)
        .args(run)
        .args(["--namespace", "default", "--labels", labels]);
    let output = kubectl.output().ok()?;
    let pod = String::from_utf8_lossy(&output.stdout);
    output.status.success().then(|| pod.contains("istio-proxy"))
}

/// Waits until pods with these labels are injected, or are not.
pub fn wait_until_injects(labels: &str, expected: bool) -> Result<(), String> {
    let deadline = Instant::now() + Duration::from_secs(60);
    while injects(labels) != Some(expected) {
        if Instant::now() > deadline {
            return Err(format!("pods with {labels} are not injected, or still are"));
        }
        thread::sleep(Duration::from_millis(200));
    }
    Ok(())
}

/// The label by which a pod in any namespace is injected by the default revision.
pub const DEFAULT: &str = "sidecar.istio.io/inject=true";

/// A release, a revision and a namespace of the same name. The value uninstalls it at its end.
#[derive(Debug)]
pub struct Release {
    cluster: &'static Cluster,
    name: &'static str,
}

impl Release {
    pub async fn install(cluster: &'static Cluster, name: &'static str) -> Self {
        let release = Self { cluster, name };
        release.upgrade(&[]).await;
        wait_until_injects(&release.label(), true).unwrap();
        release
    }

    /// Installs it with other values.
    pub async fn upgrade(&self, values: &[&str]) {
        let mut helm = self.cluster.tool("helm");
        helm.args(INSTALL)
            .args([self.name, CHART, "--namespace", self.name])
            .arg("--set")
            .arg(format!("revision={}", self.name))
            .args(["--set", "gateways.istio-ingressgateway.enabled=false"]);
        for value in values {
            helm.args(["--set", value]);
        }
        shell::output(&mut helm, "").await;
    }

    pub async fn uninstall(&self) {
        let mut helm = self.cluster.tool("helm");
        helm.args(["uninstall", self.name, "--namespace", self.name, "--wait"]);
        shell::output(&mut helm, "").await;
        wait_until_injects(&self.label(), false).unwrap();
    }

    fn label(&self) -> String {
        format!("{DEFAULT},istio.io/rev={}", self.name)
    }

    /// kubectl in the namespace of the release.
    pub async fn kubectl(&self, arguments: &[&str]) -> String {
        let mut kubectl = self.cluster.tool("kubectl");
        kubectl.args(["--namespace", self.name]).args(arguments);
        shell::output(&mut kubectl, "").await
    }

    pub fn injector(&self) -> String {
        format!("deployment/pillion-injector-{}", self.name)
    }

    pub fn discovery(&self) -> String {
        format!("deployment/pillion-discovery-{}", self.name)
    }

    /// Applies YAML in the namespace of the release.
    pub async fn apply(&self, yaml: &str) {
        let mut kubectl = self.cluster.tool("kubectl");
        kubectl.args(["--namespace", self.name, "apply", "-f", "-"]);
        shell::output(&mut kubectl, yaml).await;
    }

    /// Replaces all replicas of discovery, one after the other.
    pub async fn restart_discovery(&self) {
        let discovery = self.discovery();
        self.kubectl(&["rollout", "restart", &discovery]).await;
        let status = ["rollout", "status", &discovery, "--timeout=120s"];
        self.kubectl(&status).await;
    }

    /// Ends all replicas of discovery, and has no new ones.
    pub async fn without_discovery(&self) {
        let scale = ["scale", &self.discovery(), "--replicas=0"];
        self.kubectl(&scale).await;
        let gone = ["wait", "--for=delete", "pod", "-l", "app=pillion-discovery"];
        self.kubectl(&[&gone[..], &["--timeout=120s"]].concat())
            .await;
    }
}

impl Drop for Release {
    fn drop(&mut self) {
        // Its webhooks are not the namespace's. A test may have uninstalled it.
        let mut helm = Command::new(tool("helm"));
        in_cluster(&mut helm).args(["uninstall", self.name, "--namespace", self.name]);
        let _ = helm.args(["--ignore-not-found"]).output();
        let mut delete = Command::new(tool("kubectl"));
        in_cluster(&mut delete).args(["delete", "namespace", self.name, "--wait=false"]);
        let _ = delete.output();
    }
}
