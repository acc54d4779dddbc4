//! Why a pod is not injected although nothing is wrong with it.

use std::fmt;

/// Why a pod is left as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SkipReason {
    /// `spec.hostNetwork: true`: the rules would capture the node's traffic.
    HostNetwork,
    /// A namespace of Kubernetes itself.
    IgnoredNamespace,
    /// The label `sidecar.istio.io/inject: "false"`.
    Label,
    /// The annotation `sidecar.istio.io/inject: "false"`.
    Annotation,
    /// A selector of `neverInjectSelector` matches.
    NeverInjectSelector,
    /// The configured policy is `disabled` and nothing asks for injection.
    Policy,
}

impl SkipReason {
    /// A short name, for logs and the label of a metric.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::HostNetwork => "host_network",
            Self::IgnoredNamespace => "ignored_namespace",
            Self::Label => "label",
            Self::Annotation => "annotation",
            Self::NeverInjectSelector => "never_inject_selector",
            Self::Policy => "policy",
        }
    }

    /// Whether the pod itself asks not to be injected, and so needs no warning.
    pub(crate) fn is_requested(self) -> bool {
        matches!(self, Self::Label | Self::Annotation)
    }
}

/// Completes the sentence "the pod …".
impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::HostNetwork => "has host networking enabled",
            Self::IgnoredNamespace => "is in a namespace of Kubernetes itself",
            Self::Label => "has the label sidecar.istio.io/inject: \"false\"",
            Self::Annotation => "has the annotation sidecar.istio.io/inject: \"false\"",
            Self::NeverInjectSelector => "matches a neverInjectSelector of the configuration",
            Self::Policy => "does not ask for it, and the configured policy is disabled",
        })
    }
}
