//! Whether the cluster supports native sidecars.

use k8s_openapi::api::core::v1::Node;
use kube::{Api, Client, api::ListParams};

use super::with_timeout;

/// The first minor version of Kubernetes 1 where native sidecars are stable.
const STABLE: u32 = 33;
/// How many minor versions a kubelet may be older than the API server (Kubernetes' version
/// skew policy).
const SKEW: u32 = 3;
const PAGE: u32 = 500;

/// Checks whether every node supports native sidecars, because a pod may run on any node.
///
/// # Errors
///
/// Returns an error if the API server does not respond, or denies listing the nodes.
pub(crate) async fn cluster_has_native_sidecars(client: &Client) -> kube::Result<bool> {
    let version = with_timeout(client.apiserver_version()).await?;
    match minor(&version.minor) {
        // According to the version skew policy, no kubelet can be too old.
        Some(minor) if minor >= STABLE + SKEW => Ok(true),
        Some(minor) if minor >= STABLE => every_node(client).await,
        _ => Ok(false),
    }
}

async fn every_node(client: &Client) -> kube::Result<bool> {
    let api: Api<Node> = Api::all(client.clone());
    let mut page = ListParams::default().limit(PAGE);
    loop {
        let nodes = with_timeout(api.list(&page)).await?;
        if !nodes.items.iter().all(has_native_sidecars) {
            return Ok(false);
        }
        match nodes.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => page = page.continue_token(&token),
            None => return Ok(true),
        }
    }
}

fn has_native_sidecars(node: &Node) -> bool {
    node.status
        .as_ref()
        .and_then(|status| status.node_info.as_ref())
        .and_then(|info| kubelet_minor(&info.kubelet_version))
        .is_some_and(|minor| minor >= STABLE)
}

/// Parses the minor version of a kubelet: 33 for `v1.33.4-gke.100`.
fn kubelet_minor(version: &str) -> Option<u32> {
    minor(version.strip_prefix("v1.")?.split('.').next()?)
}

/// Parses a minor version. Some providers append a plus: `33+`.
fn minor(text: &str) -> Option<u32> {
    text.trim_end_matches('+').parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_versions_that_providers_write() {
        assert_eq!(kubelet_minor("v1.33.4-gke.100"), Some(33));
        assert_eq!(kubelet_minor("v1.29.0"), Some(29));
        assert_eq!(kubelet_minor("nightly"), None);
        assert_eq!(minor("34+"), Some(34));
    }
}
