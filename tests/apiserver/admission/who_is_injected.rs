//! Which pods reach the injector: the selectors of the chart's webhooks, as the
//! API server evaluates them.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use pillion_envtest::ControlPlane;
use serde_json::{Map, Value, json};

use super::installation::{Installation, injected_by, pod};

const INJECT: &str = "sidecar.istio.io/inject";
const REVISION: &str = "istio.io/rev";

/// Labels of namespaces: `istio-injection`, then `istio.io/rev`.
const NAMESPACES: &[(Option<&str>, Option<&str>)] = &[
    (None, None),
    (Some("enabled"), None),
    (Some("disabled"), None),
    (Some("true"), None),
    (None, Some("default")),
    (None, Some("canary")),
    (None, Some("foreign")),
    (Some("enabled"), Some("canary")),
    (Some("disabled"), Some("default")),
];
/// Values of the pod's label `sidecar.istio.io/inject`.
const WISHES: &[Option<&str>] = &[None, Some("true"), Some("false"), Some("yes"), Some("")];
/// Values of the pod's label `istio.io/rev`.
const REVISIONS: &[Option<&str>] = &[None, Some("default"), Some("canary"), Some("foreign")];

/// Who injects a pod, written down from Istio's rules and not from the selectors.
fn expected(
    (injection, namespace_revision): (Option<&str>, Option<&str>),
    wish: Option<&str>,
    pod_revision: Option<&str>,
    namespaces_by_default: bool,
) -> Option<&'static str> {
    // Nobody injects a pod that does not want it.
    if wish == Some("false") {
        return None;
    }
    match (injection, namespace_revision) {
        // The older label belongs to the default revision, and wins over all about revisions.
        (Some("enabled"), _) => Some("default"),
        (Some(_), _) => None,
        // A namespace that has a revision passes over the pod's.
        (None, Some(revision)) => ours(revision),
        (None, None) => match (wish, pod_revision) {
            (_, Some(revision)) => ours(revision),
            (Some("true"), None) => Some("default"),
            (None, None) if namespaces_by_default => Some("default"),
            (_, None) => None,
        },
    }
}

/// A revision that is installed.
fn ours(revision: &str) -> Option<&'static str> {
    ["default", "canary"]
        .into_iter()
        .find(|installed| *installed == revision)
}

fn labels(pairs: &[(&'static str, Option<&'static str>)]) -> Vec<(&'static str, &'static str)> {
    pairs
        .iter()
        .filter_map(|(key, value)| Some((*key, (*value)?)))
        .collect()
}

fn labelled_pod(wish: Option<&'static str>, revision: Option<&'static str>) -> Value {
    let labels: Map<String, Value> = labels(&[(INJECT, wish), (REVISION, revision)])
        .into_iter()
        .map(|(key, value)| (key.to_owned(), json!(value)))
        .collect();
    pod(Value::Object(labels), json!({}))
}

/// Every combination of the labels, in the namespaces given with theirs.
async fn check_table(
    installation: &Installation,
    namespaces: &BTreeMap<String, (Option<&'static str>, Option<&'static str>)>,
    namespaces_by_default: bool,
) {
    let mut faults = Vec::new();
    let mut injected = 0;
    for (namespace, of_namespace) in namespaces {
        for &wish in WISHES {
            for &revision in REVISIONS {
                let pod = labelled_pod(wish, revision);
                let admitted = installation.pod(namespace, &pod).await;
                let found = injected_by(&admitted);
                let expected = expected(*of_namespace, wish, revision, namespaces_by_default);
                injected += usize::from(expected.is_some());
                if found != expected {
                    faults.push(format!(
                        "namespace {of_namespace:?}, inject {wish:?}, rev {revision:?}: {found:?} instead of {expected:?}"
                    ));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(injected > 0);
}

/// Whatever their labels say.
async fn check_exempt(installation: &Installation, names: &[&str]) {
    for name in names {
        check_not_injected(installation, name).await;
        label_for_injection(installation, name, true).await;
        // Admission sees labels a moment late, from one cache for webhooks and Pod Security.
        let opted_out = labelled_pod(Some("false"), None);
        crate::eventually("the API server sees the new labels", async || {
            let seen = installation.is_warned_of(name, &opted_out).await;
            seen.then_some(())
        })
        .await;
        check_not_injected(installation, name).await;
        label_for_injection(installation, name, false).await;
    }
}

async fn check_not_injected(installation: &Installation, namespace: &str) {
    for wish in [None, Some("true")] {
        let admitted = installation.pod(namespace, &labelled_pod(wish, None)).await;
        assert_eq!(injected_by(&admitted), None, "{namespace} {wish:?}");
    }
}

async fn label_for_injection(installation: &Installation, name: &str, labelled: bool) {
    let api: Api<Namespace> = Api::all(installation.client.clone());
    let patch = Patch::Merge(json!({"metadata": {"labels": {
        "istio-injection": labelled.then_some("enabled"),
        "pod-security.kubernetes.io/warn": labelled.then_some("restricted"),
    }}}));
    api.patch(name, &PatchParams::default(), &patch)
        .await
        .unwrap();
}

/// The default revision and a canary are cluster-wide, so one test has both. The
/// namespaces of the other tests carry the labels of their own revisions, and don't see it.
#[tokio::test(flavor = "multi_thread")]
async fn labels_of_namespace_and_pod_decide_who_injects() {
    let plane = ControlPlane::shared().await.unwrap();
    let (home, canary_home) = (
        plane.namespace("istio-default", &[]).await.unwrap(),
        plane.namespace("istio-canary", &[]).await.unwrap(),
    );
    let default = Installation::new(&home, "default", &[]).await;
    let _canary = Installation::new(&canary_home, "canary", &[]).await;
    let mut namespaces = BTreeMap::new();
    for &(injection, revision) in NAMESPACES {
        let labels = labels(&[("istio-injection", injection), (REVISION, revision)]);
        let name = plane.namespace("shop", &labels).await.unwrap();
        namespaces.insert(name, (injection, revision));
    }

    check_table(&default, &namespaces, false).await;
    check_exempt(&default, &[&home, "kube-system"]).await;

    let everywhere = "sidecarInjectorWebhook.enableNamespacesByDefault=true";
    default.upgrade(&["--set", everywhere]).await;
    let unlabelled = plane.namespace("shop", &[]).await.unwrap();
    crate::eventually("namespaces without labels are injected", async || {
        let pod = default
            .try_pod(&unlabelled, &labelled_pod(None, None))
            .await;
        injected_by(&pod.ok()?).map(|_| ())
    })
    .await;

    check_table(&default, &namespaces, true).await;
    let kubernetes = ["kube-system", "kube-public", "kube-node-lease"];
    check_exempt(&default, &[&[home.as_str()], &kubernetes[..]].concat()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_stands_for_its_revision() {
    let plane = ControlPlane::shared().await.unwrap();
    let home = plane.namespace("mesh", &[]).await.unwrap();
    let tag = format!("{home}-stable");
    let tags = format!("revisionTags={{{tag}}}");
    let installation = Installation::new(&home, &home, &["--set", &tags]).await;

    let tagged = plane.namespace("shop", &[(REVISION, &tag)]).await.unwrap();
    crate::eventually("the tag's webhooks are called", async || {
        let plain = labelled_pod(None, None);
        let admitted = installation.try_pod(&tagged, &plain).await.ok()?;
        (injected_by(&admitted)? == home).then_some(())
    })
    .await;
    let refuses = labelled_pod(Some("false"), None);
    let admitted = installation.pod(&tagged, &refuses).await;
    assert_eq!(injected_by(&admitted), None);

    // The revision's own name serves on beside the tag's.
    let named = installation.shop(&[]).await;
    let admitted = installation.pod(&named, &labelled_pod(None, None)).await;
    assert_eq!(injected_by(&admitted), Some(home.as_str()));
}
