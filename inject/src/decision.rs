//! Whether a pod is injected, as far as the API server's selectors can't decide it
//! (Istio's `injectRequired`).
//!
//! Host network > ignored namespace > label > annotation > `neverInjectSelector`
//! > `alwaysInjectSelector` > policy.

use std::collections::BTreeMap;

use kube_core::{Selector, SelectorExt};
use serde_json::Value;

use crate::{
    annotations::INJECT,
    config::{Config, policy::Policy},
    pod,
    skip_reason::SkipReason,
};

/// Namespaces of Kubernetes itself and of node-local provisioners.
const IGNORED_NAMESPACES: [&str; 4] = [
    "kube-system",
    "kube-public",
    "kube-node-lease",
    "local-path-storage",
];

/// Whether and why a pod is skipped, with warnings for the user.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Decision {
    pub skip: Option<SkipReason>,
    pub warnings: Vec<String>,
}

/// Decides on a pod whose types have been checked.
pub(crate) fn decide(config: &Config, pod: &Value, namespace: &str) -> Decision {
    let mut warnings = Vec::new();
    let skip = skip_reason(config, pod, namespace, &mut warnings);
    if let Some(reason) = skip {
        if reason == SkipReason::HostNetwork {
            warnings.push(
                "no sidecar is injected: the pod has hostNetwork: true, and capturing its traffic would \
                 capture the node's. Unset hostNetwork, or label the pod sidecar.istio.io/inject: \"false\""
                    .to_owned(),
            );
        } else if !reason.is_requested() {
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
    let request = label.or_else(|| {
        pod::annotation(pod, INJECT).map(|value| ("annotation", value, SkipReason::Annotation))
    });
    match request {
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
    if matches_any(&config.never_inject, pod) {
        return Some(SkipReason::NeverInjectSelector);
    }
    if matches_any(&config.always_inject, pod) {
        return None;
    }
    match config.policy {
        Policy::Enabled => None,
        Policy::Disabled => Some(SkipReason::Policy),
    }
}

/// Whether a selector matches. An empty one matches nothing here: if it matched every
/// pod, an oversight would switch injection for the whole mesh.
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

/// A warning of `image: auto`: it means "the injected image", and no registry has it.
fn unpullable(pod: &Value, reason: SkipReason) -> Option<String> {
    let container = pod::containers(pod).find(|container| container["image"] == "auto")?;
    Some(format!(
        "container {:?} has image: auto, which only injection replaces, and the pod {reason}: \
         the image can't be pulled",
        pod::name(container)
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::*;
    use crate::loading::Sources;

    fn config(text: &str) -> Config {
        Config::parse(&Sources {
            config: text,
            values: "",
            mesh: "",
        })
        .unwrap()
    }

    const ENABLED: &str = "{policy: enabled, templates: {sidecar: {}}}";
    const DISABLED: &str = "{policy: disabled, templates: {sidecar: {}}}";

    /// A pod with the label and the annotation, where they are given.
    fn pod(label: Option<&str>, annotation: Option<&str>) -> Value {
        let map = |value: Option<&str>| -> Map<String, Value> {
            value
                .map(|value| (INJECT.to_owned(), json!(value)))
                .into_iter()
                .collect()
        };
        json!({"metadata": {"labels": map(label), "annotations": map(annotation)},
            "spec": {"containers": [{"name": "app", "image": "app"}]}})
    }

    fn skip(config: &Config, pod: &Value) -> Option<SkipReason> {
        decide(config, pod, "shop").skip
    }

    #[test]
    fn label_wins_over_annotation_wins_over_policy() {
        use SkipReason::{Annotation, Label, Policy};
        let (on, off) = (config(ENABLED), config(DISABLED));
        for (label, annotation, when_on, when_off) in [
            (None, None, None, Some(Policy)),
            (None, Some("true"), None, None),
            (None, Some("false"), Some(Annotation), Some(Annotation)),
            (Some("true"), None, None, None),
            (Some("true"), Some("false"), None, None),
            (Some("false"), None, Some(Label), Some(Label)),
            (Some("false"), Some("true"), Some(Label), Some(Label)),
            // A label that is there hides the annotation, whatever it says.
            (Some(""), Some("false"), None, Some(Policy)),
            (Some("yes"), Some("false"), None, Some(Policy)),
            (None, Some("True"), None, Some(Policy)),
            (None, Some(""), None, Some(Policy)),
        ] {
            let pod = pod(label, annotation);
            assert_eq!(skip(&on, &pod), when_on, "{label:?} {annotation:?}");
            assert_eq!(skip(&off, &pod), when_off, "{label:?} {annotation:?}");
        }
    }

    #[test]
    fn host_network_and_kubernetes_own_namespaces_win_over_the_label() {
        let config = config(ENABLED);
        let mut pod = pod(Some("true"), None);
        for namespace in [
            "kube-system",
            "kube-public",
            "kube-node-lease",
            "local-path-storage",
        ] {
            let decision = decide(&config, &pod, namespace);
            assert_eq!(decision.skip, Some(SkipReason::IgnoredNamespace));
        }
        pod["spec"]["hostNetwork"] = json!(true);
        assert_eq!(
            decide(&config, &pod, "kube-system").skip,
            Some(SkipReason::HostNetwork)
        );
    }

    #[test]
    fn selectors_stand_between_the_label_and_the_policy() {
        let selectors = "neverInjectSelector: [{matchLabels: {job: batch}}, {matchExpressions: [{key: old, operator: Exists}]}]\n\
            alwaysInjectSelector: [{matchLabels: {tier: web}}]\ntemplates: {sidecar: {}}\npolicy: ";
        let (on, off) = (
            config(&format!("{selectors}enabled")),
            config(&format!("{selectors}disabled")),
        );
        let labelled =
            |labels: Value| json!({"metadata": {"labels": labels}, "spec": {"containers": []}});
        let never = Some(SkipReason::NeverInjectSelector);
        assert_eq!(skip(&on, &labelled(json!({"job": "batch"}))), never);
        assert_eq!(
            skip(&on, &labelled(json!({"old": "", "tier": "web"}))),
            never
        );
        assert_eq!(skip(&off, &labelled(json!({"tier": "web"}))), None);
        assert_eq!(
            skip(&off, &labelled(json!({"tier": "db"}))),
            Some(SkipReason::Policy)
        );
        assert_eq!(
            skip(&on, &labelled(json!({"job": "batch", INJECT: "true"}))),
            None
        );
    }

    #[test]
    fn an_empty_selector_matches_no_pod() {
        let config = config("{neverInjectSelector: [{}], templates: {sidecar: {}}}");
        assert_eq!(skip(&config, &pod(None, None)), None);
    }

    #[test]
    fn warns_of_a_value_that_is_neither_true_nor_false() {
        let decision = decide(&config(ENABLED), &pod(None, Some("yes")), "shop");
        assert_eq!(decision.skip, None);
        assert!(decision.warnings[0].contains("\"yes\""), "{decision:?}");
    }

    #[test]
    fn warns_of_a_pod_that_one_would_expect_to_be_injected() {
        let mut with_host_network = pod(None, None);
        with_host_network["spec"]["hostNetwork"] = json!(true);
        let decision = decide(&config(ENABLED), &with_host_network, "shop");
        assert!(decision.warnings[0].contains("hostNetwork"), "{decision:?}");
        // Nobody has to be told of what they asked for themselves.
        assert!(
            decide(&config(ENABLED), &pod(Some("false"), None), "shop")
                .warnings
                .is_empty()
        );
    }

    #[test]
    fn warns_of_an_image_that_only_injection_replaces() {
        let mut pod = pod(Some("false"), None);
        pod["spec"]["containers"][0]["image"] = json!("auto");
        let decision = decide(&config(ENABLED), &pod, "shop");
        assert!(decision.warnings[0].contains("image: auto"), "{decision:?}");
    }
}
