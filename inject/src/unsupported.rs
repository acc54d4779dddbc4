//! What a pod can ask of Istio and Pillion does not have.

use serde_json::Value;

use crate::{annotations, pod, value_checks::parse_bool};

/// A feature that a pod asks for and Pillion does not have. The text says what to
/// do instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unsupported {
    /// The interception mode TPROXY.
    #[error("interception mode TPROXY is not supported by this version of Pillion; use REDIRECT")]
    Tproxy,
    /// The annotation `sidecar.istio.io/bootstrapOverride`.
    #[error(
        "annotation {:?} is not supported: the proxy is not Envoy and has no bootstrap; remove the annotation",
        annotations::BOOTSTRAP_OVERRIDE
    )]
    BootstrapOverride,
    /// The annotation `sidecar.istio.io/capNetBindService`.
    #[error(
        "annotation {:?} is not supported: set the pod's sysctl net.ipv4.ip_unprivileged_port_start instead",
        annotations::CAP_NET_BIND_SERVICE
    )]
    CapNetBindService,
    /// The annotation `sidecar.istio.io/enableCoreDump`.
    #[error(
        "annotation {:?} is not supported: core dumps can't be switched on; remove the annotation",
        annotations::ENABLE_CORE_DUMP
    )]
    EnableCoreDump,
}

/// All unsupported features that a pod with this interception mode asks for.
pub(crate) fn find(pod: &Value, interception_mode: &str) -> Vec<Unsupported> {
    let annotation = |name| pod::annotation(pod, name);
    let is_true = |name| annotation(name).and_then(parse_bool) == Some(true);
    [
        (interception_mode == "TPROXY", Unsupported::Tproxy),
        (
            annotation(annotations::BOOTSTRAP_OVERRIDE).is_some(),
            Unsupported::BootstrapOverride,
        ),
        (
            is_true(annotations::CAP_NET_BIND_SERVICE),
            Unsupported::CapNetBindService,
        ),
        (
            is_true(annotations::ENABLE_CORE_DUMP),
            Unsupported::EnableCoreDump,
        ),
    ]
    .into_iter()
    .filter(|(asked, _)| *asked)
    .map(|(_, feature)| feature)
    .collect()
}
