//! Refuses a pod that is injected already, by Pillion or by Istio.
//!
//! A second injection would put the proxy among the containers it captures, and
//! the pod would crash in a loop long after anyone could see why.

use serde_json::Value;

use crate::{annotations::STATUS, pod, proxy_env, refusal::Refusal, target::Target};

/// Refuses a pod that is injected already.
pub(crate) fn check(target: &Target<'_>) -> Result<(), Refusal> {
    let pod = target.pod;
    let status = pod::annotation(pod, STATUS);
    let found = match status {
        Some(_) => containers(pod, pod::is_own),
        None => injected_containers(pod),
    };
    if status.is_none() && found.is_empty() {
        return Ok(());
    }
    Err(Refusal::AlreadyInjected(message(
        target,
        &found,
        status.is_some(),
    )))
}

/// The containers that look like an injection's, with or without a record.
pub(crate) fn injected_containers(pod: &Value) -> Vec<&str> {
    containers(pod, is_injected)
}

fn containers(pod: &Value, matches: impl Fn(&Value) -> bool) -> Vec<&str> {
    pod::containers(pod)
        .filter(|container| matches(container))
        .map(pod::name)
        .collect()
}

fn message(target: &Target<'_>, found: &[&str], has_record: bool) -> String {
    let namespace = target.namespace;
    let metadata = &target.pod["metadata"];
    let subject = match target.workload {
        Some(workload) => format!("{} {namespace}/{}", workload.kind, workload.name),
        None => {
            let name = metadata["name"]
                .as_str()
                .or_else(|| metadata["generateName"].as_str());
            format!("pod {namespace}/{}", name.unwrap_or("(unnamed)"))
        }
    };
    if found.is_empty() {
        return format!(
            "{subject} says that it is injected already: it has the annotation {STATUS:?}, but no \
             container of a sidecar. Remove the annotation from its template"
        );
    }
    let way_out = if has_record {
        "with `pillion kube-uninject -f FILE`"
    } else {
        "by hand, because the annotation sidecar.istio.io/status that would record it is missing"
    };
    format!(
        "{subject} is injected already: it has the container{} {}. Either take the sidecar out of the \
         manifest, {way_out}, and let the webhook inject it; or keep the manifest and keep \
         the webhook away: remove the label istio-injection or istio.io/rev from namespace {namespace:?}, or label the \
         pod sidecar.istio.io/inject: \"false\". If the manifest has no sidecar, more than one webhook selects its pods: \
         `pillion check-inject` tells which",
        if found.len() == 1 { "" } else { "s" },
        found.join(", ")
    )
}

/// Whether a container is what an injection leaves, and not the user's own part
/// of one (`image: auto`, or some fields to be laid over the injected ones).
fn is_injected(container: &Value) -> bool {
    if pod::has_no_image(container) {
        return false;
    }
    let argument = |index: usize| container["args"][index].as_str().unwrap_or_default();
    match pod::name(container) {
        pod::INIT | pod::VALIDATION => matches!(argument(0), "istio-iptables" | "init"),
        pod::PROXY => {
            let mode = if argument(0) == "proxy" {
                argument(1)
            } else {
                argument(0)
            };
            let has_env = |name| pod::named(pod::array(&container["env"]), name).is_some();
            matches!(mode, "sidecar" | "router" | "gateway")
                && (has_env(proxy_env::PROXY_CONFIG) || has_env(proxy_env::POD_PORTS))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refusal(pod: &Value) -> Option<String> {
        let target = Target {
            pod,
            namespace: "shop",
            workload: None,
            path_env: &[],
            cluster_has_native_sidecars: true,
        };
        check(&target).err().map(|refusal| refusal.to_string())
    }

    #[test]
    fn refuses_by_the_status_annotation_and_names_the_containers() {
        let message = refusal(
            &json!({"metadata": {"generateName": "web-", "annotations": {STATUS: "{}"}},
            "spec": {"initContainers": [{"name": "istio-init"}, {"name": "setup"}],
                     "containers": [{"name": "web"}, {"name": "istio-proxy"}]}}),
        )
        .unwrap();
        assert!(
            message.starts_with(
                "pod shop/web- is injected already: it has the containers istio-init, istio-proxy. "
            ),
            "{message}"
        );
        assert!(message.contains("pillion kube-uninject"), "{message}");
        assert!(message.contains("istio-injection"), "{message}");
    }

    #[test]
    fn refuses_a_sidecar_whose_status_annotation_was_lost() {
        let istio = json!({"metadata": {"name": "a"}, "spec": {"containers": [{"name": "istio-proxy",
            "image": "docker.io/istio/proxyv2:1.20", "args": ["proxy", "sidecar"], "env": [{"name": "PROXY_CONFIG"}]}]}});
        let message = refusal(&istio).unwrap();
        assert!(message.contains("the container istio-proxy."), "{message}");
        // Without the record that can't help.
        assert!(!message.contains("kube-uninject"), "{message}");
        let init = json!({"metadata": {"name": "a"}, "spec": {"containers": [{"name": "a"}],
            "initContainers": [{"name": "istio-init", "image": "x/y:1", "args": ["istio-iptables", "-p", "15001"]}]}});
        assert!(
            refusal(&init)
                .unwrap()
                .contains("the container istio-init.")
        );
    }

    #[test]
    fn refuses_a_stale_annotation_and_says_to_remove_it() {
        let message = refusal(
            &json!({"metadata": {"name": "a", "annotations": {STATUS: ""}},
            "spec": {"containers": [{"name": "a"}]}}),
        )
        .unwrap();
        assert!(message.contains("Remove the annotation"), "{message}");
    }

    #[test]
    fn lets_the_users_own_part_of_a_sidecar_pass() {
        for container in [
            json!({"name": "istio-proxy", "image": "auto"}),
            json!({"name": "istio-proxy", "resources": {}}),
            json!({"name": "istio-proxy", "image": "my/proxy:1", "args": ["--mine"]}),
            json!({"name": "istio-init", "image": "my/init:1", "args": ["my", "own"]}),
            json!({"name": "istio-proxy", "image": "auto", "args": ["proxy", "sidecar"], "env": [{"name": "PROXY_CONFIG"}]}),
        ] {
            let pod = json!({"metadata": {"name": "a"}, "spec": {"containers": [container]}});
            assert_eq!(refusal(&pod), None, "{pod}");
        }
    }
}
