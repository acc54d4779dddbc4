//! The Helm chart as tests render and install it.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::bail;

use crate::tools;

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
    &[
        "--set",
        "injector.autoscaling.enabled=true,gateways.istio-ingressgateway.autoscaleEnabled=true",
    ],
    &[
        "--set",
        "gateways.istio-ingressgateway.type=NodePort,gateways.istio-ingressgateway.nodePorts.http2=30080",
        "--set",
        "gateways.istio-ingressgateway.podLabels.team=mesh,gateways.istio-ingressgateway.nodeSelector.a=b",
        "--set",
        "gateways.istio-ingressgateway.externalTrafficPolicy=Local,gateways.istio-ingressgateway.serviceAnnotations.a=b",
    ],
    &["--set", "discovery.enabled=false"],
    &[
        "--set",
        "discovery.validation.failurePolicy=Fail,discovery.defaultLoadBalancer=RANDOM,discovery.networkPolicy.apiServer.cidrs={10.0.0.0/8}",
    ],
    &[
        "--set",
        "discovery.validation.enabled=false,discovery.statuses=false,discovery.podLabels.team=mesh,discovery.podAnnotations.a=b,discovery.image=example.com/p:1",
    ],
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

/// The chart's folder.
#[must_use]
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../charts/pillion")
}

/// helm in the chart's folder, without a cluster.
///
/// # Errors
///
/// When helm has not been built.
pub fn helm() -> anyhow::Result<Command> {
    let mut command = Command::new(tools::find("helm")?);
    command.current_dir(folder()).env_remove("KUBECONFIG");
    Ok(command)
}

/// What `helm template` makes of the chart for a release in a namespace.
///
/// # Errors
///
/// When helm has not been built, and helm's own complaint when it refuses the values.
pub fn template(namespace: &str, values: &[&str]) -> anyhow::Result<String> {
    let output = helm()?
        .args(["template", "mesh", ".", "--namespace", namespace])
        .args(values)
        .output()?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8(output.stdout)?)
}
