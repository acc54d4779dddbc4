//! The pod that an injection is for.

use serde_json::Value;

use crate::workload::Workload;

/// A pod, and what is known of it besides its own text.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// The pod: an object with `metadata` and `spec`. Its `metadata.namespace`
    /// may be missing, as it is in an admission review.
    pub pod: &'a Value,
    /// The namespace the pod is created in.
    pub namespace: &'a str,
    /// The workload that the pod belongs to, where the caller knows it
    /// (`kube-inject` does); otherwise it is read from the owner references.
    pub workload: Option<&'a Workload>,
    /// Environment for the proxy from the webhook's path
    /// (`/inject/cluster/NAME/net/NAME`), in the order it is to appear.
    pub path_env: &'a [(String, String)],
    /// Whether the cluster runs native sidecars (init containers with
    /// `restartPolicy: Always`); used where the configuration says `auto`.
    pub cluster_has_native_sidecars: bool,
}
