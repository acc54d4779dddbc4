//! What starts before what in an injected pod, and what ends before what.

use std::{process::Stdio, time::Duration};

use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    time::timeout,
};

use crate::harness::{Namespace, busybox, pod, samples, server, service, until_answered};

/// Asks the Service `hello` until it answers, for its pod starts at the same time.
const ASK: &str = "until wget -q -O- http://hello:5000/hello; do sleep 0.5; done";

/// A server for a pod to ask.
async fn serve_hello(namespace: &Namespace) {
    let container = server("hello", &["helloworld"], 5000);
    let objects = [pod("hello", &[container]), service("hello", &[5000])];
    namespace.create(&objects).await;
}

#[tokio::test]
async fn an_init_container_of_the_application_reaches_the_network() {
    let Some(shop) = Namespace::injected("init").await else {
        return;
    };
    serve_hello(&shop).await;
    let mut web = pod("web", &[samples("web", &["pillion-samples", "sleep"])]);
    web["spec"]["initContainers"] = json!([busybox("setup", ASK)]);
    shop.create(&[web]).await;
    shop.wait_ready(&["web"]).await;
    let log = shop.kubectl(&["logs", "web", "-c", "setup"]).await;
    assert!(log.contains("Hello version: v1"), "{log}");
}

#[tokio::test]
async fn a_job_finishes_although_its_pod_is_injected() {
    let Some(shop) = Namespace::injected("job").await else {
        return;
    };
    serve_hello(&shop).await;
    let template = json!({"spec": {"restartPolicy": "Never", "containers": [busybox("ask", ASK)]}});
    let job = json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "ask"},
        "spec": {"backoffLimit": 0, "template": template},
    });
    shop.create(&[job]).await;
    shop.wait("job/ask", "condition=Complete").await;
    let logs = ["logs", "job/ask", "-c"];
    let log = shop.kubectl(&[&logs[..], &["ask"]].concat()).await;
    assert!(log.contains("Hello version: v1"), "{log}");
    // It was injected.
    shop.kubectl(&[&logs[..], &["istio-proxy"]].concat()).await;
}

/// Asks at once and without a second try; and again while it ends, for longer than an idle proxy takes to.
const FROM_START_TO_END: &str = "
wget -q -O /dev/null http://localhost:15021/healthz/ready && echo the proxy is ready
wget -q -O /dev/null http://hello:5000/hello && echo answered at the start
trap 'ending=1' TERM
until [ ${ending:-} ]; do sleep 0.1; done
for second in 1 2 3; do
  sleep 1
  wget -q -O /dev/null http://hello:5000/hello && echo answered $second s after SIGTERM
done";

#[tokio::test]
async fn the_application_starts_after_the_proxy_is_ready_and_ends_before_it() {
    let Some(shop) = Namespace::injected("order").await else {
        return;
    };
    serve_hello(&shop).await;
    // The Service leads there by the time that the application asks.
    let mut before = pod(
        "before",
        &[busybox("before", &until_answered("hello", 5000))],
    );
    before["spec"]["restartPolicy"] = json!("Never");
    shop.create(&[before]).await;
    shop.wait("pod/before", "jsonpath={.status.phase}=Succeeded")
        .await;
    let mut web = pod("web", &[busybox("web", FROM_START_TO_END)]);
    web["spec"]["terminationGracePeriodSeconds"] = json!(30);
    web["spec"]["restartPolicy"] = json!("Never");
    shop.create(&[web]).await;
    shop.wait_ready(&["web"]).await;

    let mut logs = shop.command(&["logs", "web", "-c", "web", "--follow"]);
    let mut logs = logs.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(logs.stdout.take().unwrap()).lines();
    let mut said = Vec::new();
    let limit = Duration::from_secs(60);
    while let Ok(Ok(Some(line))) = timeout(limit, lines.next_line()).await {
        let started = line == "answered at the start";
        said.push(line);
        if started {
            shop.kubectl(&["delete", "pod", "web", "--wait=false"])
                .await;
        }
    }
    assert_eq!(
        said,
        [
            "the proxy is ready",
            "answered at the start",
            "answered 1 s after SIGTERM",
            "answered 2 s after SIGTERM",
            "answered 3 s after SIGTERM"
        ]
    );
}
