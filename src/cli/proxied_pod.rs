//! Finding a pod by the name that is given, and checking that it has a proxy that runs.

use std::fmt;

use anyhow::{Context, anyhow, bail};
use k8s_openapi::api::core::v1::{ContainerState, ContainerStatus, Pod};
use kube::{
    Api, Client, ResourceExt,
    api::{DynamicObject, ListParams},
};
use serde_json::Value;

use super::workload;
use crate::{cluster::is_forbidden, text::printable};

/// The container of sidecars and gateways.
const CONTAINER: &str = "istio-proxy";

/// The name of a pod.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PodName {
    pub namespace: String,
    pub name: String,
}

impl PodName {
    /// As `proxy-status` has it: `NAME.NAMESPACE`.
    pub fn dotted(&self) -> String {
        format!("{}.{}", self.name, self.namespace)
    }
}

impl fmt::Display for PodName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// What `POD` or `POD.NAMESPACE` may mean, the likelier first.
fn candidates(given: &str, default_namespace: &str) -> Vec<PodName> {
    let whole = PodName {
        namespace: default_namespace.to_owned(),
        name: given.to_owned(),
    };
    let parts = given.rsplit_once('.').map(|(name, namespace)| PodName {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    });
    parts.into_iter().chain([whole]).collect()
}

/// Finds the pod and checks that its proxy runs.
///
/// # Errors
///
/// Returns an error if there is no such pod, it may not be read, it has no proxy, or that does
/// not run.
pub(super) async fn find(
    client: &Client,
    given: &str,
    default_namespace: &str,
) -> anyhow::Result<PodName> {
    if let Some((kind, name)) = given.split_once('/') {
        return of_workload(client, kind, name, default_namespace).await;
    }
    let candidates = candidates(given, default_namespace);
    let mut forbidden = None;
    for name in &candidates {
        let api: Api<Pod> = Api::namespaced(client.clone(), &name.namespace);
        match api.get_opt(&name.name).await {
            Ok(Some(pod)) => {
                check(&pod, name)?;
                return Ok(name.clone());
            }
            Ok(None) => {}
            // What is behind the dot may not be a namespace at all.
            Err(error) if is_forbidden(&error) => forbidden = Some((error, name)),
            Err(error) => return Err(error).with_context(|| cannot_read(name)),
        }
    }
    if let Some((error, name)) = forbidden {
        return Err(error).with_context(|| cannot_read(name));
    }
    let names: Vec<_> = candidates.iter().map(ToString::to_string).collect();
    bail!(
        "there is no pod {}; give it as POD.NAMESPACE, or name its namespace with -n",
        names.join(" or ")
    );
}

fn cannot_read(name: &PodName) -> String {
    format!("cannot read the pod {name}")
}

/// Finds a pod of a workload whose proxy runs.
async fn of_workload(
    client: &Client,
    kind: &str,
    name: &str,
    namespace: &str,
) -> anyhow::Result<PodName> {
    let resource = workload::resource(kind)?;
    let kind = resource.kind.clone();
    let workload = format!("the {kind} {namespace}/{name}");
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource);
    let found = api.get_opt(name).await;
    let found = found.with_context(|| format!("cannot read {workload}"))?;
    let found = found.with_context(|| format!("there is no {kind} {namespace}/{name}"))?;
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let pods = if kind == "Pod" {
        pods.get_opt(name).await?.into_iter().collect()
    } else {
        let labels = selector(&found.data);
        let labels = labels.with_context(|| {
            format!("{workload} does not select its pods by labels alone: name a pod")
        })?;
        let found = pods.list(&ListParams::default().labels(&labels)).await;
        let found = found.with_context(|| format!("cannot list the pods of {workload}"))?;
        found.items
    };
    let mut failure = None;
    for pod in pods {
        let name = PodName {
            namespace: namespace.to_owned(),
            name: pod.name_any(),
        };
        match check(&pod, &name) {
            Ok(()) => return Ok(name),
            Err(error) => failure = Some(error),
        }
    }
    Err(failure.unwrap_or_else(|| anyhow!("{workload} has no pods")))
}

/// The labels by which a workload selects its pods; `None` if it selects them otherwise.
fn selector(workload: &Value) -> Option<String> {
    let selector = workload["spec"]["selector"].as_object()?;
    if selector.contains_key("matchExpressions") {
        return None;
    }
    // A ReplicationController has the labels themselves.
    let labels = match selector.get("matchLabels") {
        Some(labels) => labels.as_object()?,
        None => selector,
    };
    let labels = labels
        .iter()
        .map(|(name, value)| Some(format!("{name}={}", value.as_str()?)));
    let labels: Vec<_> = labels.collect::<Option<_>>()?;
    (!labels.is_empty()).then(|| labels.join(","))
}

/// Checks that a pod has a proxy that runs.
///
/// # Errors
///
/// Returns an error that says why not.
pub(super) fn check(pod: &Pod, name: &PodName) -> anyhow::Result<()> {
    let spec = pod.spec.as_ref();
    let containers = spec
        .map(|spec| spec.containers.as_slice())
        .unwrap_or_default();
    let native = spec.and_then(|spec| spec.init_containers.as_deref());
    let mut all = containers.iter().chain(native.unwrap_or_default());
    if !all.any(|container| container.name == CONTAINER) {
        bail!(
            "the pod {name} has no container {CONTAINER}: it has no sidecar. pillion check-inject {} -n {} says why",
            name.name,
            name.namespace
        );
    }
    let status = pod.status.as_ref();
    let containers = status.and_then(|status| status.container_statuses.as_deref());
    let native = status.and_then(|status| status.init_container_statuses.as_deref());
    let mut all = containers.into_iter().chain(native).flatten();
    let proxy = all.find(|container| container.name == CONTAINER);
    if let Some(why) = not_running(proxy) {
        let phase = status.and_then(|status| status.phase.as_deref());
        bail!(
            "the proxy of the pod {name} does not run: {why} (the pod is {})",
            phase.unwrap_or("not scheduled yet")
        );
    }
    Ok(())
}

/// Whether a pod's proxy is a gateway: our proxy's arguments begin with `gateway` then, those of Istio's
/// with `proxy router`.
pub(super) fn is_gateway(pod: &Pod) -> bool {
    let containers = pod.spec.iter().flat_map(|spec| {
        let native = spec.init_containers.iter().flatten();
        spec.containers.iter().chain(native)
    });
    let mut proxies = containers.filter(|container| container.name == CONTAINER);
    proxies.any(|proxy| {
        let mut arguments = proxy.args.iter().flatten().take(2);
        arguments.any(|argument| argument == "gateway" || argument == "router")
    })
}

/// Why a container does not run; `None` if it does.
fn not_running(container: Option<&ContainerStatus>) -> Option<String> {
    let state = container.and_then(|container| container.state.as_ref());
    let Some(ContainerState {
        running,
        waiting,
        terminated,
    }) = state
    else {
        return Some("it has not started yet".to_owned());
    };
    if running.is_some() {
        return None;
    }
    let text = |reason: Option<&String>, message: Option<&String>| {
        let parts: Vec<_> = reason
            .into_iter()
            .chain(message)
            .map(String::as_str)
            .collect();
        printable(&parts.join(": "))
    };
    Some(match (waiting, terminated) {
        (_, Some(ended)) => format!(
            "it ended with the exit code {} ({})",
            ended.exit_code,
            text(ended.reason.as_ref(), ended.message.as_ref())
        ),
        (Some(waiting), None) => {
            let why = text(waiting.reason.as_ref(), waiting.message.as_ref());
            format!("it waits: {why}")
        }
        (None, None) => "it has not started yet".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn checked(containers: Value, status: Value) -> Result<(), String> {
        let pod = json!({"metadata": {"name": "web"}, "spec": containers, "status": status});
        let pod: Pod = serde_json::from_value(pod).unwrap();
        let name = PodName {
            namespace: "shop".to_owned(),
            name: "web".to_owned(),
        };
        check(&pod, &name).map_err(|error| error.to_string())
    }

    #[test]
    fn a_name_may_have_its_namespace_behind_a_dot() {
        let found: Vec<_> = candidates("web-1.shop", "default")
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(found, ["shop/web-1", "default/web-1.shop"]);
        assert_eq!(candidates("web-1", "default").len(), 1);
    }

    #[test]
    fn a_workload_selects_pods_by_labels() {
        let with = |selector: Value| selector_of(&selector);
        let labels = json!({"matchLabels": {"app": "web", "v": "1"}});
        assert_eq!(with(labels).as_deref(), Some("app=web,v=1"));
        assert_eq!(with(json!({"app": "web"})).as_deref(), Some("app=web"));
        let expressions = json!({"matchLabels": {"app": "web"}, "matchExpressions": []});
        for none in [expressions, json!({}), Value::Null] {
            assert_eq!(with(none), None);
        }
    }

    fn selector_of(selector: &Value) -> Option<String> {
        super::selector(&json!({"spec": {"selector": selector}}))
    }

    #[test]
    fn a_pod_without_a_proxy_is_refused() {
        let spec = json!({"containers": [{"name": "app"}]});
        let error = checked(spec, json!({"phase": "Running"})).unwrap_err();
        assert!(error.contains("has no sidecar"), "{error}");
    }

    #[test]
    fn a_native_sidecar_is_a_proxy() {
        let spec =
            json!({"containers": [{"name": "app"}], "initContainers": [{"name": "istio-proxy"}]});
        let status = json!({"phase": "Running", "initContainerStatuses": [
            {"name": "istio-proxy", "image": "", "imageID": "", "ready": true, "restartCount": 0,
             "state": {"running": {}}}]});
        assert_eq!(checked(spec, status), Ok(()));
    }

    #[test]
    fn a_gateway_is_known_by_its_arguments() {
        let is_gateway = |spec: Value| {
            let pod = json!({"metadata": {"name": "web"}, "spec": spec});
            is_gateway(&serde_json::from_value(pod).unwrap())
        };
        let with = |arguments: &[&str]| json!([{"name": "istio-proxy", "args": arguments}]);
        for arguments in [&["gateway", "--x"][..], &["proxy", "router"]] {
            assert!(is_gateway(json!({"containers": with(arguments)})));
        }
        let app = json!([{"name": "app", "args": ["gateway"]}]);
        for containers in [
            with(&["sidecar"]),
            with(&["proxy", "sidecar", "router"]),
            app,
        ] {
            assert!(
                !is_gateway(json!({"containers": containers})),
                "{containers}"
            );
        }
        let native = json!({"containers": [{"name": "app"}], "initContainers": with(&["sidecar"])});
        assert!(!is_gateway(native));
    }

    #[test]
    fn says_why_a_proxy_does_not_run() {
        let spec = json!({"containers": [{"name": "istio-proxy"}]});
        let status = |state: Value| {
            json!({"phase": "Pending", "containerStatuses": [
                {"name": "istio-proxy", "image": "", "imageID": "", "ready": false,
                 "restartCount": 0, "state": state}]})
        };
        let waits =
            status(json!({"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}));
        let error = checked(spec.clone(), waits).unwrap_err();
        assert!(
            error.contains("it waits: ImagePullBackOff: no such image"),
            "{error}"
        );
        let ended = status(json!({"terminated": {"exitCode": 137, "reason": "OOMKilled"}}));
        let error = checked(spec.clone(), ended).unwrap_err();
        assert!(error.contains("exit code 137 (OOMKilled)"), "{error}");
        let error = checked(spec, json!({"phase": "Pending"})).unwrap_err();
        assert!(error.contains("not started"), "{error}");
    }
}
