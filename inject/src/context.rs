//! What the expressions of a template see. `docs/templates.md` lists it for users.

use minijinja::{Value as Context, context, value::Serde};
use serde::Serialize;
use serde_json::{Map, Value};

use super::{
    Config, Refusal, Target, Workload, annotations as names, capture, pod, settings::Settings,
    sizes,
};

/// The longest value of a label.
const LABEL_VALUE: usize = 63;

/// Builds the context for one pod.
///
/// # Errors
///
/// When the pod has more ports than an environment variable can hold.
pub(super) fn build(
    config: &Config,
    target: &Target<'_>,
    settings: &Settings,
) -> Result<Context, Refusal> {
    let pod = target.pod;
    let found;
    let workload = match target.workload {
        Some(workload) => workload,
        None => {
            found = Workload::of(pod);
            &found
        }
    };
    let metadata = &pod["metadata"];
    let pod_ports = pod_ports(pod)?;
    Ok(context! {
        annotations => map(&metadata["annotations"]),
        labels => map(&metadata["labels"]),
        namespace => target.namespace,
        revision => config.revision(),
        native => settings.native,
        hold => settings.hold,
        values => config.values_context.clone(),
        mesh => config.mesh.context.clone(),
        workload => context! {
            name => workload.name.as_str(),
            kind => workload.kind.as_str(),
            apiVersion => workload.api_version.as_str(),
            owner => workload.owner(target.namespace),
        },
        canonicalName => canonical(pod, &["service.istio.io/canonical-name", "app.kubernetes.io/name", "app"])
            .unwrap_or_else(|| label_value(&workload.name)),
        canonicalRevision => canonical(pod, &["service.istio.io/canonical-revision", "app.kubernetes.io/version", "version"])
            .unwrap_or_else(|| "latest".to_owned()),
        workloadName => pod::label(pod, "service.istio.io/workload-name").unwrap_or(workload.name.as_str()),
        defaultContainer => pod::app_containers(pod).next().map(pod::name),
        appContainers => pod::app_containers(pod).map(pod::name).collect::<Vec<_>>().join(","),
        podPorts => pod_ports,
        network => settings.network.as_deref(),
        clusterId => settings.cluster_id.as_deref(),
        proxy => proxy(config, pod, settings),
        init => init(config, pod, settings),
        imagePullSecrets => config.values.image_pull_secrets.iter()
            .map(|name| context! { name => name.as_str() }).collect::<Vec<_>>(),
        userVolumes => by_name(pod, names::USER_VOLUME),
        userVolumeMounts => by_name(pod, names::USER_VOLUME_MOUNT),
    })
}

fn proxy(config: &Config, pod: &Value, settings: &Settings) -> Context {
    let values = &config.values.proxy;
    let annotation = |name| pod::annotation(pod, name);
    context! {
        image => Settings::images(config, pod).0,
        imagePullPolicy => pull_policy(config),
        uid => settings.uid,
        gid => settings.gid,
        statusPort => settings.status_port,
        logLevel => annotation(names::LOG_LEVEL).unwrap_or(values.log_level.as_str()),
        componentLogLevel => annotation(names::COMPONENT_LOG_LEVEL).unwrap_or(values.component_log_level.as_str()),
        interceptionMode => settings.interception_mode.as_str(),
        resources => Context::from(Serde(&settings.resources)),
        config => settings.proxy_config.to_json(),
        discoveryAddress => settings.proxy_config.text("discoveryAddress"),
        metadata => settings.proxy_config.proxy_metadata()
            .map(|(name, value)| context! { name => name, value => value }).collect::<Vec<_>>(),
        readiness => Context::from(Serde(Settings::readiness(config, pod))),
    }
}

fn init(config: &Config, pod: &Value, settings: &Settings) -> Context {
    context! {
        image => Settings::images(config, pod).1,
        imagePullPolicy => pull_policy(config),
        runAsRoot => config.values.init.run_as_root,
        captureArguments => capture::arguments(&config.values.proxy.capture, settings, pod),
    }
}

/// `none` leaves the choice to Kubernetes.
fn pull_policy(config: &Config) -> Option<&str> {
    Some(config.values.image_pull_policy.as_str()).filter(|policy| !policy.is_empty())
}

fn map(value: &Value) -> Context {
    match value {
        Value::Object(_) => Context::from(Serde(value)),
        _ => Context::from(Serde(Map::new())),
    }
}

/// The first of the labels that is there and not empty, as a label's value.
fn canonical(pod: &Value, labels: &[&str]) -> Option<String> {
    let mut values = labels.iter().filter_map(|label| pod::label(pod, label));
    let value = values.find(|value| !value.is_empty())?;
    Some(label_value(value))
}

/// Cut to what a label may hold; it has to end in a letter or digit.
fn label_value(text: &str) -> String {
    text.chars()
        .take(LABEL_VALUE)
        .collect::<String>()
        .trim_matches(['-', '_', '.'])
        .to_owned()
}

/// A port as `ISTIO_META_POD_PORTS` has it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PodPort<'a> {
    #[serde(skip_serializing_if = "Value::is_null")]
    container_port: &'a Value,
    #[serde(skip_serializing_if = "Value::is_null")]
    host_port: &'a Value,
    #[serde(skip_serializing_if = "Value::is_null")]
    name: &'a Value,
    #[serde(skip_serializing_if = "Value::is_null")]
    protocol: &'a Value,
}

/// The ports of the app, as JSON for `ISTIO_META_POD_PORTS`.
fn pod_ports(pod: &Value) -> Result<String, Refusal> {
    let ports: Vec<_> = pod::app_containers(pod)
        .flat_map(|container| pod::array(&container["ports"]))
        .map(|port| PodPort {
            container_port: &port["containerPort"],
            host_port: &port["hostPort"],
            name: &port["name"],
            protocol: &port["protocol"],
        })
        .collect();
    sizes::variable("ISTIO_META_POD_PORTS", &ports)
}

/// An annotation of volumes or mounts, as a list of objects.
fn by_name(pod: &Value, annotation: &str) -> Context {
    let objects = pod::annotation(pod, annotation).and_then(names::by_name);
    Context::from(Serde(objects.unwrap_or_default()))
}
