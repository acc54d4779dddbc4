//! Why no discovery service answers.

use k8s_openapi::api::apps::v1::Deployment;
use kube::{Api, Client, ResourceExt, api::ListParams};

/// What the Deployments with these labels lack. `None` if they lack nothing, there are none, or
/// the user may not list them.
pub(super) async fn why(client: &Client, namespace: &str, labels: &str) -> Option<String> {
    let api: Api<Deployment> = Api::namespaced(client.clone(), namespace);
    let found = api.list(&ListParams::default().labels(labels)).await.ok()?;
    text(&found.items, namespace)
}

fn text(deployments: &[Deployment], namespace: &str) -> Option<String> {
    let lacking = deployments.iter().filter_map(|one| lack(one, namespace));
    let lacking: Vec<_> = lacking.collect();
    (!lacking.is_empty()).then(|| lacking.join("; "))
}

fn lack(deployment: &Deployment, namespace: &str) -> Option<String> {
    let name = deployment.name_any();
    let spec = deployment.spec.as_ref();
    let wanted = spec.and_then(|spec| spec.replicas).unwrap_or(1);
    let status = deployment.status.as_ref();
    let ready = status.and_then(|status| status.ready_replicas).unwrap_or(0);
    if wanted == 0 {
        return Some(format!(
            "the Deployment {name} is scaled to 0 pods: kubectl -n {namespace} scale deployment {name} --replicas 1"
        ));
    }
    (ready < wanted).then(|| {
        format!(
            "the Deployment {name} has {ready} of {wanted} ready pods: kubectl -n {namespace} describe deployment {name}"
        )
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn deployment(name: &str, wanted: i32, ready: Option<i32>) -> Deployment {
        serde_json::from_value(json!({
            "metadata": {"name": name},
            "spec": {"replicas": wanted, "selector": {}, "template": {}},
            "status": {"readyReplicas": ready},
        }))
        .unwrap()
    }

    #[test]
    fn says_how_many_pods_are_ready_and_what_to_look_at() {
        let down = [deployment("pillion-discovery", 1, None)];
        assert_eq!(
            text(&down, "istio-system").as_deref(),
            Some(
                "the Deployment pillion-discovery has 0 of 1 ready pods: kubectl -n istio-system describe deployment \
                 pillion-discovery"
            )
        );
    }

    #[test]
    fn says_that_one_is_scaled_to_nothing() {
        let text = text(&[deployment("pillion-discovery", 0, None)], "istio-system");
        let text = text.unwrap();
        assert!(text.contains("is scaled to 0 pods"), "{text}");
        assert!(text.ends_with("--replicas 1"), "{text}");
    }

    #[test]
    fn names_those_that_lack_pods_alone() {
        let all = [
            deployment("a", 2, Some(1)),
            deployment("b", 1, Some(1)),
            deployment("c", 1, Some(0)),
        ];
        let text = text(&all, "mesh").unwrap();
        assert!(text.contains("a has 1 of 2 ready pods"), "{text}");
        assert!(!text.contains("the Deployment b"), "{text}");
        assert!(text.contains("; the Deployment c has 0 of 1"), "{text}");
        assert_eq!(super::text(&all[1..2], "mesh"), None);
        assert_eq!(super::text(&[], "mesh"), None);
    }
}
