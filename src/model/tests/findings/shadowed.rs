//! VirtualServices without effect at a gateway, because others come first.

use serde_json::{Value, json};

use super::{gateway, one};
use crate::model::{
    Change, Event,
    tests::fixture::{INGRESS, Mesh, gateway_pod, key},
};

/// Rules for the host of all, with an answer at each of these paths; at all, if there are none.
fn paths(gateway: &str, paths: &[&str]) -> Value {
    let matches: Vec<Value> = paths
        .iter()
        .map(|path| json!({ "uri": { "exact": path } }))
        .collect();
    json!({ "hosts": ["*"], "gateways": [gateway],
        "http": [{ "match": matches, "directResponse": { "status": 200 } }] })
}

#[test]
fn rules_of_which_others_have_all_conditions_at_a_gateway_are_told() {
    let mut mesh = Mesh::with_gateway();
    // As Bookinfo in two namespaces.
    for namespace in ["one", "two"] {
        mesh.rule(
            "Gateway",
            &format!("{namespace}/gw"),
            gateway(&[80], &["*"]),
        );
        let rules = paths("gw", &["/productpage", "/login"]);
        mesh.rule("VirtualService", &format!("{namespace}/bookinfo"), rules);
    }
    let finding = one(&mesh);
    let told = "VirtualService two/bookinfo: at the gateway with istio=in in infra, this VirtualService has no effect \
                for *:80: the VirtualService one/bookinfo has all its conditions there, and comes first";
    assert!(finding.starts_with(told), "{finding}");
    // It is the same once the gateway has asked for its tables.
    mesh.model.gateway(&mesh.client("infra/gw"));
    assert_eq!(one(&mesh), finding);
    // One condition of its own.
    let rules = paths("gw", &["/productpage", "/logout"]);
    mesh.rule("VirtualService", "two/bookinfo", rules);
    assert_eq!(mesh.findings(), [""; 0]);
}

/// The usual install has both in one namespace.
#[test]
fn gateways_of_one_namespace_are_told_apart() {
    let mut mesh = Mesh::with_gateway();
    mesh.pod(gateway_pod(
        "infra",
        "egress",
        &[("istio", "out"), ("hash", "1")],
        "10.2.0.2",
    ));
    for name in ["in", "out"] {
        let mut gateway = gateway(&[80], &["*"]);
        gateway["selector"] = json!({ "istio": name });
        mesh.rule("Gateway", &format!("shop/{name}"), gateway);
    }
    for name in ["old", "young"] {
        let mut rules = paths("in", &["/a"]);
        rules["gateways"] = json!(["in", "out"]);
        mesh.rule("VirtualService", &format!("shop/{name}"), rules);
    }
    // No Service has the port of egress, which is told as well.
    let told = mesh.findings().into_iter().filter_map(|finding| {
        let (_, rest) = finding.split_once("at the gateway with ")?;
        Some(rest.split_once(',')?.0.to_owned())
    });
    let told: Vec<_> = told.collect();
    assert_eq!(told, ["istio=in in infra", "istio=out in infra"]);
}

#[test]
fn what_every_request_fulfils_hides_only_the_same() {
    let mut mesh = Mesh::with_gateway();
    mesh.rule("Gateway", "shop/gw", gateway(&[80], &["*"]));
    mesh.rule("VirtualService", "shop/all", paths("gw", &[]));
    // Routes for some requests come before those for all, whichever is older.
    mesh.rule("VirtualService", "shop/some", paths("gw", &["/a"]));
    assert_eq!(mesh.findings(), [""; 0]);
    let mut all = paths("gw", &["/"]);
    all["http"][0]["match"] = json!([{ "uri": { "regex": ".*" } }]);
    mesh.rule("VirtualService", "shop/young", all);
    let finding = one(&mesh);
    assert!(
        finding.starts_with("VirtualService shop/young: "),
        "{finding}"
    );
    assert!(finding.contains("the VirtualService shop/all"), "{finding}");
}

#[test]
fn rules_that_a_host_has_by_two_gateways_are_their_own() {
    let mut mesh = Mesh::with_gateway();
    mesh.rule("Gateway", "shop/one", gateway(&[80], &["*"]));
    mesh.rule("Gateway", "shop/two", gateway(&[80], &["*"]));
    let mut rules = paths("one", &[]);
    rules["gateways"] = json!(["one", "two"]);
    mesh.rule("VirtualService", "shop/x", rules);
    assert_eq!(mesh.findings(), [""; 0]);
}

#[test]
fn only_routes_that_hold_at_a_port_count() {
    let mut mesh = Mesh::with_gateway();
    mesh.rule("Gateway", "shop/gw", gateway(&[80, 31400], &["*"]));
    mesh.rule("VirtualService", "shop/old", paths("gw", &["/a"]));
    let mut rules = paths("gw", &["/a", "/b"]);
    rules["http"][0]["match"][1]["port"] = json!(31400);
    mesh.rule("VirtualService", "shop/young", rules);
    assert!(one(&mesh).contains("no effect for *:80: "));
}

/// Which of them hold where differs by the Gateway or the port of a request.
#[test]
fn rules_that_a_host_has_in_several_parts_need_one_condition_of_their_own() {
    let mut mesh = Mesh::with_gateway();
    mesh.rule("Gateway", "shop/one", gateway(&[80], &["*"]));
    // Its 8080 is the target of 80.
    mesh.rule("Gateway", "shop/two", gateway(&[80, 8080], &["*"]));
    mesh.rule("VirtualService", "shop/old", paths("one", &["/a"]));
    let young = |field: &str, [a, b]: [Value; 2]| {
        let mut rules = paths("one", &["/a", "/b"]);
        rules["gateways"] = json!(["one", "two"]);
        rules["http"][0]["match"][0][field] = a;
        rules["http"][0]["match"][1][field] = b;
        rules
    };
    let by_gateway = young("gateways", [json!(["one"]), json!(["two"])]);
    mesh.rule("VirtualService", "shop/young", by_gateway);
    assert_eq!(mesh.findings(), [""; 0]);
    let by_port = young("port", [json!(80), json!(8080)]);
    mesh.rule("VirtualService", "shop/young", by_port);
    assert_eq!(mesh.findings(), [""; 0]);
    // `/a` alone is of the older one in both.
    let mut none = paths("one", &["/a"]);
    none["gateways"] = json!(["one", "two"]);
    mesh.rule("VirtualService", "shop/young", none);
    assert!(one(&mesh).contains("no effect for *:80: the VirtualService shop/old has all"));
}

#[test]
fn what_was_found_at_a_gateway_goes_with_its_last_pod() {
    let mut mesh = Mesh::with_gateway();
    mesh.pod(gateway_pod("other", "gw", &[("istio", "in")], "10.2.0.2"));
    mesh.rule("Gateway", "shop/gw", gateway(&[80], &["*"]));
    for name in ["old", "young"] {
        mesh.rule(
            "VirtualService",
            &format!("shop/{name}"),
            paths("gw", &["/a"]),
        );
    }
    let shadowed = |mesh: &Mesh| {
        let findings = mesh.findings().into_iter();
        let told = findings.filter_map(|finding| {
            let (_, rest) = finding.split_once("at the gateway with istio=in in ")?;
            Some(rest.split_once(',')?.0.to_owned())
        });
        told.collect::<Vec<_>>()
    };
    for gateway in ["infra/gw", "other/gw"] {
        mesh.model.gateway(&mesh.client(gateway));
    }
    assert_eq!(shadowed(&mesh), ["infra", "other"]);
    let _ = mesh.apply(Event::Pod(Change::Delete(key("infra/gw"))));
    assert_eq!(shadowed(&mesh), ["other"]);
    mesh.pod(gateway_pod("other", "gw", &[("istio", "out")], "10.2.0.2"));
    assert_eq!(shadowed(&mesh), [""; 0]);
    mesh.pod(gateway_pod("infra", "gw", &INGRESS, "10.2.0.1"));
    assert_eq!(shadowed(&mesh), ["infra"]);
}
