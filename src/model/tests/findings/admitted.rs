//! VirtualServices that name Gateways which admit none of their hosts.

use serde_json::{Value, json};

use super::{gateway, one};
use crate::model::tests::fixture::Mesh;

/// Rules with an answer, so that no destination matters.
fn answer(hosts: &[&str], gateways: &[&str]) -> Value {
    json!({ "hosts": hosts, "gateways": gateways, "http": [{ "directResponse": { "status": 200 } }] })
}

#[test]
fn gateways_that_have_none_of_the_hosts_are_told() {
    let mut mesh = Mesh::with_gateway();
    mesh.rule("Gateway", "shop/one", gateway(&[80], &["*.a.com"]));
    mesh.rule("Gateway", "shop/two", gateway(&[80], &["infra/b.com"]));
    mesh.rule("Gateway", "shop/three", gateway(&[80], &["./c.com"]));
    let all = ["one", "two", "three"];
    let rules = answer(&["x.a.com", "b.com", "c.com"], &all);
    mesh.rule("VirtualService", "shop/x", rules);
    let finding = one(&mesh);
    let told = "VirtualService shop/x: the Gateway shop/two admits none of this VirtualService's \
                hosts from the namespace shop: ";
    assert!(finding.starts_with(told), "{finding}");
    mesh.rule("VirtualService", "shop/x", answer(&["c.com"], &all));
    let finding = one(&mesh);
    let told = "the Gateways shop/one, shop/two admit none of this VirtualService's hosts";
    assert!(finding.contains(told), "{finding}");
    assert!(finding.contains("Add its hosts to the Gateways, or"));
}

/// As in Bookinfo with an ingress and sidecars.
#[test]
fn other_hosts_may_be_for_sidecars_or_for_a_gateway_that_is_missing() {
    let mut mesh = Mesh::with_gateway();
    mesh.rule("Gateway", "shop/gw", gateway(&[80], &["a.com"]));
    for gateways in [&["gw"][..], &["gw", "mesh"]] {
        let rules = answer(&["a.com", "web"], gateways);
        mesh.rule("VirtualService", "shop/x", rules);
        assert_eq!(mesh.findings(), [""; 0]);
    }
    // No host at all is the Gateway's.
    mesh.rule(
        "VirtualService",
        "shop/x",
        answer(&["web"], &["gw", "mesh"]),
    );
    assert!(one(&mesh).contains("the Gateway shop/gw admits none of this"));
    mesh.rule("VirtualService", "shop/x", answer(&["b.com"], &["missing"]));
    assert!(one(&mesh).contains("no Gateway shop/missing is in force"));
}

#[test]
fn hosts_and_gateways_that_multiply_are_not_compared() {
    let mut mesh = Mesh::with_gateway();
    let names: Vec<String> = (0..17).map(|number| format!("gw{number}")).collect();
    for name in &names {
        mesh.rule(
            "Gateway",
            &format!("shop/{name}"),
            gateway(&[80], &["a.com"]),
        );
    }
    let hosts: Vec<String> = (0..256).map(|number| format!("x{number}.b.com")).collect();
    let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    mesh.rule("VirtualService", "shop/x", answer(&hosts, &names[..16]));
    assert!(one(&mesh).contains("and 12 more admit none of this"));
    mesh.rule("VirtualService", "shop/x", answer(&hosts, &names));
    assert_eq!(mesh.findings(), [""; 0]);
}

/// The youngest ones are left.
#[test]
fn so_many_hosts_are_compared_in_all() {
    let mut mesh = Mesh::with_gateway();
    let names: Vec<String> = (0..16).map(|number| format!("gw{number}")).collect();
    for name in &names {
        let name = format!("shop/{name}");
        mesh.rule("Gateway", &name, gateway(&[80], &["a.com"]));
    }
    let hosts: Vec<String> = (0..256).map(|number| format!("x{number}.b.com")).collect();
    let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for number in 0..66 {
        let name = format!("shop/x{number}");
        mesh.rule("VirtualService", &name, answer(&hosts, &names));
    }
    let findings = mesh.findings();
    assert_eq!(findings.len(), 64);
    let is_of = |name: &str| findings.iter().any(|one| one.contains(name));
    assert!(is_of("shop/x0:") && is_of("shop/x63:") && !is_of("shop/x64:"));
}
