//! Whether a pod is injected: the part of the decision that the API server's
//! selectors can't take (Istio's `injectRequired`).
//!
//! Host network > ignored namespace > label > annotation > `neverInjectSelector`
//! > `alwaysInjectSelector` > policy.

use std::{collections::BTreeMap, fmt};

use kube::core::{Selector, SelectorExt};
use serde_json::Value;

use super::{Config, pod};

/// The label, and the deprecated annotation, that asks for injection or refuses it.
pub(super) const INJECT: &str = "sidecar.istio.io/inject";

/// Namespaces of Kubernetes itself and of node-local provisioners.
const IGNORED_NAMESPACES: [&str; 4] = [
    "kube-system",
    "kube-public",
    "kube-node-lease",
    "local-path-storage",
];

/// What happens to a pod that says nothing of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Policy {
    /// It is injected.
    Enabled,
    /// It is left alone.
    Disabled,
}

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

    /// Whether the user asked for it on the pod itself, and so needs no warning.
    fn is_asked_for(self) -> bool {
        matches!(self, Self::Label | Self::Annotation)
    }
}

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

/// The verdict on a pod: `Some` reason to leave it alone, and what to tell the user.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Decision {
    pub skip: Option<SkipReason>,
    pub warnings: Vec<String>,
}

/// Decides on a pod whose types have been checked.
pub(super) fn decide(config: &Config, pod: &Value, namespace: &str) -> Decision {
    let mut warnings = Vec::new();
    let skip = skip_reason(config, pod, namespace, &mut warnings);
    if let Some(reason) = skip {
        if reason == SkipReason::HostNetwork {
            warnings.push(
                "no sidecar is injected: the pod has hostNetwork: true, and capturing its traffic would \
                 capture the node's. Unset hostNetwork, or label the pod sidecar.istio.io/inject: \"false\""
                    .to_owned(),
            );
        } else if !reason.is_asked_for() {
            warnings.push(format!("no sidecar is injected: the pod {reason}"));
        }
        warnings.extend(unpullable(pod, reason));
    }
    Decision { skip, warnings }
}

fn skip_reason(
    config: &Config,
    pod: &Value,
    namespace: &str,
    warnings: &mut Vec<String>,
) -> Option<SkipReason> {
    if pod["spec"]["hostNetwork"] == Value::Bool(true) {
        return Some(SkipReason::HostNetwork);
    }
    if IGNORED_NAMESPACES.contains(&namespace) {
        return Some(SkipReason::IgnoredNamespace);
    }
    let label = pod::label(pod, INJECT).map(|value| ("label", value, SkipReason::Label));
    let wish = label.or_else(|| {
        pod::annotation(pod, INJECT).map(|value| ("annotation", value, SkipReason::Annotation))
    });
    match wish {
        Some((_, "true", _)) => return None,
        Some((_, "false", reason)) => return Some(reason),
        Some((_, "", _)) | None => {}
        Some((place, value, _)) => warnings.push(format!(
            "the {place} {INJECT} is {value:?}, which is neither \"true\" nor \"false\": it is ignored"
        )),
    }
    by_selectors(config, pod)
}

fn by_selectors(config: &Config, pod: &Value) -> Option<SkipReason> {
    if matches_any(&config.never, pod) {
        return Some(SkipReason::NeverInjectSelector);
    }
    if matches_any(&config.always, pod) {
        return None;
    }
    match config.policy {
        Policy::Enabled => None,
        Policy::Disabled => Some(SkipReason::Policy),
    }
}

/// An empty selector matches nothing here: one that matched every pod would
/// switch injection for the whole mesh by an oversight.
fn matches_any(selectors: &[Selector], pod: &Value) -> bool {
    if selectors.is_empty() {
        return false;
    }
    let labels: BTreeMap<String, String> = pod["metadata"]["labels"]
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect();
    selectors
        .iter()
        .any(|selector| !selector.selects_all() && selector.matches(&labels))
}

/// `image: auto` means "the injected image"; without injection no registry has it.
fn unpullable(pod: &Value, reason: SkipReason) -> Option<String> {
    let container = pod::CONTAINER_LISTS
        .iter()
        .flat_map(|list| pod::array(&pod["spec"][*list]))
        .find(|container| container["image"] == "auto")?;
    Some(format!(
        "container {:?} has image: auto, which only injection replaces, and the pod {reason}: \
         the image can't be pulled",
        pod::name(container)
    ))
}
