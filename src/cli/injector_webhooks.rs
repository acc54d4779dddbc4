//! The webhooks of sidecar injectors in a cluster, and whether their selectors match a pod.

use std::{collections::BTreeMap, fmt};

use k8s_openapi::{
    api::admissionregistration::v1::{MutatingWebhook, MutatingWebhookConfiguration},
    apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement},
};
use kube::{Api, Client, ResourceExt, api::ListParams};

pub(super) type Labels = BTreeMap<String, String>;

/// A webhook, and the revision in the label of its configuration.
pub(super) struct InjectorWebhook {
    pub configuration: String,
    pub revision: String,
    webhook: MutatingWebhook,
}

/// The name of a Service.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Service {
    pub namespace: String,
    pub name: String,
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// Whether the API server calls a webhook for a pod, and why.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Selected {
    pub called: bool,
    pub reason: String,
}

/// Lists the webhooks of every injector, Pillion's and Istio's, which it recognizes by
/// their names.
pub(super) async fn list(client: &Client) -> kube::Result<Vec<InjectorWebhook>> {
    let api: Api<MutatingWebhookConfiguration> = Api::all(client.clone());
    let found = api.list(&ListParams::default()).await?;
    Ok(found.into_iter().flat_map(of_configuration).collect())
}

fn of_configuration(configuration: MutatingWebhookConfiguration) -> Vec<InjectorWebhook> {
    let name = configuration.name_any();
    let revision = configuration
        .labels()
        .get("istio.io/rev")
        .map_or("default", String::as_str)
        .to_owned();
    configuration
        .webhooks
        .unwrap_or_default()
        .into_iter()
        .filter(|webhook| webhook.name.ends_with("sidecar-injector.istio.io"))
        .map(|webhook| InjectorWebhook {
            configuration: name.clone(),
            revision: revision.clone(),
            webhook,
        })
        .collect()
}

impl InjectorWebhook {
    pub fn name(&self) -> &str {
        &self.webhook.name
    }

    /// The Service by which the API server calls the webhook; `None` if it has a URL instead.
    pub fn service(&self) -> Option<Service> {
        let service = self.webhook.client_config.service.as_ref()?;
        Some(Service {
            namespace: service.namespace.clone(),
            name: service.name.clone(),
        })
    }

    /// What becomes of a pod for which the API server can't call the webhook.
    pub fn without_answer(&self) -> &'static str {
        match self.webhook.failure_policy.as_deref() {
            Some("Ignore") => "the API server would create the pod without a sidecar",
            _ => "the API server would refuse the pod",
        }
    }

    /// Whether the API server calls the webhook for a pod with these labels.
    pub fn selects(&self, namespace: &Labels, pod: &Labels) -> Selected {
        let sides = [
            (
                "namespace",
                self.webhook.namespace_selector.as_ref(),
                namespace,
            ),
            ("pod", self.webhook.object_selector.as_ref(), pod),
        ];
        let mut because = Vec::new();
        for (side, selector, labels) in sides {
            for requirement in selector.map(requirements).unwrap_or_default() {
                match holds(&requirement, labels) {
                    false => {
                        return Selected {
                            called: false,
                            reason: format!("{side} {}", unmet(&requirement, labels)),
                        };
                    }
                    true if requirement.operator == "In" || requirement.operator == "Exists" => {
                        let value = labels.get(&requirement.key).map_or("", String::as_str);
                        because.push(format!("{side} label {}={value}", requirement.key));
                    }
                    true => {}
                }
            }
        }
        Selected {
            called: true,
            reason: if because.is_empty() {
                "its selectors exclude nothing here".to_owned()
            } else {
                because.join(", ")
            },
        }
    }
}

/// Converts a selector's labels and expressions to requirements.
fn requirements(selector: &LabelSelector) -> Vec<LabelSelectorRequirement> {
    let labels =
        selector
            .match_labels
            .iter()
            .flatten()
            .map(|(key, value)| LabelSelectorRequirement {
                key: key.clone(),
                operator: "In".to_owned(),
                values: Some(vec![value.clone()]),
            });
    let expressions = selector.match_expressions.iter().flatten().cloned();
    // Positive requirements come first, because they make the better reason.
    let (mut positive, negative): (Vec<_>, Vec<_>) = labels
        .chain(expressions)
        .partition(|requirement| matches!(requirement.operator.as_str(), "In" | "Exists"));
    positive.extend(negative);
    positive
}

fn holds(requirement: &LabelSelectorRequirement, labels: &Labels) -> bool {
    let value = labels.get(&requirement.key);
    let listed = |value: &String| requirement.values.iter().flatten().any(|one| one == value);
    match requirement.operator.as_str() {
        "In" => value.is_some_and(listed),
        "NotIn" => !value.is_some_and(listed),
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        _ => false,
    }
}

/// Describes why a requirement is not met.
fn unmet(requirement: &LabelSelectorRequirement, labels: &Labels) -> String {
    let key = &requirement.key;
    let expected = requirement
        .values
        .as_deref()
        .unwrap_or_default()
        .join(" or ");
    match (labels.get(key), requirement.operator.as_str()) {
        (None, "In") => format!("has no label {key}={expected}"),
        (None, _) => format!("has no label {key}"),
        (Some(value), "In") => format!("label {key} is {value:?}, not {expected}"),
        (Some(value), _) => format!("has the label {key}={value}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn webhook(namespace: LabelSelector, object: LabelSelector) -> InjectorWebhook {
        InjectorWebhook {
            configuration: "c".into(),
            revision: "default".into(),
            webhook: MutatingWebhook {
                namespace_selector: Some(namespace),
                object_selector: Some(object),
                ..MutatingWebhook::default()
            },
        }
    }

    fn expression(key: &str, operator: &str, values: &[&str]) -> LabelSelectorRequirement {
        LabelSelectorRequirement {
            key: key.into(),
            operator: operator.into(),
            values: Some(values.iter().map(|value| (*value).to_owned()).collect()),
        }
    }

    fn selector(expressions: Vec<LabelSelectorRequirement>) -> LabelSelector {
        LabelSelector {
            match_expressions: Some(expressions),
            match_labels: None,
        }
    }

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn names_the_label_that_decided() {
        let webhook = webhook(
            selector(vec![expression("istio-injection", "In", &["enabled"])]),
            selector(vec![expression(
                "sidecar.istio.io/inject",
                "NotIn",
                &["false"],
            )]),
        );
        let selected = |namespace: &[(&str, &str)], pod: &[(&str, &str)]| {
            let selected = webhook.selects(&labels(namespace), &labels(pod));
            (selected.called, selected.reason)
        };
        assert_eq!(
            selected(&[("istio-injection", "enabled")], &[]),
            (true, "namespace label istio-injection=enabled".into())
        );
        assert_eq!(
            selected(&[], &[]),
            (
                false,
                "namespace has no label istio-injection=enabled".into()
            )
        );
        assert_eq!(
            selected(&[("istio-injection", "disabled")], &[]),
            (
                false,
                "namespace label istio-injection is \"disabled\", not enabled".into()
            )
        );
        assert_eq!(
            selected(
                &[("istio-injection", "enabled")],
                &[("sidecar.istio.io/inject", "false")]
            ),
            (
                false,
                "pod has the label sidecar.istio.io/inject=false".into()
            )
        );
    }

    #[test]
    fn labels_and_expressions_have_to_hold_together() {
        let mut namespace = selector(vec![expression("a", "DoesNotExist", &[])]);
        namespace.match_labels = Some(labels(&[("b", "1")]));
        let webhook = webhook(namespace, LabelSelector::default());
        assert!(webhook.selects(&labels(&[("b", "1")]), &labels(&[])).called);
        assert!(
            !webhook
                .selects(&labels(&[("b", "1"), ("a", "")]), &labels(&[]))
                .called
        );
        assert!(!webhook.selects(&labels(&[("b", "2")]), &labels(&[])).called);
    }
}
