//! Running helm.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use pillion_envtest::ControlPlane;
use serde_json::Value;

/// Values that the chart has to do with: each is rendered, and applied.
pub const VARIANTS: &[&[&str]] = &[
    &[],
    &["-f", "profiles/minimal.yaml"],
    &["-f", "profiles/demo.yaml"],
    &["--set", "revision=canary"],
    &["--set", "revision=canary,revisionTags={default,prod}"],
    &[
        "--set",
        "sidecarInjectorWebhook.enableNamespacesByDefault=true",
    ],
    &[
        "--set",
        "revision=canary,revisionTags={default},sidecarInjectorWebhook.enableNamespacesByDefault=true",
    ],
    &[
        "--set",
        "sidecarInjectorWebhook.injectionURL=https://127.0.0.1:9443/inject/cluster/east",
    ],
    &[
        "--set",
        "sidecarInjectorWebhook.guards.initContainerOverride=false,sidecarInjectorWebhook.guards.proxyImageOverride=true",
    ],
    &["--set", "injector.autoscaling.enabled=true"],
    &[
        "--set",
        "injector.certificateSecret=from-cert-manager,injector.webhookAnnotations.from=cert-manager,revisionTags={prod}",
    ],
    &[
        "--set",
        "injector.networkPolicy.apiServer.cidrs={10.0.0.0/8,fd00::/8}",
    ],
    &[
        "--set",
        "injector.networkPolicy.ingress.cidrs={10.0.0.0/8,fd00::/8}",
        "--set-json",
        r#"injector.networkPolicy.ingress.from=[{"namespaceSelector":{},"podSelector":{"matchLabels":{"a":"b"}}}]"#,
        "--set-json",
        r#"injector.networkPolicy.ingress.monitoringFrom=[{"ipBlock":{"cidr":"10.0.0.0/8"}}]"#,
    ],
    &[
        "--set",
        "injector.clientCA.configMap=webhook-clients,injector.clientCA.names={one,spiffe://two}",
    ],
    &[
        "--set",
        "injector.clientCA.secret=webhook-clients,injector.clientCA.key=tls.ca,injector.certificateSecret=mine",
    ],
    &[
        "--set",
        "injector.podLabels.team=mesh,injector.podLabels.app=mine,injector.podAnnotations.a=b",
    ],
    &[
        "--set",
        "global.imagePullSecrets={one,two},global.imagePullPolicy=Always,injector.image=example.com/p:1",
    ],
    &[
        "--set",
        "injector.priorityClassName=system-cluster-critical,injector.nodeSelector.a=b",
    ],
    &[
        "--set-json",
        r#"injector.tolerations=[{"operator":"Exists"}]"#,
    ],
    &[
        "--set-json",
        r#"meshConfig={"defaultConfig":{"concurrency":2},"trustDomain":"shop.example"}"#,
    ],
];

pub fn chart() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("charts/pillion")
}

/// helm without a cluster.
pub fn helm() -> Command {
    let mut command = Command::new(pillion_envtest::tools_folder().join("helm"));
    command.current_dir(chart()).env_remove("KUBECONFIG");
    command
}

/// What `helm template` makes of the chart, or its complaint.
pub fn try_template(namespace: &str, values: &[&str]) -> Result<String, String> {
    let output = helm()
        .args(["template", "mesh", ".", "--namespace", namespace])
        .args(values)
        .output()
        .expect("helm is missing; hack/envtest/build builds it");
    if output.status.success() {
        Ok(String::from_utf8(output.stdout).unwrap())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

/// The objects of the chart.
pub fn template(namespace: &str, values: &[&str]) -> Vec<Value> {
    let text = try_template(namespace, values)
        .unwrap_or_else(|complaint| panic!("{values:?}: {complaint}"));
    text.split("\n---\n")
        .map(|document| {
            pillion_inject::yaml::parse(document)
                .unwrap_or_else(|error| panic!("{values:?}: {error}\n{document}"))
        })
        .filter(|object| !object.is_null())
        .collect()
}

/// The objects of one kind.
pub fn of_kind<'a>(objects: &'a [Value], kind: &str) -> Vec<&'a Value> {
    objects
        .iter()
        .filter(|object| object["kind"] == kind)
        .collect()
}

/// Runs helm in a cluster; it has to succeed.
pub async fn in_cluster(plane: &ControlPlane, arguments: &[&str]) -> String {
    let output = plane
        .tool("helm")
        .unwrap()
        .current_dir(chart())
        .args(arguments)
        .output()
        .await
        .unwrap();
    success(arguments, &output)
}

/// Installs the chart as the release `mesh`.
pub async fn install(plane: &ControlPlane, namespace: &str, values: &str) {
    let arguments = ["install", "mesh", ".", "-n", namespace, "--set", values];
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
