//! Who has to speak mutual TLS.

use std::process::Command;

use serde_json::{Value, json};

use super::{
    cluster::{in_cluster, tool},
    namespace::Namespace,
};

/// A `PeerAuthentication`.
pub fn peer_authentication(name: &str, spec: &Value) -> String {
    json!({
        "apiVersion": "security.istio.io/v1",
        "kind": "PeerAuthentication",
        "metadata": {"name": name},
        "spec": spec,
    })
    .to_string()
}

/// The spec of a PeerAuthentication for a whole namespace.
pub fn mode(mode: &str) -> Value {
    json!({"mtls": {"mode": mode}})
}

/// The mode of the whole mesh, until this value is dropped. The test must not run beside others.
#[derive(Debug)]
pub struct MeshPolicy(());

/// The name of the object in the root namespace.
const NAME: &str = "default";

impl MeshPolicy {
    pub async fn set(shop: &Namespace, of_all: &str) -> Self {
        let policy = Self(());
        policy.change(shop, of_all).await;
        policy
    }

    pub async fn change(&self, shop: &Namespace, of_all: &str) {
        let mut apply = shop.cluster.tool("kubectl");
        apply.args(["--namespace", "istio-system", "apply", "-f", "-"]);
        super::shell::output(&mut apply, &peer_authentication(NAME, &mode(of_all))).await;
    }
}

impl Drop for MeshPolicy {
    fn drop(&mut self) {
        let mut delete = Command::new(tool("kubectl"));
        in_cluster(&mut delete).args(["--namespace", "istio-system", "delete"]);
        let _ = delete
            .args(["peerauthentication", NAME, "--ignore-not-found"])
            .output();
    }
}
