use serde_json::{Value, json};

use super::fixture::{Mesh, pod, service};
use crate::model::{Address, Discovery, ListenerProtocol};

fn with_entry(spec: Value) -> Mesh {
    let mut mesh = Mesh::with_web();
    mesh.rule("ServiceEntry", "shop/ext", spec);
    mesh
}

fn port(number: u16, protocol: &str) -> Value {
    json!([{ "number": number, "name": protocol.to_lowercase(), "protocol": protocol }])
}

#[test]
fn an_http_host_by_dns_is_routed_by_its_name() {
    let mesh = with_entry(json!({
        "hosts": ["API.example.com"], "ports": port(80, "HTTP"), "resolution": "DNS" }));
    let cluster = "outbound|80||api.example.com";
    assert_eq!(
        mesh.get("other/client", "api.example.com:80/"),
        format!("{cluster}=1")
    );
    let outbound = mesh.outbound("other/client");
    let Discovery::Dns(groups) = &outbound.clusters[cluster].discovery else {
        panic!("{outbound:?}");
    };
    let endpoint = &groups[0].endpoints[0];
    assert_eq!(endpoint.address, Address::Name("api.example.com".into()));
    assert_eq!(endpoint.port, 80);
}

#[test]
fn static_endpoints_have_their_own_ports_weights_and_places() {
    let mesh = with_entry(json!({
    "hosts": ["db.example.com"], "ports": [{ "number": 80, "name": "http", "protocol": "HTTP", "targetPort": 8000 }],
    "resolution": "STATIC", "endpoints": [
        { "address": "192.0.2.1", "ports": { "http": 9000 }, "weight": 3, "locality": "r/z/s" },
        { "address": "192.0.2.2", "labels": { "version": "v1" } },
    ]}));
    let outbound = mesh.outbound("shop/client");
    let groups = mesh
        .model
        .endpoints(&outbound.clusters["outbound|80||db.example.com"]);
    let all: Vec<_> = groups
        .iter()
        .flat_map(|group| {
            group
                .endpoints
                .iter()
                .map(|to| (&*group.locality.sub_zone, to.port, to.weight))
        })
        .collect();
    assert_eq!(all, [("", 8000, 1), ("s", 9000, 3)]);
}

#[test]
fn a_subset_selects_by_the_labels_of_endpoints() {
    let mut mesh = with_entry(json!({
        "hosts": ["db.example.com"], "ports": port(80, "HTTP"), "resolution": "STATIC",
        "endpoints": [{ "address": "192.0.2.1" }, { "address": "192.0.2.2", "labels": { "v": "1" } }] }));
    mesh.rule(
        "DestinationRule",
        "shop/db",
        json!({ "host": "db.example.com",
        "subsets": [{ "name": "one", "labels": { "v": "1" } }] }),
    );
    let outbound = mesh.outbound("shop/client");
    let groups = mesh
        .model
        .endpoints(&outbound.clusters["outbound|80|one|db.example.com"]);
    assert_eq!(groups[0].endpoints.len(), 1);
}

#[test]
fn tcp_with_an_address_has_a_listener_there() {
    let mesh = with_entry(json!({
        "hosts": ["db.example.com"], "addresses": ["192.0.2.9"], "ports": port(5432, "TCP"),
        "resolution": "STATIC", "endpoints": [{ "address": "192.0.2.1" }] }));
    let outbound = mesh.outbound("shop/client");
    assert_eq!(&*outbound.listeners[1].name, "192.0.2.9_5432");
}

#[test]
fn tcp_with_a_range_is_told_apart_by_it() {
    let mut mesh = Mesh::with_web();
    mesh.refused_rule(
        "ServiceEntry",
        "shop/ext",
        json!({
        "hosts": ["db.example.com"], "addresses": ["192.0.2.0/24"], "ports": port(5432, "TCP"),
        "resolution": "STATIC", "endpoints": [{ "address": "192.0.2.1" }] }),
    );
    let outbound = mesh.outbound("shop/client");
    let listener = &outbound.listeners[0];
    assert_eq!(&*listener.name, "0.0.0.0_5432");
    let ListenerProtocol::Tcp(routes) = &listener.protocol else {
        panic!("{listener:?}");
    };
    assert_eq!(routes[0].destinations[0].length, 24);
}

#[test]
fn tcp_without_an_address_takes_the_port_and_the_oldest_has_it() {
    let mut mesh = with_entry(json!({
        "hosts": ["db.example.com"], "ports": port(5432, "TCP"), "resolution": "DNS" }));
    mesh.rule(
        "ServiceEntry",
        "shop/later",
        json!({
        "hosts": ["later.example.com"], "ports": port(5432, "TCP"), "resolution": "DNS" }),
    );
    let outbound = mesh.outbound("shop/client");
    let ListenerProtocol::Tcp(routes) = &outbound.listeners[0].protocol else {
        panic!("{outbound:?}");
    };
    assert_eq!(routes.len(), 1);
    assert_eq!(
        &*routes[0].clusters[0].cluster,
        "outbound|5432||db.example.com"
    );
}

#[test]
fn tls_without_an_address_is_told_apart_by_the_servers_name() {
    let mut mesh = with_entry(json!({
        "hosts": ["a.example.com"], "ports": port(443, "HTTPS"), "resolution": "DNS" }));
    mesh.rule(
        "ServiceEntry",
        "shop/b",
        json!({
        "hosts": ["b.example.com"], "ports": port(443, "TLS"), "resolution": "DNS" }),
    );
    let outbound = mesh.outbound("shop/client");
    let ListenerProtocol::Tcp(routes) = &outbound.listeners[0].protocol else {
        panic!("{outbound:?}");
    };
    let names: Vec<_> = routes.iter().map(|route| &*route.server_names[0]).collect();
    assert_eq!(names, ["a.example.com", "b.example.com"]);
}

#[test]
fn http_and_tcp_at_one_port_of_all_addresses_are_sniffed() {
    let mut mesh = with_entry(json!({
        "hosts": ["a.example.com"], "ports": port(443, "HTTPS"), "resolution": "DNS" }));
    mesh.rule(
        "ServiceEntry",
        "shop/b",
        json!({
        "hosts": ["b.example.com"], "ports": port(443, "HTTP"), "resolution": "DNS" }),
    );
    let outbound = mesh.outbound("shop/client");
    let ListenerProtocol::Sniffed { routes, tcp } = &outbound.listeners[0].protocol else {
        panic!("{outbound:?}");
    };
    assert_eq!((&**routes, tcp.len()), ("443", 1));
}

#[test]
fn a_private_entry_is_seen_at_home() {
    let mesh = with_entry(
        json!({ "hosts": ["a.example.com"], "ports": port(81, "HTTP"),
        "resolution": "DNS", "exportTo": ["."] }),
    );
    assert_ne!(mesh.get("shop/client", "a.example.com:81/"), "no host");
    assert_eq!(mesh.get("other/client", "a.example.com:81/"), "no host");
}

#[test]
fn an_entry_of_the_own_namespace_comes_before_others() {
    let entry = |address: &str| {
        json!({ "hosts": ["a.example.com"], "ports": port(81, "HTTP"),
        "resolution": "STATIC", "endpoints": [{ "address": address }] })
    };
    let mut mesh = with_entry(entry("192.0.2.1"));
    mesh.rule("ServiceEntry", "other/ext", entry("192.0.2.2"));
    let address = |client: &str| {
        let cluster = mesh.outbound(client).clusters["outbound|81||a.example.com"].clone();
        mesh.model.endpoints(&cluster)[0].endpoints[0]
            .address
            .clone()
    };
    assert_eq!(
        address("shop/client"),
        Address::Ip("192.0.2.1".parse().unwrap())
    );
    assert_eq!(
        address("other/client"),
        Address::Ip("192.0.2.2".parse().unwrap())
    );
}

#[test]
fn entries_of_one_namespace_for_one_host_are_joined_and_the_oldest_has_its_ports() {
    let entry = |number: u16, address: &str| {
        json!({ "hosts": ["a.example.com"], "ports": [
            { "number": 80, "name": "http", "protocol": "HTTP" },
            { "number": number, "name": "more", "protocol": "HTTP" },
        ], "resolution": "STATIC", "endpoints": [{ "address": address }] })
    };
    let mut mesh = with_entry(entry(81, "192.0.2.1"));
    mesh.rule("ServiceEntry", "shop/more", entry(82, "192.0.2.2"));
    let outbound = mesh.outbound("shop/client");
    let address = |port: u16| {
        let cluster = &outbound.clusters[format!("outbound|{port}||a.example.com").as_str()];
        match &mesh.model.endpoints(cluster)[0].endpoints[0].address {
            Address::Ip(ip) => ip.to_string(),
            Address::Name(name) => name.to_string(),
        }
    };
    assert_eq!(
        [80, 81, 82].map(address),
        ["192.0.2.1", "192.0.2.1", "192.0.2.2"]
    );
}

#[test]
fn a_services_address_is_its_own() {
    let mut mesh = Mesh::default();
    mesh.pod(pod("shop", "client", &[], "10.0.0.1"));
    let web = service("shop", "web", &[("http", 80), ("tcp", 81)]);
    mesh.rule(
        "ServiceEntry",
        "other/a",
        json!({ "hosts": ["a.example.com"], "resolution": "STATIC",
            "addresses": [web.addresses[0].to_string()],
            "endpoints": [{ "address": "192.0.2.1" }],
            "ports": [{ "number": 80, "name": "http", "protocol": "HTTP" },
                { "number": 81, "name": "tcp", "protocol": "TCP" }] }),
    );
    mesh.service(web.clone());
    let url = format!("{}:80/", web.addresses[0]);
    let cluster = "outbound|80||web.shop.svc.cluster.local=1";
    assert_eq!(mesh.get("shop/client", &url), cluster);
    let outbound = mesh.outbound("shop/client");
    let name = format!("{}_81", web.addresses[0]);
    let mut listeners = outbound.listeners.iter();
    let listener = listeners.find(|one| *one.name == *name).unwrap();
    let ListenerProtocol::Tcp(routes) = &listener.protocol else {
        panic!("{listener:?}");
    };
    let cluster = "outbound|81||web.shop.svc.cluster.local";
    assert_eq!(&*routes[0].clusters[0].cluster, cluster);
}
