//! Two versions of a server, and rules that say which of them answers.

use serde_json::{Value, json};

use super::{
    eventually::eventually,
    load::{Load, Report},
    namespace::Namespace,
};

/// `helloworld` of the samples in a test's namespace: `http://helloworld:5000/hello`.
#[derive(Clone, Copy)]
pub struct Versions<'a> {
    shop: &'a Namespace,
}

impl<'a> Versions<'a> {
    /// Deploys both versions, and their Service.
    pub async fn deploy(shop: &'a Namespace) -> Self {
        shop.apply_samples(&["helloworld/helloworld.yaml"]).await;
        shop.wait_for_deployments().await;
        Self { shop }
    }

    /// Starts requests over a connection each.
    pub async fn load(self) -> Load<'a> {
        Load::start(self.shop, "helloworld", 5000, "/hello").await
    }

    /// Makes the versions known as subsets.
    pub async fn set_subsets(self) {
        let subset = |version: &str| json!({"name": version, "labels": {"version": version}});
        let spec = json!({"host": "helloworld", "subsets": [subset("v1"), subset("v2")]});
        self.set("DestinationRule", &spec).await;
    }

    pub async fn unset_subsets(self) {
        self.unset("destinationrule").await;
    }

    /// Sets what is done with requests for these hosts.
    pub async fn route(self, hosts: &[&str], http: &Value) {
        let spec = json!({"hosts": hosts, "http": http});
        self.set("VirtualService", &spec).await;
    }

    pub async fn unroute(self) {
        self.unset("virtualservice").await;
    }

    /// Sends all requests to one version.
    pub async fn pin(self, version: &str) {
        self.route(&["helloworld"], &json!([to(&[(version, 100)])]))
            .await;
    }

    /// Waits until twenty requests of the load's pod are answered by one version.
    pub async fn until_pinned(self, version: &str) {
        let words = format!("version: {version}");
        eventually(&format!("all from {version}"), async || {
            (self.twenty().await.answers_with(&words) == 20).then_some(())
        })
        .await;
    }

    /// What comes of twenty requests of the load's pod.
    pub async fn twenty(self) -> Report {
        let url = "http://helloworld:5000/hello";
        Report::of(self.shop, "load", "load", &["-n", "20", "--by-body", url]).await
    }

    async fn set(self, kind: &str, spec: &Value) {
        let object = json!({
            "apiVersion": "networking.istio.io/v1",
            "kind": kind,
            "metadata": {"name": "helloworld"},
            "spec": spec,
        });
        self.shop.apply(&object.to_string()).await;
    }

    async fn unset(self, kind: &str) {
        self.shop.kubectl(&["delete", kind, "helloworld"]).await;
    }
}

/// A route to versions with their weights.
pub fn to(versions: &[(&str, u32)]) -> Value {
    let destination = |(version, weight): &(&str, u32)| json!({"destination": {"host": "helloworld", "subset": version}, "weight": weight});
    let destinations: Vec<_> = versions.iter().map(destination).collect();
    json!({"route": destinations})
}
