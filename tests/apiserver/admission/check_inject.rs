//! `pillion check-inject`, asked about a real cluster.

use serde_json::{Value, json};

use super::installation::{Installation, pod, stdout};

/// The lines of an answer that name a webhook of this installation.
fn rows<'a>(installation: &Installation, answer: &'a str) -> Vec<&'a str> {
    answer
        .lines()
        .filter(|line| line.split_whitespace().nth(1) == Some(&installation.revision))
        .collect()
}

fn deployment(pod: &Value) -> Value {
    let template = json!({"metadata": {"labels": {"app": "web"}}, "spec": pod["spec"]});
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": template},
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn says_which_webhook_injects_a_manifest() {
    let installation = Installation::of_its_own(&[]).await;
    let shop = installation.shop(&[]).await;
    let ask = ["check-inject", "-f", "-", "-n", &shop];
    let manifest = deployment(&pod(json!({}), json!({}))).to_string();
    let answer = stdout(&installation.try_cli(&ask, &manifest).await);
    let rows = rows(&installation, &answer);
    let yes = rows.iter().filter(|row| row.contains(" yes "));
    assert_eq!(yes.count(), 1, "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn says_why_a_pod_is_not_injected() {
    let installation = Installation::of_its_own(&[]).await;
    let shop = installation.shop(&[]).await;
    let ask = ["check-inject", "-f", "-", "-n", &shop];
    let exempt = pod(json!({"sidecar.istio.io/inject": "false"}), json!({}));
    let mut host = pod(json!({}), json!({}));
    host["spec"]["hostNetwork"] = json!(true);
    for (pod, reason) in [(exempt, "sidecar.istio.io/inject"), (host, "host")] {
        let answer = installation.try_cli(&ask, &pod.to_string()).await;
        assert_eq!(answer.status.code(), Some(1));
        let answer = String::from_utf8(answer.stdout).unwrap();
        assert!(!answer.contains(" yes "), "{answer}");
        assert!(answer.contains(reason), "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn says_that_an_injected_manifest_will_be_refused() {
    let installation = Installation::of_its_own(&[]).await;
    let shop = installation.shop(&[]).await;
    let manifest = deployment(&pod(json!({}), json!({}))).to_string();
    let injected = installation
        .cli(&["kube-inject", "-f", "-", "-n", &shop], &manifest)
        .await;
    let ask = ["check-inject", "-f", "-", "-n", &shop];
    let answer = installation.try_cli(&ask, &injected).await;
    assert_eq!(answer.status.code(), Some(1));
    let answer = String::from_utf8(answer.stdout).unwrap();
    assert!(answer.contains("injected already"), "{answer}");
}

/// Has the API server call the installation's webhooks by a Service.
async fn call_by_service(installation: &Installation, service: &str) {
    let changes: Vec<_> = [0, 1]
        .iter()
        .flat_map(|webhook| {
            let config = format!("/webhooks/{webhook}/clientConfig");
            let service = json!({"namespace": installation.namespace, "name": service});
            [
                json!({"op": "remove", "path": format!("{config}/url")}),
                json!({"op": "add", "path": format!("{config}/service"), "value": service}),
            ]
        })
        .collect();
    let name = format!(
        "istio-sidecar-injector-{}-{}",
        installation.revision, installation.namespace
    );
    let changes = json!(changes).to_string();
    let patch = [
        "patch",
        "mutatingwebhookconfiguration",
        &name,
        "--type=json",
        "-p",
        &changes,
    ];
    stdout(&installation.kubectl(&patch, "").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn says_that_no_injector_is_ready() {
    let installation = Installation::of_its_own(&[]).await;
    let shop = installation.shop(&[]).await;
    call_by_service(&installation, "elsewhere").await;
    let ask = ["check-inject", "-f", "-", "-n", &shop];
    let pod = pod(json!({}), json!({})).to_string();
    let answer = installation.try_cli(&ask, &pod).await;
    assert_eq!(answer.status.code(), Some(1));
    let answer = String::from_utf8(answer.stdout).unwrap();
    let place = format!("Service {}/elsewhere", installation.namespace);
    let says = format!("no injector is ready behind the {place}: the API server would refuse");
    assert!(answer.contains(&says), "{answer}");
    assert!(!answer.contains(" yes "), "{answer}");

    let slice = json!({
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "elsewhere", "labels": {"kubernetes.io/service-name": "elsewhere"}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["10.9.8.7"], "conditions": {"ready": true}}],
    });
    let create = ["-n", &installation.namespace, "create", "-f", "-"];
    stdout(&installation.kubectl(&create, &slice.to_string()).await);
    let answer = installation.cli(&ask, &pod).await;
    assert!(answer.contains(" yes "), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn takes_pods_and_workloads_of_the_cluster_by_name() {
    let installation = Installation::of_its_own(&[]).await;
    let shop = installation.shop(&[]).await;
    let mut running = pod(json!({}), json!({}));
    running["metadata"]["name"] = json!("web");
    for object in [&deployment(&pod(json!({}), json!({}))), &running] {
        let create = ["-n", &shop, "create", "-f", "-"];
        stdout(&installation.kubectl(&create, &object.to_string()).await);
    }
    for name in ["deployment/web", "deploy/web", "pod/web", "web"] {
        let ask = ["check-inject", name, "-n", &shop];
        let answer = installation.cli(&ask, "").await;
        let is_pod = !name.starts_with("deploy");
        assert_eq!(
            answer.contains("the running pod is injected"),
            is_pod,
            "{answer}"
        );
    }
    let unknown = ["check-inject", "service/web", "-n", &shop];
    let answer = installation.try_cli(&unknown, "").await;
    let complaint = String::from_utf8(answer.stderr).unwrap();
    assert!(
        complaint.contains("not a kind that creates pods"),
        "{complaint}"
    );
}
