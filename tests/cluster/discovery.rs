//! Discovery restarts, or isn't there.

use serde_json::json;

use crate::harness::{Namespace, Release, Versions, eventually, pod, samples, server, service};

/// Waits until all replicas are there.
async fn rolled_out(release: &Release) {
    let discovery = release.discovery();
    let status = ["rollout", "status", &discovery, "--timeout=120s"];
    release.kubectl(&status).await;
}

#[tokio::test]
async fn no_request_fails_while_discovery_restarts_and_rules_follow() {
    const REVISION: &str = "rediscovered";
    let Some(shop) = Namespace::of_revision("discovery", REVISION).await else {
        return;
    };
    let release = Release::install(shop.cluster, REVISION).await;
    let hello = Versions::deploy(&shop).await;
    hello.set_subsets().await;
    hello.pin("v1").await;
    let load = hello.load().await;
    hello.until_pinned("v1").await;

    let discovery = release.discovery();
    release.kubectl(&["rollout", "restart", &discovery]).await;
    load.goes_on().await;
    rolled_out(&release).await;
    hello.pin("v2").await;
    hello.until_pinned("v2").await;

    let both = ["delete", "pod", "-l", "app=pillion-discovery"];
    let now = ["--grace-period=0", "--force"];
    release.kubectl(&[&both[..], &now].concat()).await;
    load.goes_on().await;
    rolled_out(&release).await;
    hello.pin("v1").await;
    hello.until_pinned("v1").await;
    load.finish().await.assert_no_failures();
}

/// What a pod's container gets from a URL, and the status.
async fn ask(shop: &Namespace, pod: &str, url: &str) -> String {
    let curl = ["curl", "-s", "-m", "10", "-w", " %{http_code}", url];
    let mut command = shop.command(&[&["exec", pod, "-c", pod, "--"], &curl[..]].concat());
    let output = command.output().await.unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

async fn until_it_answers(shop: &Namespace, pod: &str, url: &str, words: &str) -> String {
    eventually(&format!("{words:?} of {url}"), async || {
        let answer = ask(shop, pod, url).await;
        answer.contains(words).then_some(answer)
    })
    .await
}

const HELLO: &str = "http://hello:5000/hello";
const REFUSAL: &str = "this proxy has no configuration: nothing has come from";

/// A server that is configured while discovery is there, and then no discovery.
async fn left_alone(shop: &Namespace, release: &Release, revision: &str) {
    let hello = pod("hello", &[server("hello", &["helloworld"], 5000)]);
    shop.create(&[hello, service("hello", &[5000])]).await;
    shop.wait_ready(&["hello"]).await;
    let root = format!("configmap/istio-ca-root-cert-{revision}");
    shop.kubectl(&["wait", "--for=create", &root]).await;
    release.without_discovery().await;
}

/// A pod whose application does not wait for its sidecar.
fn impatient(name: &str, application: &[&str]) -> serde_json::Value {
    let command = [&["pillion-samples"], application].concat();
    let mut object = pod(name, &[samples(name, &command)]);
    object["metadata"]["annotations"] = json!({"sidecar.istio.io/nativeSidecar": "false"});
    object
}

#[tokio::test]
async fn a_pod_is_ready_only_once_discovery_has_configured_it() {
    const REVISION: &str = "alone";
    let Some(shop) = Namespace::of_revision("unready", REVISION).await else {
        return;
    };
    let release = Release::install(shop.cluster, REVISION).await;
    left_alone(&shop, &release, REVISION).await;
    let patient = pod(
        "patient",
        &[samples("patient", &["pillion-samples", "sleep"])],
    );
    shop.create(&[impatient("web", &["sleep"]), patient]).await;

    let answer = until_it_answers(&shop, "web", HELLO, REFUSAL).await;
    let server = format!("pillion-discovery-{REVISION}.{REVISION}.svc:15012");
    assert!(answer.contains(&server), "{answer}");
    assert!(answer.ends_with(" 503"), "{answer}");
    assert!(!shop.container("web", "istio-proxy").await.unwrap().ready);
    let logs = ["logs", "web", "-c", "istio-proxy"];
    let log = shop.kubectl(&logs).await;
    assert!(log.contains(&server), "{log}");
    // Its application has not started: it would be refused.
    eventually("its sidecar runs", async || {
        let proxy = shop.container("patient", "istio-proxy").await?;
        proxy.state?.running.map(drop)
    })
    .await;
    let application = shop.container("patient", "patient").await;
    let state = application.and_then(|status| status.state);
    assert!(
        state.is_none_or(|state| state.running.is_none()),
        "its application has started"
    );

    release
        .kubectl(&["scale", &release.discovery(), "--replicas=2"])
        .await;
    shop.wait_ready(&["web", "patient"]).await;
    for client in ["web", "patient"] {
        until_it_answers(&shop, client, HELLO, "Hello version").await;
    }
}

#[tokio::test]
async fn an_unconfigured_pod_reaches_others_where_the_mesh_says_so_and_is_not_reached() {
    const REVISION: &str = "open";
    let Some(shop) = Namespace::of_revision("passthrough", REVISION).await else {
        return;
    };
    let release = Release::install(shop.cluster, REVISION).await;
    let values = [
        "meshConfig.defaultConfig.whenUnreachable=Passthrough",
        // Injectors that have never known anything else.
        "injector.podAnnotations.upgraded=yes",
    ];
    release.upgrade(&values).await;
    left_alone(&shop, &release, REVISION).await;
    let mut outsider = pod(
        "outsider",
        &[samples("outsider", &["pillion-samples", "sleep"])],
    );
    outsider["metadata"]["labels"]["sidecar.istio.io/inject"] = json!("false");
    shop.create(&[impatient("web", &["httpbin"]), outsider])
        .await;
    shop.wait_ready(&["outsider"]).await;

    let answer = until_it_answers(&shop, "web", HELLO, "Hello version").await;
    assert!(answer.ends_with(" 200"), "{answer}");
    let web = format!("http://{}:8080/get", shop.address("web").await);
    let answer = until_it_answers(&shop, "outsider", &web, REFUSAL).await;
    assert!(answer.ends_with(" 503"), "{answer}");
    assert!(!shop.container("web", "istio-proxy").await.unwrap().ready);
}
