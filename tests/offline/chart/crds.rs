//! The definitions of the kinds.

use serde_json::Value;

use super::objects::{of_kind, template};

/// The names of the definitions in the chart.
fn names(values: &[&str]) -> Vec<String> {
    of_kind(
        &template("istio-system", values),
        "CustomResourceDefinition",
    )
    .into_iter()
    .map(|crd| crd["metadata"]["name"].as_str().unwrap().to_owned())
    .collect()
}

#[test]
fn brings_the_kinds_that_rules_are_written_in() {
    let expected = [
        "destinationrules.networking.istio.io",
        "gateways.networking.istio.io",
        "serviceentries.networking.istio.io",
        "virtualservices.networking.istio.io",
        "peerauthentications.security.istio.io",
        "telemetries.telemetry.istio.io",
    ];
    assert_eq!(names(&[]), expected);
    assert_eq!(names(&["-f", "profiles/minimal.yaml"]), expected);
    assert_eq!(names(&["--set", "crds.enabled=false"]), [""; 0]);
}

/// Helm would delete them with the release, and Kubernetes all objects with them.
#[test]
fn keeps_the_kinds_when_it_is_uninstalled() {
    for crd in of_kind(&template("istio-system", &[]), "CustomResourceDefinition") {
        assert_eq!(
            crd["metadata"]["annotations"]["helm.sh/resource-policy"],
            "keep"
        );
    }
}

#[test]
fn serves_the_versions_that_users_write() {
    for crd in of_kind(&template("istio-system", &[]), "CustomResourceDefinition") {
        let versions: Vec<(&str, &Value, &Value)> = crd["spec"]["versions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|version| {
                (
                    version["name"].as_str().unwrap(),
                    &version["served"],
                    &version["storage"],
                )
            })
            .collect();
        let (yes, no) = (&Value::Bool(true), &Value::Bool(false));
        let older: &[&str] = match crd["spec"]["group"].as_str() {
            Some("telemetry.istio.io") => &["v1alpha1"],
            Some("security.istio.io") => &["v1beta1"],
            _ => &["v1beta1", "v1alpha3"],
        };
        let mut expected = vec![("v1", yes, yes)];
        expected.extend(older.iter().map(|version| (*version, yes, no)));
        assert_eq!(versions, expected);
    }
}
