//! A manifest that was injected by hand, in a namespace that is injected, too.

use k8s_openapi::api::core::v1::{Event, Pod};
use kube::{
    Api,
    api::{ListParams, ObjectList},
};
use serde_json::{Value, json};

use super::installation::{Installation, injected_by, names, stdout};

const DEPLOYMENT: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: reviews
spec:
  selector:
    matchLabels: {app: reviews}
  template:
    metadata:
      labels: {app: reviews}
    spec:
      containers:
        - name: reviews
          image: reviews:1
";

const POD: &str = "\
apiVersion: v1
kind: Pod
metadata:
  name: reviews
spec:
  containers:
    - name: reviews
      image: reviews:1
";

/// What the ReplicaSets of a namespace have to say about pods that can't be created.
async fn failures(installation: &Installation, namespace: &str) -> Vec<String> {
    let api: Api<Event> = Api::namespaced(installation.client.clone(), namespace);
    let failed = ListParams::default().fields("reason=FailedCreate,involvedObject.kind=ReplicaSet");
    let events: ObjectList<Event> = api.list(&failed).await.unwrap();
    let messages = events.items.into_iter().filter_map(|event| event.message);
    messages.collect()
}

async fn pods(installation: &Installation, namespace: &str) -> Vec<Value> {
    let api: Api<Pod> = Api::namespaced(installation.client.clone(), namespace);
    let pods = api.list(&ListParams::default()).await.unwrap().items;
    pods.into_iter()
        .map(|pod| serde_json::to_value(pod).unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_injected_twice_says_why_it_has_no_pods_and_what_to_do() {
    let installation = Installation::of_its_own(&[]).await;
    let namespace = installation.shop(&[]).await;
    let injected = installation
        .cli(&["kube-inject", "-n", &namespace, "-f", "-"], DEPLOYMENT)
        .await;
    assert!(injected.contains("name: istio-proxy"), "{injected}");
    let apply = ["-n", &namespace, "apply", "-f", "-"];
    stdout(&installation.kubectl(&apply, &injected).await);

    let message = crate::eventually("the ReplicaSet says why", async || {
        failures(&installation, &namespace).await.pop()
    })
    .await;
    let refused = format!(
        "admission webhook \"rev.namespace.sidecar-injector.istio.io\" denied the request: Deployment {namespace}/reviews \
         is injected already: it has the containers istio-init, istio-proxy."
    );
    assert!(message.contains(&refused), "{message}");
    for way_out in [
        "pillion kube-uninject",
        "remove the label",
        "sidecar.istio.io/inject: \"false\"",
    ] {
        assert!(message.contains(way_out), "{way_out}: {message}");
    }
    assert!(pods(&installation, &namespace).await.is_empty());

    // The first way out leads out.
    let mut uninject = tokio::process::Command::new(env!("CARGO_BIN_EXE_pillion"));
    uninject.args(["kube-uninject", "-f", "-"]);
    let uninjected = super::installation::run(uninject, &injected).await;
    stdout(&installation.kubectl(&apply, &stdout(&uninjected)).await);
    let pod = crate::eventually("a pod is created", async || {
        pods(&installation, &namespace).await.pop()
    })
    .await;
    assert_eq!(injected_by(&pod), Some(installation.revision.as_str()));
    assert_eq!(names(&pod["spec"]["containers"]), ["reviews"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_injected_twice_is_a_conflict() {
    let installation = Installation::of_its_own(&[]).await;
    let namespace = installation.shop(&[]).await;
    let injected = installation
        .cli(&["kube-inject", "-n", &namespace, "-f", "-"], POD)
        .await;
    let pod = pillion_inject::yaml::parse(injected.trim_end_matches("---\n")).unwrap();
    match installation.try_pod(&namespace, &pod).await {
        Err(kube::Error::Api(status)) => {
            assert_eq!(status.code, 409);
            assert!(status.message.contains("injected already"), "{status:?}");
        }
        other => panic!("{other:?}"),
    }
    let refused = r#"pillion_injection_reviews_total{outcome="refused",reason="already_injected"}"#;
    assert_eq!(installation.injector.metric(refused), Some(1.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_wrong_annotation_is_named_in_one_answer() {
    let installation = Installation::of_its_own(&[]).await;
    let namespace = installation.shop(&[]).await;
    let pod = super::installation::pod(
        json!({}),
        json!({
            "sidecar.istio.io/proxyCPU": "plenty",
            "traffic.sidecar.istio.io/excludeOutboundPorts": "http",
        }),
    );
    let error = installation.try_pod(&namespace, &pod).await.unwrap_err();
    let error = error.to_string();
    for part in [
        "sidecar.istio.io/proxyCPU",
        "plenty",
        "traffic.sidecar.istio.io/excludeOutboundPorts",
        "http",
    ] {
        assert!(error.contains(part), "{part}: {error}");
    }
}
