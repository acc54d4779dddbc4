//! Requests that go on while something else happens.

use serde_json::{Value, json};

use super::{
    counters::Reporter,
    eventually::eventually,
    namespace::Namespace,
    objects::{busybox, pod, samples, until_answered},
};

/// A pod that sends requests until it is told to end. Its sidecar is the proxy, whose counters say how many there were.
pub struct Load<'a> {
    namespace: &'a Namespace,
}

/// What came of the requests, as the client has counted it.
#[derive(Debug)]
pub struct Report(Value);

const POD: &str = "load";
/// Per second.
const RATE: &str = "50";

impl<'a> Load<'a> {
    /// Starts it, and waits until requests are answered. Each is a GET of the path, sent over a connection of its own and has to be
    /// answered in 5 s.
    pub async fn start(namespace: &'a Namespace, host: &str, port: u16, path: &str) -> Self {
        Self::start_with(&["--no-keep-alive"], namespace, host, port, path).await
    }

    /// The same, but over four connections that are kept for as long as the server keeps them.
    pub async fn keeping_connections(
        namespace: &'a Namespace,
        host: &str,
        port: u16,
        path: &str,
    ) -> Self {
        Self::start_with(&[], namespace, host, port, path).await
    }

    async fn start_with(
        more: &[&str],
        namespace: &'a Namespace,
        host: &str,
        port: u16,
        path: &str,
    ) -> Self {
        let url = format!("http://{host}:{port}{path}");
        let command = ["pillion-samples", "load", "--duration", "900", "--json"];
        let options = [
            "--by-body",
            "--timeout",
            "5",
            "--concurrency",
            "4",
            "--rate",
            RATE,
            &url,
        ];
        let container = samples(POD, &[&command[..], more, &options].concat());
        let mut object = pod(POD, &[container]);
        // So that its log can be read when it has ended.
        object["spec"]["restartPolicy"] = json!("Never");
        object["spec"]["initContainers"] = json!([busybox("wait", &until_answered(host, port))]);
        namespace.apply(&object.to_string()).await;
        namespace.wait_ready(&[POD]).await;
        let load = Self { namespace };
        load.goes_on().await;
        load
    }

    async fn sent(&self) -> u64 {
        self.namespace.counters(POD).await.carried(Reporter::Source)
    }

    /// Waits until it has sent some more requests than by now.
    pub async fn goes_on(&self) {
        let before = self.sent().await;
        eventually("more requests", async || {
            (self.sent().await > before + 20).then_some(())
        })
        .await;
    }

    /// Ends it.
    pub async fn finish(self) -> Report {
        let status = self.namespace.container(POD, POD).await.unwrap();
        let id = status.container_id.unwrap();
        self.namespace.cluster.kill(&id, "SIGTERM").await;
        let report = eventually("the load's report", async || {
            let log = self.namespace.kubectl(&["logs", POD, "-c", POD]).await;
            serde_json::from_str(log.lines().last()?).ok()
        })
        .await;
        Report(report)
    }
}

impl Report {
    /// Has a workload with the samples' tools send requests, and waits until they are answered.
    pub async fn of(
        namespace: &Namespace,
        workload: &str,
        container: &str,
        options: &[&str],
    ) -> Self {
        let load = [&["pillion-samples", "load", "--json"], options].concat();
        let text = namespace.exec_in(workload, container, &load).await;
        Self(serde_json::from_str(&text).unwrap())
    }

    /// That each request was answered, and by 200.
    pub fn assert_no_failures(&self) {
        let Self(report) = self;
        let requests = report["requests"].as_u64().unwrap();
        assert!(requests > 0, "{report}");
        assert_eq!(report["failed"], 0, "{report}");
        assert_eq!(report["status"], json!({"200": requests}), "{report}");
    }

    /// That each request was answered, and by one of these statuses.
    pub fn assert_only(&self, statuses: &[&str]) {
        let Self(report) = self;
        assert_eq!(report["failed"], 0, "{report}");
        let all = report["status"].as_object().unwrap();
        assert!(
            all.keys().all(|status| statuses.contains(&status.as_str())),
            "{report}"
        );
    }

    /// How many answers have contained these words.
    pub fn answers_with(&self, words: &str) -> u64 {
        let bodies = self.0["body"].as_object().unwrap();
        let counts = bodies.iter().filter(|(body, _)| body.contains(words));
        counts.filter_map(|(_, count)| count.as_u64()).sum()
    }

    /// How many different answers there have been.
    pub fn kinds_of_answers(&self) -> usize {
        self.0["body"].as_object().unwrap().len()
    }

    /// How many answers have had a header (`--by-header`) that begins like this.
    pub fn headers_with(&self, name: &str, beginning: &str) -> u64 {
        let values = self.0["header"][name].as_object().into_iter().flatten();
        let counts = values.filter(|(value, _)| value.starts_with(beginning));
        counts.filter_map(|(_, count)| count.as_u64()).sum()
    }
}
