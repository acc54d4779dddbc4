use std::sync::Arc;

use serde_json::json;

use super::fixture::{Mesh, pod, service, slice};
use crate::model::{ListenerProtocol, Model, Outbound, TcpRoute};

/// The listeners, `NAME: WHAT`.
fn listeners(outbound: &Outbound) -> Vec<String> {
    let show = |route: &TcpRoute| {
        let ranges = route.destinations.iter();
        let ranges: Vec<_> = ranges
            .map(|to| format!("{}/{}", to.address, to.length))
            .collect();
        let names: Vec<_> = route.server_names.iter().map(|name| &**name).collect();
        let clusters = route.clusters.iter();
        let clusters: Vec<_> = clusters
            .map(|to| format!("{}={}", to.cluster, to.weight))
            .collect();
        format!(
            "[{}{}]{}",
            ranges.join(","),
            names.join(","),
            clusters.join("+")
        )
    };
    let listeners = outbound.listeners.iter().map(|listener| {
        let what = match &listener.protocol {
            ListenerProtocol::Http { routes } => format!("http {routes}"),
            ListenerProtocol::Sniffed { routes, tcp } => {
                let tcp: Vec<_> = tcp.iter().map(show).collect();
                format!("sniffed {routes} {}", tcp.join(" "))
            }
            ListenerProtocol::Tcp(tcp) => {
                let tcp: Vec<_> = tcp.iter().map(show).collect();
                format!("tcp {}", tcp.join(" "))
            }
        };
        format!("{}: {what}", listener.name)
    });
    listeners.collect()
}

fn of(mesh: &Mesh) -> Vec<String> {
    listeners(&mesh.outbound("shop/client"))
}

fn with_port(name: &str, port: u16) -> Mesh {
    let mut mesh = Mesh::with_web();
    let mut db = service("shop", "db", &[(name, port)]);
    db.addresses = vec!["10.96.1.1".parse().unwrap()];
    mesh.service(db);
    mesh
}

#[test]
fn http_ports_share_a_listener_of_all_addresses() {
    let mut mesh = Mesh::with_web();
    mesh.service(service("other", "api", &[("http", 80), ("grpc", 81)]));
    assert_eq!(of(&mesh), ["0.0.0.0_80: http 80", "0.0.0.0_81: http 81"]);
}

#[test]
fn a_tcp_port_has_a_listener_of_the_services_address() {
    let cluster = "outbound|5432||db.shop.svc.cluster.local";
    assert_eq!(
        of(&with_port("tcp", 5432)),
        [
            "0.0.0.0_80: http 80".to_owned(),
            format!("10.96.1.1_5432: tcp []{cluster}=1")
        ]
    );
}

#[test]
fn a_port_without_a_known_name_is_sniffed_at_its_address() {
    let mesh = with_port("", 5432);
    let table = "db.shop.svc.cluster.local:5432";
    let cluster = "outbound|5432||db.shop.svc.cluster.local";
    assert_eq!(
        of(&mesh)[1],
        format!("10.96.1.1_5432: sniffed {table} []{cluster}=1")
    );
    let outbound = mesh.outbound("shop/client");
    // Whatever host the client names, it is this destination's.
    assert_eq!(
        super::fixture::in_table(&outbound.routes[table], "x", "/"),
        format!("{cluster}=1")
    );
    assert!(!outbound.routes.contains_key("5432"));
}

#[test]
fn an_undeclared_port_of_a_server_first_protocol_is_tcp() {
    assert!(of(&with_port("db", 3306))[1].starts_with("10.96.1.1_3306: tcp"));
}

#[test]
fn each_address_of_a_service_has_a_listener() {
    let mut mesh = Mesh::with_web();
    let mut db = service("shop", "db", &[("tcp", 5432)]);
    db.addresses = vec!["10.96.1.1".parse().unwrap(), "fd00::1".parse().unwrap()];
    mesh.service(db);
    let names: Vec<_> = of(&mesh)
        .iter()
        .map(|text| text.split(": ").next().unwrap().to_owned())
        .collect();
    assert_eq!(names, ["0.0.0.0_80", "10.96.1.1_5432", "fd00::1_5432"]);
}

#[test]
fn a_pod_with_ipv6_alone_has_listeners_of_all_ipv6_addresses() {
    let mut mesh = Mesh::with_web();
    mesh.pod(pod("shop", "six", &[], "fd00::5"));
    assert_eq!(listeners(&mesh.outbound("shop/six")), ["::_80: http 80"]);
}

#[test]
fn a_headless_service_has_a_listener_for_each_pod() {
    let mut mesh = Mesh::with_web();
    let mut db = service("shop", "db", &[("tcp", 5432), ("http", 8080)]);
    db.headless = true;
    db.addresses.clear();
    mesh.service(db);
    assert_eq!(
        of(&mesh),
        ["0.0.0.0_80: http 80", "0.0.0.0_8080: http 8080"]
    );
    // A new address is a new listener, and so a change of rules.
    assert!(
        mesh.slice(slice("shop", "db", &["10.1.0.1", "10.1.0.2"]))
            .rules
    );
    let cluster = "outbound|5432||db.shop.svc.cluster.local";
    assert_eq!(
        of(&mesh)[2..],
        [
            format!("10.1.0.1_5432: tcp []{cluster}=1"),
            format!("10.1.0.2_5432: tcp []{cluster}=1"),
        ]
    );
}

#[test]
fn tcp_rules_send_connections_by_weight() {
    let mut mesh = with_port("tcp", 5432);
    mesh.rule(
        "VirtualService",
        "shop/db",
        json!({ "hosts": ["db"], "tcp": [
            { "match": [{ "port": 5432, "sourceLabels": { "app": "other" } }],
              "route": [{ "destination": { "host": "x.x", "port": { "number": 1 } } }] },
            { "match": [{ "destinationSubnets": ["10.96.1.0/24"] }],
              "route": [{ "destination": { "host": "y.x", "port": { "number": 1 } } }] },
            { "match": [{ "port": 5432 }], "route": [
                { "destination": { "host": "db", "subset": "v1" }, "weight": 80 },
                { "destination": { "host": "db", "subset": "v2" }, "weight": 20 } ] },
            { "route": [{ "destination": { "host": "never.x" } }] },
        ]}),
    );
    let db = "db.shop.svc.cluster.local";
    let expected = format!(
        "10.96.1.1_5432: tcp [10.96.1.0/24]outbound|1||y.x=1 \
         []outbound|5432|v1|{db}=80+outbound|5432|v2|{db}=20"
    );
    assert_eq!(of(&mesh)[1], expected);
}

#[test]
fn a_tls_port_ignores_tcp_rules() {
    let mut mesh = with_port("tls", 443);
    mesh.rule(
        "VirtualService",
        "shop/db",
        json!({ "hosts": ["db"], "tcp": [
        { "route": [{ "destination": { "host": "x.x" } }] }] }),
    );
    assert_eq!(
        of(&mesh)[1],
        "10.96.1.1_443: tcp []outbound|443||db.shop.svc.cluster.local=1"
    );
}

#[test]
fn the_proxys_own_ports_have_no_listener_of_all_addresses() {
    let mut mesh = Mesh::with_web();
    mesh.service(service(
        "shop",
        "odd",
        &[("http", 15001), ("http-a", 15006)],
    ));
    assert_eq!(of(&mesh), ["0.0.0.0_80: http 80"]);
}

#[test]
fn what_a_change_leaves_as_it_was_is_the_same_value() {
    let mut mesh = Mesh::with_web();
    mesh.service(service("other", "api", &[("http", 81)]));
    let before = mesh.outbound("shop/client");
    let private = json!({ "hosts": ["api"], "exportTo": ["."],
        "http": [{ "route": [{ "destination": { "host": "x.x" } }] }] });
    let elsewhere = mesh.outbound("other/client");
    mesh.rule("VirtualService", "other/api", private);
    assert!(Arc::ptr_eq(&before, &mesh.outbound("shop/client")));
    let changed = mesh.outbound("other/client");
    assert!(!Arc::ptr_eq(&elsewhere, &changed));
    assert!(Arc::ptr_eq(&elsewhere.clusters, &changed.clusters));
    let web = |outbound: &Outbound| Arc::clone(outbound.routes["80"].find("web.shop").unwrap());
    assert!(Arc::ptr_eq(&web(&elsewhere), &web(&changed)));
}

#[test]
fn clients_of_a_namespace_share_their_tables() {
    let mut mesh = Mesh::with_web();
    mesh.pod(pod("shop", "more", &[("app", "more")], "10.0.0.9"));
    let tables = || (mesh.outbound("shop/client"), mesh.outbound("shop/more"));
    let (one, other) = tables();
    assert!(Arc::ptr_eq(&one, &other));
    let elsewhere = mesh.outbound("other/client");
    let cluster = "outbound|80||web.shop.svc.cluster.local";
    assert!(Arc::ptr_eq(
        &one.clusters[cluster],
        &elsewhere.clusters[cluster]
    ));
}

#[test]
fn labels_that_decide_nothing_for_sidecars_do_not_multiply_their_tables() {
    let mut mesh = Mesh::with_web();
    mesh.rule(
        "Gateway",
        "shop/gw",
        json!({ "selector": { "hash": "g" }, "servers": [
            { "port": { "number": 80, "name": "http", "protocol": "HTTP" }, "hosts": ["*"] }] }),
    );
    let to_web = json!([{ "destination": { "host": "web" } }]);
    mesh.rule(
        "VirtualService",
        "shop/web",
        json!({ "hosts": ["web"], "http": [
            { "match": [{ "sourceLabels": { "hash": "x", "app": "b" } }], "route": to_web },
            { "route": to_web }] }),
    );
    let clients = [
        ("a", "a", "x"),
        ("b", "b", "y"),
        ("g", "c", "g"),
        ("x", "b", "x"),
    ];
    for (name, app, hash) in clients {
        mesh.pod(pod(
            "shop",
            name,
            &[("app", app), ("hash", hash)],
            "10.0.0.9",
        ));
    }
    let [a, b, g, x] = ["shop/a", "shop/b", "shop/g", "shop/x"].map(|name| mesh.outbound(name));
    assert!(Arc::ptr_eq(&a, &b) && Arc::ptr_eq(&a, &g));
    assert!(!Arc::ptr_eq(&a, &x));
}

#[test]
fn a_paced_model_makes_tables_again_when_it_is_told_to() {
    let mut mesh = Mesh {
        model: Model::paced(),
        ..Mesh::default()
    };
    mesh.pod(pod("shop", "client", &[], "10.0.0.1"));
    let before = mesh.outbound("shop/client");
    mesh.service(service("shop", "web", &[("http", 80)]));
    assert!(Arc::ptr_eq(&before, &mesh.outbound("shop/client")));
    mesh.model.renew();
    assert_eq!(mesh.outbound("shop/client").clusters.len(), 1);
}
