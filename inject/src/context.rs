//! What the expressions of a template see. `docs/templates.md` lists it for users.

use minijinja::{Value as Context, context, value::Serde};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::{
    annotations,
    capture::{CapturingProxy, PodCapture},
    config::Config,
    images::Images,
    pod, proxy_env,
    refusal::Refusal,
    settings::Settings,
    sizes,
    target::Target,
    user_volumes,
    workload::Workload,
};

/// Builds the context for one pod.
///
/// # Errors
///
/// When the pod has more ports than an environment variable can hold.
pub(crate) fn build(
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
    let images = Images::of(pod, &config.values);
    let canonical = |labels: &[&str]| pod::first_label(pod, labels).map(pod::label_value);
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
        canonicalName => canonical(&["service.istio.io/canonical-name", "app.kubernetes.io/name", "app"])
            .unwrap_or_else(|| pod::label_value(&workload.name)),
        canonicalRevision => canonical(&["service.istio.io/canonical-revision", "app.kubernetes.io/version", "version"])
            .unwrap_or("latest"),
        workloadName => pod::label(pod, "service.istio.io/workload-name").unwrap_or(workload.name.as_str()),
        defaultContainer => pod::app_containers(pod).next().map(pod::name),
        appContainers => pod::app_containers(pod).map(pod::name).collect::<Vec<_>>().join(","),
        podPorts => pod_ports,
        network => settings.network.as_deref(),
        clusterId => settings.cluster_id.as_deref(),
        proxy => proxy(config, pod, settings, &images),
        init => init(config, pod, settings, &images),
        imagePullSecrets => config.values.image_pull_secrets.iter()
            .map(|name| context! { name => name.as_str() }).collect::<Vec<_>>(),
        userVolumes => objects(pod, annotations::USER_VOLUME),
        userVolumeMounts => objects(pod, annotations::USER_VOLUME_MOUNT),
    })
}

fn proxy(config: &Config, pod: &Value, settings: &Settings, images: &Images) -> Context {
    let values = &config.values.proxy;
    let annotation = |name| pod::annotation(pod, name);
    context! {
        image => images.proxy.as_str(),
        imagePullPolicy => pull_policy(config),
        uid => settings.uid,
        gid => settings.gid,
        statusPort => settings.status_port,
        logLevel => annotation(annotations::LOG_LEVEL).unwrap_or(values.log_level.as_str()),
        componentLogLevel => annotation(annotations::COMPONENT_LOG_LEVEL).unwrap_or(values.component_log_level.as_str()),
        interceptionMode => settings.interception_mode.as_str(),
        resources => Context::from(Serde(&settings.resources)),
        config => settings.proxy_config.to_json(),
        discoveryAddress => settings.proxy_config.text("discoveryAddress"),
        metadata => settings.proxy_config.proxy_metadata()
            .map(|(name, value)| context! { name => name, value => value }).collect::<Vec<_>>(),
        readiness => Context::from(Serde(Settings::readiness(config, pod))),
    }
}

fn init(config: &Config, pod: &Value, settings: &Settings, images: &Images) -> Context {
    let capture = PodCapture::new(pod, &config.values.proxy.capture);
    let proxy = CapturingProxy {
        interception_mode: &settings.interception_mode,
        uid: settings.capture_uid(),
        status_port: settings.status_port,
    };
    context! {
        image => images.init.as_str(),
        imagePullPolicy => pull_policy(config),
        runAsRoot => config.values.init.run_as_root,
        captureArguments => capture.arguments(proxy),
    }
}

/// The pull policy of the injection's images; `none` leaves the choice to Kubernetes.
fn pull_policy(config: &Config) -> Option<&str> {
    Some(config.values.image_pull_policy.as_str()).filter(|policy| !policy.is_empty())
}

fn map(value: &Value) -> Context {
    match value {
        Value::Object(_) => Context::from(Serde(value)),
        _ => Context::from(Serde(Map::new())),
    }
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
    sizes::variable(proxy_env::POD_PORTS, &ports)
}

/// The objects of an annotation of volumes or mounts.
fn objects(pod: &Value, annotation: &str) -> Context {
    let objects = pod::annotation(pod, annotation).and_then(user_volumes::parse);
    Context::from(Serde(objects.unwrap_or_default()))
}
