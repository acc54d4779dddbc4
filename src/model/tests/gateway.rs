use std::sync::Arc;

use serde_json::{Value, json};

use super::fixture::{Mesh, in_table, service};
use crate::model::{GatewayProtocol, GatewayTables};

fn http(hosts: Value) -> Value {
    json!({ "selector": { "istio": "in" }, "servers": [
        { "port": { "number": 80, "name": "http", "protocol": "HTTP" }, "hosts": hosts }] })
}

fn rules(hosts: Value, gateways: Value, host: &str) -> Value {
    json!({ "hosts": hosts, "gateways": gateways,
        "http": [{ "route": [{ "destination": { "host": host } }] }] })
}

fn tables(mesh: &Mesh) -> Arc<GatewayTables> {
    mesh.model.gateway(&mesh.client("infra/gw"))
}

fn get(mesh: &Mesh, authority: &str) -> String {
    in_table(&tables(mesh).routes["http.8080"], authority, "/")
}

const WEB: &str = "outbound|80||web.shop.svc.cluster.local=1";

#[test]
fn a_gateway_binds_the_target_port_of_its_services_port() {
    let mut mesh = Mesh::with_gateway();
    mesh.rule("Gateway", "shop/gw", http(json!(["*"])));
    let tables = tables(&mesh);
    let listener = &tables.listeners[0];
    assert_eq!(
        (&*listener.name, listener.port, tables.listeners.len()),
        ("0.0.0.0_8080", 8080, 1)
    );
    assert_eq!(
        listener.protocol,
        GatewayProtocol::Http {
            routes: "http.8080".into()
        }
    );
    // There is no VirtualService: 404 for all.
    assert_eq!(get(&mesh, "x.com"), "no host");
}

#[test]
fn a_port_that_no_service_has_is_bound_as_it_is() {
    let mut mesh = Mesh::with_gateway();
    mesh.rule(
        "Gateway",
        "shop/gw",
        json!({ "selector": { "istio": "in" }, "servers": [
        { "port": { "number": 9000, "name": "http", "protocol": "HTTP" }, "hosts": ["*"] }] }),
    );
    assert_eq!(tables(&mesh).listeners[0].port, 9000);
}

#[test]
fn the_selector_is_for_pods_of_all_namespaces_and_for_labels() {
    let mut mesh = Mesh::with_gateway();
    mesh.rule(
        "Gateway",
        "shop/other",
        json!({ "selector": { "istio": "other" }, "servers": [
        { "port": { "number": 80, "name": "http", "protocol": "HTTP" }, "hosts": ["*"] }] }),
    );
    assert!(tables(&mesh).listeners.is_empty());
    mesh.rule(
        "Gateway",
        "shop/all",
        json!({ "servers": [
        { "port": { "number": 80, "name": "http", "protocol": "HTTP" }, "hosts": ["*"] }] }),
    );
    assert_eq!(tables(&mesh).listeners.len(), 1);
}

#[test]
fn a_virtual_service_is_bound_where_hosts_intersect() {
    let mut mesh = Mesh::with_gateway();
    mesh.rule(
        "Gateway",
        "shop/gw",
        http(json!(["bookinfo.example.com", "*.org"])),
    );
    mesh.rule(
        "VirtualService",
        "shop/all",
        rules(json!(["*"]), json!(["gw"]), "web"),
    );
    assert_eq!(get(&mesh, "bookinfo.example.com"), WEB);
    assert_eq!(get(&mesh, "BOOKINFO.example.com:30080"), WEB);
    assert_eq!(get(&mesh, "a.org"), WEB);
    assert_eq!(get(&mesh, "other.example.com"), "no host");
    let table = &tables(&mesh).routes["http.8080"];
    let names: Vec<_> = table.hosts.iter().map(|host| &*host.name).collect();
    assert_eq!(names, ["*.org:80", "bookinfo.example.com:80"]);
}

#[test]
fn the_walk_throughs_gateway_serves_every_host() {
    let mut mesh = Mesh::with_gateway();
    mesh.rule("Gateway", "shop/gw", http(json!(["*"])));
    mesh.rule(
        "VirtualService",
        "shop/web",
        json!({ "hosts": ["*"], "gateways": ["gw"], "http": [
        { "match": [{ "uri": { "exact": "/page" } }, { "uri": { "prefix": "/static" } }],
          "route": [{ "destination": { "host": "web", "port": { "number": 80 } } }] }] }),
    );
    let table = &tables(&mesh).routes["http.8080"];
    assert_eq!(in_table(table, "10.0.0.1:30080", "/page"), WEB);
    assert_eq!(in_table(table, "x", "/static/a.css"), WEB);
    assert_eq!(in_table(table, "x", "/other"), "no route");
}

#[test]
fn a_virtual_service_that_does_not_name_the_gateway_is_not_bound() {
    let mut mesh = Mesh::with_gateway();
    mesh.rule("Gateway", "shop/gw", http(json!(["*"])));
    mesh.rule(
        "VirtualService",
        "shop/mesh",
        rules(json!(["x.com"]), json!(["mesh"]), "web"),
    );
    mesh.rule(
        "VirtualService",
        "other/gw",
        rules(json!(["y.com"]), json!(["gw"]), "web"),
    );
    mesh.rule(
        "VirtualService",
        "other/z",
        rules(
            json!(["z.com"]),
            json!(["shop/gw"]),
            "web.shop.svc.cluster.local",
        ),
    );
    assert_eq!(get(&mesh, "x.com"), "no host");
    assert_eq!(get(&mesh, "y.com"), "no host");
    assert_eq!(get(&mesh, "z.com"), WEB);
}

#[test]
fn a_host_with_a_namespace_is_for_its_virtual_services() {
    let mut mesh = Mesh::with_gateway();
    mesh.rule(
        "Gateway",
        "shop/gw",
        http(json!(["./x.com", "other/y.com"])),
    );
    let rule = |host: &str| {
        rules(
            json!([host]),
            json!(["shop/gw"]),
            "web.shop.svc.cluster.local",
        )
    };
    mesh.rule("VirtualService", "shop/x", rule("x.com"));
    mesh.rule("VirtualService", "shop/y", rule("y.com"));
    assert_eq!(get(&mesh, "x.com"), WEB);
    assert_eq!(get(&mesh, "y.com"), "no host");
    mesh.rule("VirtualService", "other/y", rule("y.com"));
    assert_eq!(get(&mesh, "y.com"), WEB);
}

#[test]
fn rules_of_several_virtual_services_follow_each_other_and_catch_alls_come_last() {
    let mut mesh = Mesh::with_gateway();
    mesh.rule("Gateway", "shop/gw", http(json!(["*"])));
    mesh.rule(
        "VirtualService",
        "shop/one",
        rules(json!(["x.com"]), json!(["gw"]), "one.x"),
    );
    mesh.rule(
        "VirtualService",
        "shop/two",
        json!({ "hosts": ["x.com"], "gateways": ["gw"],
        "http": [{ "match": [{ "uri": { "prefix": "/two" } }],
            "route": [{ "destination": { "host": "two.x" } }] }] }),
    );
    let table = &tables(&mesh).routes["http.8080"];
    assert_eq!(in_table(table, "x.com", "/two"), "outbound|80||two.x=1");
    assert_eq!(in_table(table, "x.com", "/"), "outbound|80||one.x=1");
}

#[test]
fn a_destination_without_a_port_has_the_only_one_of_its_service() {
    let mut mesh = Mesh::with_gateway();
    mesh.service(service("shop", "api", &[("http", 9080)]));
    mesh.rule("Gateway", "shop/gw", http(json!(["*"])));
    mesh.rule(
        "VirtualService",
        "shop/api",
        rules(json!(["x.com"]), json!(["gw"]), "api"),
    );
    assert_eq!(
        get(&mesh, "x.com"),
        "outbound|9080||api.shop.svc.cluster.local=1"
    );
}

#[test]
fn a_matchs_gateways_choose_among_them() {
    let mut mesh = Mesh::with_gateway();
    mesh.rule("Gateway", "shop/gw", http(json!(["*"])));
    mesh.rule("VirtualService", "shop/web", json!({ "hosts": ["web"], "gateways": ["gw", "mesh"], "http": [
        { "match": [{ "gateways": ["gw"] }], "route": [{ "destination": { "host": "gw.x" } }] },
        { "match": [{ "gateways": ["mesh"] }], "route": [{ "destination": { "host": "mesh.x" } }] },
    ]}));
    assert_eq!(
        get(&mesh, "web.shop.svc.cluster.local"),
        "outbound|80||gw.x=1"
    );
    assert_eq!(mesh.get("shop/client", "web:80/"), "outbound|80||mesh.x=1");
}

#[test]
fn a_redirect_to_https_needs_no_virtual_service() {
    let mut mesh = Mesh::with_gateway();
    mesh.refused_rule(
        "Gateway",
        "shop/gw",
        json!({ "selector": { "istio": "in" }, "servers": [
        { "port": { "number": 80, "name": "http", "protocol": "HTTP" }, "hosts": ["x.com"],
          "tls": { "httpsRedirect": true } }] }),
    );
    let tables = tables(&mesh);
    let host = tables.routes["http.8080"].find("x.com").unwrap();
    assert!(host.https_redirect && host.routes.routes.is_empty());
}

#[test]
fn a_server_of_tcp_has_the_first_rule_for_it() {
    let mut mesh = Mesh::with_gateway();
    mesh.rule(
        "Gateway",
        "shop/gw",
        json!({ "selector": { "istio": "in" }, "servers": [
        { "port": { "number": 31400, "name": "tcp", "protocol": "TCP" }, "hosts": ["*"] }] }),
    );
    mesh.rule(
        "VirtualService",
        "shop/echo",
        json!({ "hosts": ["*"], "gateways": ["gw"], "tcp": [
        { "match": [{ "port": 1 }], "route": [{ "destination": { "host": "no.x" } }] },
        { "match": [{ "port": 31400 }], "route": [
            { "destination": { "host": "web", "subset": "v1" }, "weight": 80 },
            { "destination": { "host": "web", "subset": "v2" }, "weight": 20 } ] } ] }),
    );
    let tables = tables(&mesh);
    let GatewayProtocol::Tcp(routes) = &tables.listeners[0].protocol else {
        panic!("{tables:?}");
    };
    let clusters: Vec<_> = routes[0]
        .clusters
        .iter()
        .map(|to| (&*to.cluster, to.weight))
        .collect();
    assert_eq!(
        clusters,
        [
            ("outbound|80|v1|web.shop.svc.cluster.local", 80),
            ("outbound|80|v2|web.shop.svc.cluster.local", 20),
        ]
    );
}

#[test]
fn hosts_of_the_same_rules_share_their_routes() {
    let mut mesh = Mesh::with_gateway();
    let server = |name: &str, hosts: &[&str]| json!({ "port": { "number": 80, "name": name, "protocol": "HTTP" }, "hosts": hosts });
    let servers = [
        server("a", &["a.com", "b.com"]),
        server("b", &["b.com", "c.com"]),
    ];
    let spec = json!({ "selector": { "istio": "in" }, "servers": servers });
    mesh.rule("Gateway", "shop/gw", spec);
    let hosts = json!(["a.com", "b.com", "c.com"]);
    mesh.rule(
        "VirtualService",
        "shop/web",
        rules(hosts, json!(["gw"]), "web"),
    );
    let tables = tables(&mesh);
    let [first, others @ ..] = tables.routes["http.8080"].hosts.as_slice() else {
        panic!("no hosts");
    };
    assert_eq!(others.len(), 2);
    for host in others {
        assert!(Arc::ptr_eq(&host.routes, &first.routes));
    }
    // Two servers of one Gateway have the same rules once.
    assert_eq!(first.routes.routes.len(), 1);
}
