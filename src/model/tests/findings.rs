mod admitted;
mod destination_rules;
mod gateways;
mod mutual_tls;
mod peer_authentications;
mod shadowed;
mod telemetries;

use serde_json::{Value, json};

use super::fixture::{Mesh, service};

fn to(host: &str) -> Value {
    json!([{ "route": [{ "destination": { "host": host } }] }])
}

/// A Gateway for HTTP.
fn gateway(ports: &[u16], hosts: &[&str]) -> Value {
    let server = |port: &u16| {
        json!({ "port": { "number": port, "name": format!("http-{port}"), "protocol": "HTTP" },
            "hosts": hosts })
    };
    let servers: Vec<Value> = ports.iter().map(server).collect();
    json!({ "selector": { "istio": "in" }, "servers": servers })
}

/// The only finding.
fn one(mesh: &Mesh) -> String {
    let [finding] = &mesh.findings()[..] else {
        panic!("{:?}", mesh.findings());
    };
    finding.clone()
}

#[test]
fn a_mesh_without_conflicts_has_no_findings() {
    let mut mesh = Mesh::with_web();
    mesh.rule(
        "VirtualService",
        "shop/web",
        json!({ "hosts": ["web"], "http": to("web") }),
    );
    assert!(mesh.findings().is_empty());
}

#[test]
fn the_later_virtual_service_for_a_host_is_told_of_the_older() {
    let mut mesh = Mesh::with_web();
    mesh.rule(
        "VirtualService",
        "shop/one",
        json!({ "hosts": ["web"], "http": to("web") }),
    );
    mesh.rule(
        "VirtualService",
        "shop/two",
        json!({ "hosts": ["web"], "http": to("web") }),
    );
    let [finding] = &mesh.findings()[..] else {
        panic!();
    };
    assert!(
        finding.starts_with("VirtualService shop/two: "),
        "{finding}"
    );
    assert!(
        finding.contains("older VirtualService shop/one"),
        "{finding}"
    );
}

#[test]
fn rules_for_other_audiences_are_no_conflict() {
    let mut mesh = Mesh::with_web();
    mesh.rule(
        "VirtualService",
        "shop/one",
        json!({ "hosts": ["web"], "http": to("web"),
        "exportTo": ["."] }),
    );
    mesh.rule(
        "VirtualService",
        "shop/two",
        json!({ "hosts": ["web"], "http": to("web") }),
    );
    assert!(mesh.findings().is_empty());
}

#[test]
fn rules_for_some_clients_leave_the_host_to_others() {
    let mut mesh = Mesh::with_web();
    mesh.rule("VirtualService", "shop/one", json!({ "hosts": ["web"], "http": [
        { "match": [{ "sourceNamespace": "other" }], "route": [{ "destination": { "host": "web" } }] }] }));
    mesh.rule(
        "VirtualService",
        "shop/two",
        json!({ "hosts": ["web"], "http": to("web") }),
    );
    assert!(mesh.findings().is_empty());
}

#[test]
fn a_subset_of_a_name_that_is_taken_is_told() {
    let mut mesh = Mesh::with_web();
    let rule = json!({ "host": "web", "subsets": [{ "name": "v1", "labels": { "a": "b" } }] });
    mesh.rule("DestinationRule", "shop/one", rule.clone());
    mesh.rule("DestinationRule", "shop/two", rule);
    let findings = mesh.findings();
    assert_eq!(findings.len(), 1);
    assert!(findings[0].starts_with("DestinationRule shop/two: the subset v1 of web.shop"));
}

#[test]
fn missing_destinations_gateways_ports_and_subsets_are_told() {
    let mut mesh = Mesh::with_web();
    mesh.rule(
        "VirtualService",
        "shop/web",
        json!({ "hosts": ["web"], "gateways": ["gw", "mesh"],
        "http": [{ "route": [
            { "destination": { "host": "missing" }, "weight": 1 },
            { "destination": { "host": "web", "port": { "number": 1 } }, "weight": 1 },
            { "destination": { "host": "web", "subset": "v1" }, "weight": 1 },
        ]}] }),
    );
    let findings = mesh.findings().join("\n");
    assert_eq!(findings.lines().count(), 4, "{findings}");
    for part in [
        "no Gateway shop/gw is in force",
        "this namespace sees no Service missing.shop.svc.cluster.local, and no ServiceEntry",
        "web.shop.svc.cluster.local has no port 1:",
        "has the subset v1",
    ] {
        assert!(findings.contains(part), "{part}: {findings}");
    }
}

#[test]
fn servers_of_one_port_speak_one_protocol() {
    let mut mesh = Mesh::with_gateway();
    let gateway = |protocol: &str| {
        json!({ "selector": { "istio": "in" }, "servers": [
        { "port": { "number": 80, "name": "x", "protocol": protocol }, "hosts": ["*"] }] })
    };
    mesh.rule("Gateway", "shop/one", gateway("HTTP"));
    mesh.rule("Gateway", "shop/two", gateway("TCP"));
    let findings = mesh.findings();
    assert!(
        findings[0].contains("Gateway shop/two: port 80 is used for HTTP"),
        "{findings:?}"
    );
}

/// A ServiceEntry without addresses, at port 90.
fn entry(host: &str, protocol: &str) -> Value {
    json!({ "hosts": [host], "resolution": "DNS",
        "ports": [{ "number": 90, "name": "x", "protocol": protocol }] })
}

#[test]
fn the_later_entry_without_addresses_at_a_port_is_told() {
    let mut mesh = Mesh::with_web();
    mesh.rule("ServiceEntry", "shop/one", entry("a.com", "TCP"));
    mesh.rule("ServiceEntry", "shop/two", entry("b.com", "TCP"));
    mesh.rule("ServiceEntry", "shop/tls", entry("c.com", "TLS"));
    let findings = mesh.findings();
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert!(findings[0].starts_with("ServiceEntry shop/two: port 90 is ignored, because shop/one"));
}

#[test]
fn http_beside_a_protocol_in_which_the_server_speaks_first_is_told() {
    let mut mesh = Mesh::with_web();
    mesh.rule("ServiceEntry", "shop/one", entry("a.com", "MYSQL"));
    mesh.service(service("shop", "api", &[("http", 90)]));
    let findings = mesh.findings();
    assert!(findings[0].starts_with("Service shop/api: sidecars don't read HTTP at port 90"));
}

#[test]
fn the_proxys_own_ports_are_told() {
    let mut mesh = Mesh::with_web();
    mesh.service(service("shop", "api", &[("http", 15001)]));
    assert!(mesh.findings()[0].contains("port 15001 is the proxy's own"));
}
