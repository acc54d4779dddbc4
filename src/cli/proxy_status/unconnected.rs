//! Proxies that run, and that no replica knows.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Client, ResourceExt, api::ListParams};
use pillion_inject::STATUS;
use serde_json::Value;

use crate::{
    cli::proxied_pod::{self, PodName},
    text::plural,
};

/// The label of gateways' and of the discovery service's pods that names their revision.
pub(super) const REVISION: &str = "istio.io/rev";
/// How many pods are listed at a time.
const PAGE: u32 = 500;
/// How many proxies are named.
const NAMED: usize = 10;

/// The pods of these revisions whose proxies run, of all namespaces or of one. `None` if they can't
/// be listed: this is no more than an addition, and not everyone may.
pub(super) async fn running(
    client: &Client,
    namespace: Option<&str>,
    revisions: &BTreeSet<&str>,
) -> Option<Vec<PodName>> {
    let api: Api<Pod> = match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    };
    let mut page = ListParams::default().fields("status.phase=Running");
    page.limit = Some(PAGE);
    let mut found = Vec::new();
    loop {
        let pods = api.list(&page).await.ok()?;
        found.extend(pods.items.iter().filter_map(|pod| proxied(pod, revisions)));
        match pods.metadata.continue_ {
            Some(next) if !next.is_empty() => page.continue_token = Some(next),
            _ => return Some(found),
        }
    }
}

/// The pod's name, if its proxy runs, is not about to end, and is of one of these revisions.
fn proxied(pod: &Pod, revisions: &BTreeSet<&str>) -> Option<PodName> {
    let name = PodName {
        namespace: pod.namespace()?,
        name: pod.name_any(),
    };
    let is_expected = pod.metadata.deletion_timestamp.is_none()
        && revisions.contains(&*revision(pod)?)
        && proxied_pod::check(pod, &name).is_ok();
    is_expected.then_some(name)
}

/// The revision that has injected a pod, or that a gateway belongs to.
fn revision(pod: &Pod) -> Option<String> {
    let injected = pod.annotations().get(STATUS).and_then(|status| {
        let status: Value = serde_json::from_str(status).ok()?;
        Some(status["revision"].as_str()?.to_owned())
    });
    injected.or_else(|| pod.labels().get(REVISION).cloned())
}

/// Says which of the proxies that run are not among those that are connected (`NAME.NAMESPACE`).
pub(super) fn text(mut running: Vec<PodName>, connected: &BTreeSet<&str>) -> Option<String> {
    running.retain(|pod| !connected.contains(&*pod.dotted()));
    running.sort();
    if running.is_empty() {
        return None;
    }
    let named: Vec<_> = running.iter().take(NAMED).map(PodName::dotted).collect();
    let more = match running.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let (are, is) = if running.len() == 1 {
        ("is", "it is")
    } else {
        ("are", "they are")
    };
    Some(format!(
        "{} {are} not connected: {}{more}. After discovery has restarted, a proxy takes up to 15 s to connect again; if {is} \
         still missing then, see the proxy's log",
        plural(running.len(), "running proxy"),
        named.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A pod of the namespace `shop` whose proxy runs, with more metadata.
    fn pod(name: &str, metadata: Value) -> Pod {
        let mut pod = json!({
            "metadata": metadata,
            "spec": {"containers": [{"name": "istio-proxy"}]},
            "status": {"phase": "Running", "containerStatuses": [
                {"name": "istio-proxy", "image": "", "imageID": "", "ready": false, "restartCount": 0,
                 "state": {"running": {}}}]},
        });
        pod["metadata"]["name"] = name.into();
        pod["metadata"]["namespace"] = "shop".into();
        serde_json::from_value(pod).unwrap()
    }

    fn injected(revision: &str) -> Value {
        let status = json!({"containers": ["istio-proxy"], "revision": revision}).to_string();
        json!({"annotations": {STATUS: status}})
    }

    fn is_expected(pod: &Pod) -> bool {
        proxied(pod, &BTreeSet::from(["default"])).is_some()
    }

    #[test]
    fn injected_pods_and_gateways_of_the_revision_are_expected() {
        assert!(is_expected(&pod("web", injected("default"))));
        let gateway = json!({"labels": {REVISION: "default"}});
        assert!(is_expected(&pod("gateway", gateway)));
    }

    #[test]
    fn pods_of_others_without_a_proxy_or_about_to_end_are_not_expected() {
        assert!(!is_expected(&pod("of-istio", injected("istio"))));
        assert!(!is_expected(&pod("by-hand", json!({}))));
        let mut ending = injected("default");
        ending["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
        assert!(!is_expected(&pod("ending", ending)));
        let mut plain = pod("plain", injected("default"));
        plain.spec.as_mut().unwrap().containers[0].name = "app".to_owned();
        assert!(!is_expected(&plain));
        let mut waiting = pod("waiting", injected("default"));
        waiting.status.as_mut().unwrap().container_statuses = None;
        assert!(!is_expected(&waiting));
    }

    fn names(count: usize) -> Vec<PodName> {
        let name = |number| PodName {
            namespace: "shop".to_owned(),
            name: format!("web-{number:02}"),
        };
        (0..count).rev().map(name).collect()
    }

    #[test]
    fn names_the_proxies_that_are_missing() {
        let connected = BTreeSet::from(["web-01.shop"]);
        let said = text(names(3), &connected).unwrap();
        let start = "2 running proxies are not connected: web-00.shop, web-02.shop. ";
        assert!(said.starts_with(start), "{said}");
        let said = text(names(2), &connected).unwrap();
        let start = "1 running proxy is not connected: web-00.shop. ";
        assert!(said.starts_with(start), "{said}");
        assert_eq!(text(Vec::new(), &connected), None);
    }

    #[test]
    fn names_a_few_of_many() {
        let said = text(names(25), &BTreeSet::new()).unwrap();
        assert!(said.contains("web-09.shop and 15 more. "), "{said}");
        assert!(!said.contains("web-10"), "{said}");
    }
}
