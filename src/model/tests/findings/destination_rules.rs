//! Hosts and subsets that DestinationRules are for, and aliases.

use serde_json::{Value, json};

use super::{entry, one, to};
use crate::model::{
    ExportTo, Problem,
    tests::fixture::{Mesh, pod, service, slice},
};

#[test]
fn a_destination_rule_for_a_host_that_its_namespace_does_not_see_is_told() {
    let mut mesh = Mesh::with_web();
    let policy =
        |host: &str| json!({ "host": host, "trafficPolicy": { "tls": { "mode": "DISABLE" } } });
    mesh.rule("DestinationRule", "other/web", policy("web"));
    let finding = one(&mesh);
    let told = "DestinationRule other/web: this namespace sees no Service \
                web.other.svc.cluster.local, and no ServiceEntry for it that is in force ";
    assert!(finding.starts_with(told), "{finding}");
    // Rules may be there before their Services: that is no error.
    assert_eq!(mesh.model.findings()[0].problem, Problem::UnknownRuleHost);
    mesh.rule(
        "DestinationRule",
        "other/web",
        policy("web.shop.svc.cluster.local"),
    );
    assert_eq!(mesh.findings(), [""; 0]);
    // A private Service is seen by its own namespace's rules and by those for all.
    let mut private = service("shop", "private", &[("http", 81)]);
    private.export_to = Some(ExportTo::parse(["."], "shop"));
    mesh.service(private);
    mesh.rule(
        "DestinationRule",
        "other/web",
        policy("private.shop.svc.cluster.local"),
    );
    assert!(one(&mesh).contains("sees no Service private.shop"));
    for namespace in ["shop", "istio-system"] {
        let mut mesh = Mesh::with_web();
        let mut private = service("shop", "private", &[("http", 81)]);
        private.export_to = Some(ExportTo::parse(["."], "shop"));
        mesh.service(private);
        let rule = policy("private.shop.svc.cluster.local");
        mesh.rule("DestinationRule", &format!("{namespace}/web"), rule);
        assert_eq!(mesh.findings(), [""; 0]);
    }
}

#[test]
fn a_destination_rule_for_an_alias_or_a_wildcard() {
    let mut mesh = Mesh::with_web();
    let mut alias = service("shop", "alias", &[("http", 80)]);
    alias.external_name = Some("web.shop.svc.cluster.local".into());
    mesh.service(alias);
    mesh.rule("DestinationRule", "shop/alias", json!({ "host": "alias" }));
    let finding = one(&mesh);
    assert!(
        finding.contains("another name of web.shop.svc.cluster.local"),
        "{finding}"
    );
    assert!(finding.ends_with("Use web.shop.svc.cluster.local as its host"));
    mesh.rule(
        "DestinationRule",
        "shop/alias",
        json!({ "host": "*.nowhere.com" }),
    );
    assert_eq!(mesh.findings(), [""; 0]);
}

/// To use the target as the host helps only once this is known.
#[test]
fn a_destination_rule_for_an_alias_of_what_is_not_known() {
    let mut mesh = Mesh::with_web();
    let mut alias = service("shop", "alias", &[("http", 80)]);
    alias.external_name = Some("api.example.com".into());
    mesh.service(alias);
    mesh.rule("DestinationRule", "shop/alias", json!({ "host": "alias" }));
    let finding = one(&mesh);
    assert!(
        finding
            .contains("this namespace sees no Service api.example.com, and no ServiceEntry for it"),
        "{finding}"
    );
    let advice = "Correct its externalName, or create a ServiceEntry for api.example.com, and use \
                  api.example.com as this rule's host";
    assert!(finding.ends_with(advice), "{finding}");
    let mut entry = entry("api.example.com", "HTTP");
    entry["exportTo"] = json!(["*"]);
    mesh.rule("ServiceEntry", "other/api", entry);
    assert!(one(&mesh).ends_with("Use api.example.com as its host"));
}

#[test]
fn a_destination_that_is_an_alias_of_what_is_not_known() {
    let mut mesh = Mesh::with_web();
    let mut alias = service("shop", "alias", &[("http", 80)]);
    alias.external_name = Some("wbe.shop.svc.cluster.local".into());
    mesh.service(alias.clone());
    let rules = json!({ "hosts": ["web"], "http": to("alias.shop.svc.cluster.local") });
    mesh.rule("VirtualService", "shop/web", rules.clone());
    let finding = one(&mesh);
    let told = "VirtualService shop/web: alias.shop.svc.cluster.local is an ExternalName Service, \
                another name of wbe.shop.svc.cluster.local, but this namespace sees no Service \
                wbe.shop.svc.cluster.local, ";
    assert!(finding.starts_with(told), "{finding}");
    assert!(
        finding.contains("503. Correct its externalName"),
        "{finding}"
    );
    // Others don't see the Service itself.
    alias.export_to = Some(ExportTo::parse(["."], "shop"));
    mesh.service(alias.clone());
    mesh.rule("VirtualService", "other/web", rules);
    let findings = mesh.findings();
    let told =
        "VirtualService other/web: this namespace sees no Service alias.shop.svc.cluster.local";
    assert!(
        findings.iter().any(|one| one.starts_with(told)),
        "{findings:?}"
    );
    alias.external_name = Some("web.shop.svc.cluster.local".into());
    mesh.service(alias);
    assert!(one(&mesh).starts_with("VirtualService other/web: "));
}

/// Rules that route to these subsets of a host.
fn to_subsets(host: &str, subsets: &[&str]) -> Value {
    let routes: Vec<Value> = subsets
        .iter()
        .map(|subset| {
            json!({ "match": [{ "uri": { "exact": format!("/{subset}") } }],
                "route": [{ "destination": { "host": host, "subset": subset } }] })
        })
        .collect();
    json!({ "hosts": [host], "http": routes })
}

#[test]
fn a_subset_that_no_endpoint_is_in_is_told_once_there_are_endpoints() {
    let mut mesh = Mesh::with_web();
    let rules = to_subsets("web", &["v1", "v2", "v3"]);
    mesh.rule("VirtualService", "shop/web", rules);
    let subset = |version: &str| json!({ "name": version, "labels": { "version": version } });
    let rule = json!({ "host": "web", "subsets": [subset("v1"), subset("v2"), subset("v3")] });
    mesh.rule("DestinationRule", "shop/web", rule);
    assert_eq!(mesh.findings(), [""; 0]);
    // Pods that are not known tell nothing.
    let _ = mesh.slice(slice("shop", "web", &["10.1.0.1"]));
    assert_eq!(mesh.findings(), [""; 0]);
    let v1 = [("app", "web"), ("version", "v1")];
    mesh.pod(pod("shop", "web-10.1.0.1", &v1, "10.1.0.1"));
    let finding = one(&mesh);
    let told = "DestinationRule shop/web: no endpoint of web.shop.svc.cluster.local has the labels of \
                the subsets v2, v3: ";
    assert!(finding.starts_with(told), "{finding}");
    // Nothing is sent to the others.
    let rules = to_subsets("web", &["v1", "v3"]);
    mesh.rule("VirtualService", "shop/web", rules);
    assert!(one(&mesh).contains("the subset v3: "));
}

#[test]
fn a_subset_of_a_service_entry_that_no_endpoint_is_in_is_told() {
    let mut mesh = Mesh::with_web();
    mesh.rule(
        "ServiceEntry",
        "shop/entry",
        json!({ "hosts": ["a.com"], "resolution": "STATIC",
            "ports": [{ "number": 80, "name": "http", "protocol": "HTTP" }],
            "endpoints": [{ "address": "192.0.2.1", "labels": { "zone": "a" } }] }),
    );
    mesh.rule(
        "DestinationRule",
        "shop/entry",
        json!({ "host": "a.com", "subsets": [
            { "name": "a", "labels": { "zone": "a" } }, { "name": "b", "labels": { "zone": "b" } }] }),
    );
    let rules = to_subsets("a.com", &["a", "b"]);
    mesh.rule("VirtualService", "shop/entry", rules);
    assert!(one(&mesh).contains("no endpoint of a.com has the labels of the subset b:"));
}
