//! What the annotations, the mesh and the values come to for one pod.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{
    Config, NativeSidecars, Refusal, Target,
    annotations::{self as names, parse_proxy_config},
    checks::parse_bool,
    config::ProxyConfig,
    pod,
};

/// The uid and gid that the capture rules leave alone, unless the pod says otherwise.
const PROXY_ID: i64 = 1337;

/// The effective settings of one pod.
#[derive(Debug)]
pub(super) struct Settings {
    pub native: bool,
    pub hold: bool,
    pub status_port: u16,
    pub rewrite_probes: bool,
    pub merge_metrics: bool,
    pub proxy_config: ProxyConfig,
    /// The pod's part of `proxy_config`.
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
        let own_proxy_config = match annotation(names::PROXY_CONFIG) {
            Some(text) => parse_proxy_config(text)
                .map_err(|fault| Refusal::InvalidAnnotations(vec![fault]))?,
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
            .or_else(|| path_env("ISTIO_META_NETWORK"))
            .or_else(|| Some(values.network.clone()))
            .filter(|network| !network.is_empty());
        Ok(Self {
            native: is_native(config, target),
            hold: values.proxy.hold_application_until_proxy_starts
                || proxy_config.flag("holdApplicationUntilProxyStarts"),
            status_port: annotation(names::STATUS_PORT)
                .and_then(|port| port.parse().ok())
                .or_else(|| proxy_config.status_port())
                .unwrap_or(values.proxy.status_port),
            rewrite_probes: annotation(names::REWRITE_PROBES)
                .and_then(parse_bool)
                .unwrap_or(values.rewrite_app_http_probe),
            merge_metrics: annotation(names::MERGE_METRICS)
                .and_then(parse_bool)
                .unwrap_or(config.mesh.prometheus_merge),
            interception_mode: annotation(names::INTERCEPTION_MODE)
                .or_else(|| proxy_config.text("interceptionMode"))
                .unwrap_or("REDIRECT")
                .to_owned(),
            uid,
            gid,
            network,
            cluster_id: path_env("ISTIO_META_CLUSTER_ID"),
            resources: resources(config, pod),
            proxy_config,
            own_proxy_config,
        })
    }

    /// What the pod asks for without effect, for the review's warnings.
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
                annotation(names::NATIVE_SIDECAR).is_some_and(|value| !matches!(value, "true" | "false")),
                format!("annotation {:?} has no effect: its value is neither \"true\" nor \"false\"", names::NATIVE_SIDECAR),
            ),
            (
                has(names::PROXY_IMAGE_TYPE),
                format!("annotation {:?} has no effect: the proxy's image comes in one type", names::PROXY_IMAGE_TYPE),
            ),
            (
                has(names::AGENT_LOG_LEVEL),
                format!("annotation {:?} has no effect: there is no agent beside the proxy", names::AGENT_LOG_LEVEL),
            ),
            (
                dual_stack,
                "ISTIO_DUAL_STACK has no effect: dual stack is not supported by this version of Pillion".to_owned(),
            ),
            (
                dns_policy != "ClusterFirst",
                format!("dnsPolicy is {dns_policy:?}, not \"ClusterFirst\": the sidecar may not resolve the mesh's services"),
            ),
        ]
        .into_iter()
        .filter(|(applies, _)| *applies)
        .map(|(_, warning)| warning)
        .collect()
    }

    /// The uid for the capture rules: root can't be exempted.
    pub fn capture_uid(&self) -> i64 {
        if self.uid == 0 { PROXY_ID } else { self.uid }
    }

    /// The images of the proxy and of the init container.
    pub fn images(config: &Config, pod: &Value) -> (String, String) {
        let values = &config.values;
        let whole = pod::annotation(pod, names::PROXY_IMAGE).filter(|image| image.contains('/'));
        let image = |name: &str| match whole {
            Some(image) => image.to_owned(),
            None if name.contains('/') => name.to_owned(),
            None => format!("{}/{name}:{}", values.hub, values.tag),
        };
        (image(&values.proxy.image), image(&values.init.image))
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
                names::READINESS_INITIAL_DELAY,
                proxy.readiness_initial_delay_seconds,
            ),
            period_seconds: number(names::READINESS_PERIOD, proxy.readiness_period_seconds),
            failure_threshold: number(names::READINESS_FAILURES, proxy.readiness_failure_threshold),
        }
    }
}

/// What the pod asks for and Pillion does not have.
pub(super) fn unsupported(pod: &Value, interception_mode: &str) -> Vec<String> {
    let annotation = |name| pod::annotation(pod, name);
    let asks = |name| annotation(name).and_then(parse_bool) == Some(true);
    let mut faults = Vec::new();
    if interception_mode == "TPROXY" {
        faults.push(
            "interception mode TPROXY is not supported by this version of Pillion; use REDIRECT"
                .to_owned(),
        );
    }
    for (asked, name, way_out) in [
        (
            annotation(names::BOOTSTRAP_OVERRIDE).is_some(),
            names::BOOTSTRAP_OVERRIDE,
            "the proxy is not Envoy and has no bootstrap; remove the annotation",
        ),
        (
            asks(names::CAP_NET_BIND_SERVICE),
            names::CAP_NET_BIND_SERVICE,
            "set the pod's sysctl net.ipv4.ip_unprivileged_port_start instead",
        ),
        (
            asks(names::ENABLE_CORE_DUMP),
            names::ENABLE_CORE_DUMP,
            "core dumps can't be switched on; remove the annotation",
        ),
    ] {
        if asked {
            faults.push(format!("annotation {name:?} is not supported: {way_out}"));
        }
    }
    faults
}

/// The numbers of the proxy's readiness probe.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Readiness {
    initial_delay_seconds: u32,
    period_seconds: u32,
    failure_threshold: u32,
}

fn is_native(config: &Config, target: &Target<'_>) -> bool {
    match pod::annotation(target.pod, names::NATIVE_SIDECAR) {
        Some("true") => true,
        Some("false") => false,
        _ => match config.native_sidecars() {
            NativeSidecars::Auto => target.cluster_has_native_sidecars,
            NativeSidecars::Enabled => true,
            NativeSidecars::Disabled => false,
        },
    }
}

/// The ids that the user's own `istio-proxy` runs with.
fn proxy_ids(pod: &Value) -> (i64, i64) {
    let context =
        pod::find_container(pod, pod::PROXY).map(|container| &container["securityContext"]);
    let id = |key: &str| context.and_then(|context| context[key].as_i64());
    let uid = id("runAsUser").unwrap_or(PROXY_ID);
    (uid, id("runAsGroup").unwrap_or(PROXY_ID))
}

/// One resource annotation switches the configured resources off as a whole:
/// a limit beside an unrelated default request could be refused.
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
    let requests = part(names::PROXY_CPU, names::PROXY_MEMORY);
    let limits = part(names::PROXY_CPU_LIMIT, names::PROXY_MEMORY_LIMIT);
    if requests.is_empty() && limits.is_empty() {
        return config.values.proxy.resources.0.clone();
    }
    let parts = [("requests", requests), ("limits", limits)]
        .into_iter()
        .filter(|(_, part)| !part.is_empty())
        .map(|(name, part)| (name.to_owned(), Value::Object(part)));
    Value::Object(Map::from_iter(parts))
}
