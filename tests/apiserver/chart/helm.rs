//! helm in a cluster.

use std::process::Output;

use pillion_envtest::{ControlPlane, chart};

/// Runs helm in a cluster; it has to succeed.
pub async fn in_cluster(plane: &ControlPlane, arguments: &[&str]) -> String {
    let output = plane
        .tool("helm")
        .unwrap()
        .current_dir(chart::folder())
        .args(arguments)
        .output()
        .await
        .unwrap();
    success(arguments, &output)
}

/// Installs the chart as the release `mesh`, without the kinds: of tests that run at the same
/// time, only one could create them.
pub async fn install(plane: &ControlPlane, namespace: &str, values: &str) {
    let values = format!("crds.enabled=false,{values}");
    let arguments = ["install", "mesh", ".", "-n", namespace, "--set", &values];
    in_cluster(plane, &arguments).await;
}

/// The standard output of a command that has to succeed.
pub fn success(what: &[&str], output: &Output) -> String {
    assert!(
        output.status.success(),
        "{what:?}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}
