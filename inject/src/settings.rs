//! The settings of one pod: its annotations over the mesh and the values.

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::{
    annotation_fault::AnnotationFault,
    annotations,
    config::{Config, policy::NativeSidecars, proxy_config::ProxyConfig},
    pod, proxy_config_annotation, proxy_env, quote,
    refusal::Refusal,
    target::Target,
    value_checks::parse_bool,
};

/// The uid and gid that the capture rules exempt, unless the pod has others.
const PROXY_ID: i64 = 1337;

/// The effective settings of one pod.
#[derive(Debug)]
pub(crate) struct Settings {
    pub native: bool,
    pub hold: bool,
    pub status_port: u16,
    pub rewrite_probes: bool,
    pub merge_metrics: bool,
    pub proxy_config: ProxyConfig,
    /// The part of `proxy_config` that is the pod's own.
    pub own_proxy_config: ProxyConfig,
    pub interception_mode: String,
    pub uid: i64,
    pub gid: i64,
    pub network: Option<String>,
    pub cluster_id: Option<String>,
    pub resources: Value,
}

impl Settings {
    /// Reads a pod whose annotations have been checked.
    pub fn new(config: &Config, target: &Target<'_>) -> Result<Self, Refusal> {
        let pod = target.pod;
        let annotation = |name| pod::annotation(pod, name);
        let own_proxy_config = match annotation(annotations::PROXY_CONFIG) {
            Some(text) => parse_proxy_config(text)?,
            None => ProxyConfig::default(),
        };
        let proxy_config = config.mesh.default_config.overlaid_with(&own_proxy_config);
        let values = &config.values;
        let (uid, gid) = proxy_ids(pod);
        let path_env = |name: &str| {
            let (_, value) = target.path_env.iter().find(|(key, _)| key == name)?;
            Some(value.clone())
        };
        let network = pod::label(pod, "topology.istio.io/network")
            .map(str::to_owned)
            .or_else(|| path_env(proxy_env::NETWORK))
            .or_else(|| Some(values.network.clone()))
            .filter(|network| !network.is_empty());
        Ok(Self {
            native: is_native(config, target),
            hold: values.proxy.hold_application_until_proxy_starts
                || proxy_config.flag("holdApplicationUntilProxyStarts"),
            status_port: annotation(annotations::STATUS_PORT)
                .and_then(|port| port.parse().ok())
                .or_else(|| proxy_config.status_port())
                .unwrap_or(values.proxy.status_port),
            rewrite_probes: annotation(annotations::REWRITE_PROBES)
                .and_then(parse_bool)
                .unwrap_or(values.rewrite_app_http_probe),
            merge_metrics: annotation(annotations::MERGE_METRICS)
                .and_then(parse_bool)
                .unwrap_or(config.mesh.prometheus_merge),
            interception_mode: annotation(annotations::INTERCEPTION_MODE)
                .or_else(|| proxy_config.text("interceptionMode"))
                .unwrap_or("REDIRECT")
                .to_owned(),
            uid,
            gid,
            network,
            cluster_id: path_env(proxy_env::CLUSTER_ID),
            resources: resources(config, pod),
            proxy_config,
            own_proxy_config,
        })
    }

    /// Warnings of what the pod asks for without effect.
    pub fn warnings(&self, pod: &Value) -> Vec<String> {
        let annotation = |name| pod::annotation(pod, name);
        let has = |name| annotation(name).is_some();
        let dual_stack = self
            .proxy_config
            .proxy_metadata()
            .any(|(name, value)| name == "ISTIO_DUAL_STACK" && parse_bool(value) == Some(true));
        let dns_policy = pod["spec"]["dnsPolicy"].as_str().unwrap_or("ClusterFirst");
        [
            (
                annotation(annotations::NATIVE_SIDECAR).is_some_and(|value| !matches!(value, "true" | "false")),
                format!("annotation {:?} has no effect: its value is neither \"true\" nor \"false\"", annotations::NATIVE_SIDECAR),
            ),
            (
                has(annotations::PROXY_IMAGE_TYPE),
                format!("annotation {:?} has no effect: the proxy's image comes in one type", annotations::PROXY_IMAGE_TYPE),
            ),
            (
                has(annotations::AGENT_LOG_LEVEL),
                format!("annotation {:?} has no effect: there is no agent beside the proxy", annotations::AGENT_LOG_LEVEL),
            ),
            (
                dual_stack,
                "ISTIO_DUAL_STACK: dual stack is not supported by this version of Pillion; what comes and goes by IPv6 bypasses the sidecar, and its policies, where the pod has both families".to_owned(),
            ),
            (
                dns_policy != "ClusterFirst",
                format!("dnsPolicy is {dns_policy:?}, not \"ClusterFirst\": the sidecar may not resolve the mesh's services"),
            ),
        ]
        .into_iter()
        .filter(|(applies, _)| *applies)
        .map(|(_, warning)| warning)
        .chain(self.own_proxy_config.tracing_warnings())
        .collect()
    }

    /// The uid for the capture rules: root can't be exempted.
    pub fn capture_uid(&self) -> i64 {
        if self.uid == 0 { PROXY_ID } else { self.uid }
    }

    /// When the proxy counts as ready.
    pub fn readiness(config: &Config, pod: &Value) -> Readiness {
        let proxy = &config.values.proxy;
        let number = |name, default| {
            pod::annotation(pod, name)
                .and_then(|value| value.parse().ok())
                .unwrap_or(default)
        };
        Readiness {
            initial_delay_seconds: number(
                annotations::READINESS_INITIAL_DELAY,
                proxy.readiness_initial_delay_seconds,
            ),
            period_seconds: number(
                annotations::READINESS_PERIOD,
                proxy.readiness_period_seconds,
            ),
            failure_threshold: number(
                annotations::READINESS_FAILURES,
                proxy.readiness_failure_threshold,
            ),
        }
    }
}

/// The numbers of the proxy's readiness probe.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Readiness {
    initial_delay_seconds: u32,
    period_seconds: u32,
    failure_threshold: u32,
}

fn parse_proxy_config(text: &str) -> Result<ProxyConfig, AnnotationFault> {
    proxy_config_annotation::parse(text).map_err(|invalid| AnnotationFault::InvalidValue {
        annotation: annotations::PROXY_CONFIG,
        value: quote::excerpt(text, quote::VALUE).into_owned(),
        reason: invalid.to_string(),
    })
}

fn is_native(config: &Config, target: &Target<'_>) -> bool {
    match pod::annotation(target.pod, annotations::NATIVE_SIDECAR) {
        Some("true") => true,
        Some("false") => false,
        _ => match config.native_sidecars() {
            NativeSidecars::Auto => target.cluster_has_native_sidecars,
            NativeSidecars::Enabled => true,
            NativeSidecars::Disabled => false,
        },
    }
}

/// The uid and gid that the user's own `istio-proxy` runs with.
fn proxy_ids(pod: &Value) -> (i64, i64) {
    let context =
        pod::find_container(pod, pod::PROXY).map(|container| &container["securityContext"]);
    let id = |key: &str| context.and_then(|context| context[key].as_i64());
    let uid = id("runAsUser").unwrap_or(PROXY_ID);
    (uid, id("runAsGroup").unwrap_or(PROXY_ID))
}

/// The proxy's resources. One annotation replaces all of the configured ones: a limit
/// beside an unrelated default request could be refused.
fn resources(config: &Config, pod: &Value) -> Value {
    let part = |cpu, memory| {
        let quantities =
            [("cpu", cpu), ("memory", memory)]
                .into_iter()
                .filter_map(|(resource, name)| {
                    Some((resource.to_owned(), json!(pod::annotation(pod, name)?)))
                });
        Map::from_iter(quantities)
    };
    let requests = part(annotations::PROXY_CPU, annotations::PROXY_MEMORY);
    let limits = part(
        annotations::PROXY_CPU_LIMIT,
        annotations::PROXY_MEMORY_LIMIT,
    );
    if requests.is_empty() && limits.is_empty() {
        return config.values.proxy.resources.0.clone();
    }
    let parts = [("requests", requests), ("limits", limits)]
        .into_iter()
        .filter(|(_, part)| !part.is_empty())
        .map(|(name, part)| (name.to_owned(), Value::Object(part)));
    Value::Object(Map::from_iter(parts))
}
