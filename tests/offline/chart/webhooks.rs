//! The webhook configurations: what they select, and which revision they belong to.

use pillion_envtest::chart::VARIANTS;
use serde_json::{Value, json};

use super::objects::{of_kind, template};

/// Returns the name, the revision and the webhooks' names of each webhook configuration.
fn webhooks(namespace: &str, values: &str) -> Vec<(String, String, Vec<String>)> {
    let objects = template(namespace, &["--set", values]);
    of_kind(&objects, "MutatingWebhookConfiguration")
        .into_iter()
        .map(|configuration| {
            let metadata = &configuration["metadata"];
            let names = configuration["webhooks"].as_array().unwrap();
            let short = |webhook: &Value| {
                let name = webhook["name"].as_str().unwrap();
                name.strip_suffix(".sidecar-injector.istio.io")
                    .unwrap()
                    .to_owned()
            };
            (
                metadata["name"].as_str().unwrap().to_owned(),
                metadata["labels"]["istio.io/rev"]
                    .as_str()
                    .unwrap()
                    .to_owned(),
                names.iter().map(short).collect(),
            )
        })
        .collect()
}

fn configuration(name: &str, revision: &str, webhooks: &str) -> (String, String, Vec<String>) {
    (
        name.to_owned(),
        revision.to_owned(),
        webhooks.split(' ').map(str::to_owned).collect(),
    )
}

#[test]
fn installs_the_webhooks_that_a_revision_has() {
    const REVISION: &str = "rev.namespace rev.object";
    const DEFAULT: &str = "rev.namespace rev.object namespace object";
    const AUTO: &str = "rev.namespace rev.object namespace object auto";
    let default = [configuration("istio-sidecar-injector", "default", DEFAULT)];
    assert_eq!(webhooks("istio-system", "revision="), default);
    assert_eq!(webhooks("istio-system", "revision=default"), default);
    assert_eq!(
        webhooks(
            "istio-system",
            "sidecarInjectorWebhook.enableNamespacesByDefault=true"
        ),
        [configuration("istio-sidecar-injector", "default", AUTO)]
    );
    assert_eq!(
        webhooks(
            "mesh",
            "revision=canary,revisionTags={prod,default},sidecarInjectorWebhook.enableNamespacesByDefault=true"
        ),
        [
            configuration("istio-sidecar-injector-canary-mesh", "canary", REVISION),
            configuration("istio-revision-tag-prod-mesh", "canary", REVISION),
            configuration("istio-revision-tag-default-mesh", "canary", AUTO),
        ]
    );
}

#[test]
fn a_tag_is_matched_instead_of_the_revision() {
    let objects = template(
        "istio-system",
        &["--set", "revision=canary,revisionTags={prod}"],
    );
    let configurations = of_kind(&objects, "MutatingWebhookConfiguration");
    for (configuration, value) in configurations.into_iter().zip(["canary", "prod"]) {
        assert_eq!(
            configuration["webhooks"][0]["namespaceSelector"]["matchExpressions"][0],
            json!({"key": "istio.io/rev", "operator": "In", "values": [value]})
        );
        assert_eq!(
            configuration["webhooks"][1]["objectSelector"]["matchExpressions"][1],
            json!({"key": "istio.io/rev", "operator": "In", "values": [value]})
        );
    }
}

#[test]
fn no_webhook_reaches_the_injector_s_own_namespace_or_the_system_s() {
    for values in VARIANTS {
        for configuration in of_kind(&template("mesh", values), "MutatingWebhookConfiguration") {
            for webhook in configuration["webhooks"].as_array().unwrap() {
                let excluded = webhook["namespaceSelector"]["matchExpressions"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .find(|expression| expression["key"] == "kubernetes.io/metadata.name")
                    .unwrap_or_else(|| panic!("{values:?}: {webhook}"));
                assert_eq!(excluded["operator"], "NotIn", "{values:?}");
                for namespace in ["mesh", "kube-system"] {
                    assert!(
                        excluded["values"]
                            .as_array()
                            .unwrap()
                            .contains(&json!(namespace)),
                        "{values:?}: {webhook}"
                    );
                }
            }
        }
    }
}

/// Upgrades and rollbacks would empty or reset a bundle that is in the manifest.
#[test]
fn no_manifest_has_a_ca_bundle() {
    for values in VARIANTS {
        let objects = template("istio-system", values);
        for kind in [
            "MutatingWebhookConfiguration",
            "ValidatingWebhookConfiguration",
        ] {
            for configuration in of_kind(&objects, kind) {
                let text = configuration.to_string();
                assert!(!text.contains("caBundle"), "{values:?}");
            }
        }
    }
}

/// An invalid policy that is admitted would leave ports open that it should close.
#[test]
fn peer_authentications_are_always_reviewed() {
    for (policy, revision, selectors) in [("Ignore", "", 2), ("Fail", "canary", 1)] {
        let values = format!("discovery.validation.failurePolicy={policy},revision={revision}");
        let objects = template("istio-system", &["--set", &values]);
        let found = of_kind(&objects, "ValidatingWebhookConfiguration");
        let [configuration] = &found[..] else {
            panic!("{values}");
        };
        let webhooks = configuration["webhooks"].as_array().unwrap();
        let (others, closing) = webhooks.split_at(selectors);
        assert_eq!(closing.len(), selectors, "{values}");
        for (other, closing) in others.iter().zip(closing) {
            assert_eq!(other["failurePolicy"], policy);
            assert_eq!(closing["failurePolicy"], "Fail");
            let name = format!("security.{}", other["name"].as_str().unwrap());
            assert_eq!(closing["name"], name);
            assert_eq!(closing["objectSelector"], other["objectSelector"]);
            assert_eq!(closing["rules"].as_array().unwrap().len(), 1);
            assert_eq!(
                closing["rules"][0]["resources"],
                json!(["peerauthentications"])
            );
        }
    }
}
