use serde_json::{Value, json};

use super::fixture::{Mesh, gateway_pod, in_table, pod, service};
use crate::model::{Action, ListenerProtocol};

/// Rules of 3.5 MiB: a long answer at many paths, then a host.
fn heavy(host: &str, gateway: &str) -> Value {
    let paths: Vec<Value> = (0..60)
        .map(|path| json!({ "uri": { "exact": format!("/{path}") } }))
        .collect();
    json!({ "hosts": [host], "gateways": [gateway], "http": [
        { "match": paths, "directResponse": { "status": 503, "body": { "string": "x".repeat(60_000) } } },
        { "route": [{ "destination": { "host": "web.shop.svc.cluster.local" } }] },
    ] })
}

fn about<'a>(findings: &'a [String], object: &str) -> Vec<&'a String> {
    let prefix = format!("{object}: ");
    let all = findings.iter();
    all.filter(|finding| finding.starts_with(&prefix)).collect()
}

#[test]
fn the_youngest_rules_are_left_out_of_a_table_that_would_be_too_large() {
    let mut mesh = Mesh::with_web();
    for name in ["a", "b", "c", "d", "e"] {
        mesh.service(service("shop", name, &[("http", 80)]));
    }
    for name in ["a", "b", "c", "d", "e"] {
        mesh.rule(
            "VirtualService",
            &format!("shop/{name}"),
            heavy(name, "mesh"),
        );
    }
    let web = "outbound|80||web.shop.svc.cluster.local=1";
    assert_eq!(mesh.get("shop/client", "a.shop:80/"), web);
    assert_eq!(mesh.get("shop/client", "d.shop:80/"), web);
    let left_out = mesh.host("shop/client", "e.shop", 80).unwrap();
    let [route] = &left_out.routes.routes[..] else {
        panic!("{} routes", left_out.routes.routes.len());
    };
    let Action::Respond(answer) = &route.action else {
        panic!("{route:?}");
    };
    assert_eq!(answer.status, 503);
    let body = String::from_utf8_lossy(&answer.body).into_owned();
    assert!(body.contains("VirtualService shop/e"), "{body}");
    // Others are as they were.
    assert_eq!(mesh.get("shop/client", "web.shop:80/"), web);
    let findings = mesh.findings();
    assert_eq!(
        about(&findings, "VirtualService shop/e").len(),
        1,
        "{findings:?}"
    );
    assert!(about(&findings, "VirtualService shop/d").is_empty());
}

/// Who has little keeps it, however much older the rules of a greedy namespace are.
#[test]
fn a_namespace_that_has_most_takes_nothing_from_others() {
    let mut mesh = Mesh::with_web();
    for name in ["a", "b", "c", "d", "e"] {
        mesh.service(service("shop", name, &[("http", 80)]));
        let host = format!("{name}.shop.svc.cluster.local");
        mesh.rule(
            "VirtualService",
            &format!("greedy/{name}"),
            heavy(&host, "mesh"),
        );
    }
    let own = json!({ "hosts": ["web"], "http": [
        { "directResponse": { "status": 418 } }] });
    mesh.rule("VirtualService", "shop/own", own);
    let host = mesh.host("shop/client", "web.shop", 80).unwrap();
    let Action::Respond(answer) = &host.routes.routes[0].action else {
        panic!("{host:?}");
    };
    assert_eq!(answer.status, 418);
    let findings = mesh.findings();
    assert_eq!(about(&findings, "VirtualService greedy/e").len(), 1);
    assert!(about(&findings, "VirtualService shop/own").is_empty());
}

/// They take no place in the table of port 80 that rules for destinations need.
#[test]
fn hosts_that_are_no_destinations_are_left_out_first() {
    let mut mesh = Mesh::with_web();
    for name in ["a", "b", "c"] {
        let rules = heavy(&format!("{name}.com"), "mesh");
        mesh.rule("VirtualService", &format!("shop/old-{name}"), rules);
    }
    for name in ["a", "b", "c"] {
        mesh.service(service("shop", name, &[("http", 80)]));
        let rules = heavy(name, "mesh");
        mesh.rule("VirtualService", &format!("shop/{name}"), rules);
    }
    let findings = mesh.findings();
    for name in ["a", "b", "c"] {
        let name = format!("VirtualService shop/{name}");
        assert!(about(&findings, &name).is_empty(), "{findings:?}");
    }
    assert!(about(&findings, "VirtualService shop/old-a").is_empty());
    assert_eq!(about(&findings, "VirtualService shop/old-b").len(), 1);
    assert_eq!(about(&findings, "VirtualService shop/old-c").len(), 1);
}

/// They have what the others leave.
#[test]
fn hosts_that_are_no_destinations_have_what_others_leave() {
    let mut mesh = Mesh::with_web();
    mesh.rule(
        "VirtualService",
        "shop/small",
        json!({ "hosts": ["small.com"],
        "http": [{ "route": [{ "destination": { "host": "web" } }] }] }),
    );
    mesh.rule("VirtualService", "shop/large", heavy("large.com", "mesh"));
    for name in ["a", "b", "c", "d", "e"] {
        mesh.service(service("shop", name, &[("http", 80)]));
        let rules = heavy(name, "mesh");
        mesh.rule("VirtualService", &format!("shop/{name}"), rules);
    }
    let findings = mesh.findings();
    assert!(about(&findings, "VirtualService shop/small").is_empty());
    let [large] = about(&findings, "VirtualService shop/large")[..] else {
        panic!("{findings:?}");
    };
    assert!(large.contains("no Service or ServiceEntry"), "{large}");
    let [youngest] = about(&findings, "VirtualService shop/e")[..] else {
        panic!("{findings:?}");
    };
    assert!(
        !youngest.contains("no Service or ServiceEntry"),
        "{youngest}"
    );
}

/// A rule that is for other ports takes nothing at this one.
#[test]
fn elements_of_match_count_where_they_hold() {
    let mut mesh = Mesh::with_web();
    for name in ["a", "b", "c", "d", "e"] {
        mesh.service(service("shop", name, &[("http", 80), ("http", 81)]));
        let mut rules = heavy(name, "mesh");
        for element in rules["http"][0]["match"].as_array_mut().unwrap() {
            element["port"] = json!(81);
        }
        if name == "e" {
            rules["http"][0]["match"]
                .as_array_mut()
                .unwrap()
                .truncate(1);
        }
        mesh.rule("VirtualService", &format!("shop/{name}"), rules);
    }
    assert!(about(&mesh.findings(), "VirtualService shop/e").is_empty());
    let routes = |host: &str, port| {
        let host = mesh.host("shop/client", host, port).unwrap();
        host.routes.routes.len()
    };
    assert_eq!([routes("a.shop", 80), routes("a.shop", 81)], [1, 61]);
}

#[test]
fn one_finding_tells_of_all_ports() {
    let mut mesh = Mesh::with_web();
    let ports: Vec<(&str, u16)> = (80..90).map(|port| ("http", port)).collect();
    for name in ["a", "b", "c", "d", "e"] {
        mesh.service(service("shop", name, &ports));
        let rules = heavy(name, "mesh");
        mesh.rule("VirtualService", &format!("shop/{name}"), rules);
    }
    let findings = mesh.findings();
    assert_eq!(about(&findings, "VirtualService shop/e").len(), 1);
}

/// Five VirtualServices of 1,000 rules: a listener that has all of them is refused.
#[test]
fn rules_for_tcp_that_are_too_many_for_a_listener_close_its_connections() {
    let mut mesh = Mesh::with_web();
    mesh.service(service("shop", "db", &[("tcp", 5432)]));
    for name in ["a", "b", "c", "d", "e"] {
        let rules: Vec<Value> = (0..1_000)
            .map(|index| {
                let subnet = format!("10.{}.{}.0/24", index / 256, index % 256);
                json!({ "match": [{ "destinationSubnets": [subnet] }],
                    "route": [{ "destination": { "host": "web" } }] })
            })
            .collect();
        let rules = json!({ "hosts": ["db"], "tcp": rules });
        mesh.rule("VirtualService", &format!("shop/{name}"), rules);
    }
    let outbound = mesh.outbound("shop/client");
    let mut all = outbound.listeners.iter();
    let listener = all.find(|listener| listener.port == 5432).unwrap();
    let ListenerProtocol::Tcp(routes) = &listener.protocol else {
        panic!("{listener:?}");
    };
    assert_eq!(routes.len(), 3_001);
    let last = routes.last().unwrap();
    assert_eq!(&*last.clusters[0].cluster, "BlackHoleCluster");
    assert_eq!(last.rule.as_ref().unwrap().to_string(), "shop/d");
    let findings = mesh.findings();
    assert_eq!(about(&findings, "VirtualService shop/d").len(), 1);
    assert!(about(&findings, "VirtualService shop/c").is_empty());
}

/// A mesh with a gateway for all hosts.
fn with_gateway() -> Mesh {
    let mut mesh = Mesh::with_web();
    mesh.pod(gateway_pod("infra", "gw", &[("istio", "in")], "10.2.0.1"));
    let servers = json!({ "selector": { "istio": "in" }, "servers": [
        { "port": { "number": 80, "name": "http", "protocol": "HTTP" }, "hosts": ["*"] }] });
    mesh.rule("Gateway", "shop/gw", servers);
    mesh
}

#[test]
fn the_youngest_rules_are_left_out_of_a_gateways_table() {
    let mut mesh = with_gateway();
    for name in ["a", "b", "c", "d", "e"] {
        let host = format!("{name}.com");
        mesh.rule(
            "VirtualService",
            &format!("shop/{name}"),
            heavy(&host, "gw"),
        );
    }
    // Nobody has asked for the gateway's tables yet: another replica may be the one that serves it.
    assert_eq!(about(&mesh.findings(), "VirtualService shop/e").len(), 1);
    let tables = mesh.model.gateway(&mesh.client("infra/gw"));
    let count = |host: &str| {
        let host = tables.routes["http.80"].find(host).unwrap();
        host.routes.routes.len()
    };
    let hosts = ["a.com", "b.com", "c.com", "d.com", "e.com"];
    assert_eq!(hosts.map(count), [61, 61, 61, 61, 1]);
}

/// A proxy refuses a host of more than 16,384 routes, and with it what older rules say.
#[test]
fn the_youngest_rules_are_left_out_of_a_gateways_host() {
    let mut mesh = with_gateway();
    let routes = |prefix: &str, count: usize| {
        let paths: Vec<Value> = (0..count)
            .map(|path| json!({ "uri": { "exact": format!("/{prefix}{path}") } }))
            .collect();
        json!({ "hosts": ["a.com"], "gateways": ["gw"], "http": [{ "match": paths,
            "route": [{ "destination": { "host": "web" } }] }] })
    };
    mesh.rule("VirtualService", "shop/old", routes("", 9_000));
    mesh.rule("VirtualService", "shop/young", routes("", 9_000));
    mesh.rule("VirtualService", "shop/small", routes("small-", 10));
    let tables = mesh.model.gateway(&mesh.client("infra/gw"));
    let table = &tables.routes["http.80"];
    // The last one refuses what the others don't take.
    let routes = &table.find("a.com").unwrap().routes.routes;
    assert_eq!(routes.len(), 9_011);
    let Some(Action::Respond(answer)) = routes.last().map(|route| &route.action) else {
        panic!("{:?}", routes.last());
    };
    assert_eq!(answer.status, 503);
    let web = "outbound|80||web.shop.svc.cluster.local=1";
    assert_eq!(in_table(table, "a.com", "/8999"), web);
    let findings = mesh.findings();
    assert_eq!(about(&findings, "VirtualService shop/young").len(), 1);
    assert!(about(&findings, "VirtualService shop/small").is_empty());
}

/// Where many are a little too much together, those that are left out are not many: only they need
/// room for refusals.
#[test]
fn refusals_displace_little() {
    let mut mesh = with_gateway();
    for number in 0..3_300 {
        let body = "x".repeat(4_000);
        let rules = json!({ "hosts": [format!("{number}.example.com")], "gateways": ["gw"],
            "http": [{ "directResponse": { "status": 418, "body": { "string": body } } }] });
        mesh.rule("VirtualService", &format!("shop/{number}"), rules);
    }
    let left_out = mesh.findings().len();
    assert!((1..250).contains(&left_out), "{left_out}");
}

/// What is left out takes nothing from what every request matches in a younger VirtualService.
#[test]
fn routes_that_are_left_out_of_a_host_refuse_only_what_nobody_else_routes() {
    let mut mesh = with_gateway();
    let paths: Vec<Value> = (0..16_383)
        .map(|path| json!({ "uri": { "exact": format!("/{path}") } }))
        .collect();
    let web = json!([{ "destination": { "host": "web" } }]);
    let rules = |http: Value| json!({ "hosts": ["a.com"], "gateways": ["gw"], "http": [http] });
    mesh.rule(
        "VirtualService",
        "shop/large",
        rules(json!({ "match": paths[1..].to_vec(), "route": web })),
    );
    mesh.rule(
        "VirtualService",
        "shop/other",
        rules(json!({ "match": paths[..10].to_vec(), "route": web })),
    );
    mesh.rule("VirtualService", "shop/all", rules(json!({ "route": web })));
    let tables = mesh.model.gateway(&mesh.client("infra/gw"));
    let table = &tables.routes["http.80"];
    let routes = &table.find("a.com").unwrap().routes.routes;
    assert_eq!(routes.len(), 16_383);
    let web = "outbound|80||web.shop.svc.cluster.local=1";
    assert_eq!(in_table(table, "a.com", "/anything"), web);
    assert_eq!(
        about(&mesh.findings(), "VirtualService shop/other").len(),
        1
    );
}

/// The room of all tables is not that of the lowest ports.
#[test]
fn a_namespace_that_has_most_at_other_ports_of_a_gateway_takes_nothing_from_others() {
    let mut mesh = with_gateway();
    let server = |port: u16| {
        json!({ "port": { "number": port, "name": format!("http-{port}"), "protocol": "HTTP" },
            "hosts": ["*"] })
    };
    let gateway = |ports: std::ops::Range<u16>| {
        let servers: Vec<Value> = ports.map(server).collect();
        json!({ "selector": { "istio": "in" }, "servers": servers })
    };
    mesh.rule("Gateway", "greedy/gw", gateway(1_000..1_005));
    mesh.rule("Gateway", "small/gw", gateway(9_000..9_001));
    for name in ["a", "b", "c", "d"] {
        let rules = heavy(&format!("{name}.com"), "gw");
        mesh.rule("VirtualService", &format!("greedy/{name}"), rules);
    }
    mesh.rule("VirtualService", "small/own", heavy("own.com", "gw"));
    let findings = mesh.findings();
    assert!(about(&findings, "VirtualService small/own").is_empty());
    // As much as before is left out of tables that are made.
    let tables = mesh.model.gateway(&mesh.client("infra/gw"));
    assert_eq!(mesh.findings(), findings);
    assert_eq!(
        about(&findings, "VirtualService greedy/a"),
        [] as [&String; 0]
    );
    assert_eq!(about(&findings, "VirtualService greedy/d").len(), 1);
    let own = tables.routes["http.9000"].find("own.com").unwrap();
    assert_eq!(own.routes.routes.len(), 61);
}

#[test]
fn subsets_of_a_wildcard_are_not_a_cluster_for_each_port_of_each_host() {
    let mut mesh = Mesh::with_web();
    let hosts: Vec<String> = (0..64).map(|host| format!("h{host}.x.io")).collect();
    let ports = json!([{ "name": "http", "number": 80, "protocol": "HTTP" },
        { "name": "grpc", "number": 81, "protocol": "GRPC" }]);
    mesh.rule(
        "ServiceEntry",
        "shop/many",
        json!({ "hosts": hosts, "ports": ports, "resolution": "STATIC",
            "endpoints": [{ "address": "10.9.0.1" }] }),
    );
    let subsets: Vec<Value> = (0..256)
        .map(|subset| json!({ "name": format!("v{subset}") }))
        .collect();
    let rule = json!({ "host": "*.x.io", "subsets": subsets });
    mesh.rule("DestinationRule", "shop/many", rule);
    let clusters = &mesh.outbound("shop/client").clusters;
    let (with, without): (Vec<_>, Vec<_>) = clusters
        .values()
        .filter(|cluster| cluster.key.host.ends_with("x.io"))
        .partition(|cluster| !cluster.key.subset.is_empty());
    assert_eq!((with.len(), without.len()), (16_384, 128));
    let findings = mesh.findings();
    assert_eq!(about(&findings, "DestinationRule shop/many").len(), 32);
}

/// A ServiceEntry with this many addresses, `240.X.0.…`, and ports for TCP.
fn addresses(number: usize, count: usize, ports: usize) -> Value {
    let addresses: Vec<String> = (0..count)
        .map(|index| format!("240.{number}.0.{index}"))
        .collect();
    let ports: Vec<Value> = (0..ports)
        .map(|port| json!({ "name": format!("tcp-{port}"), "number": 20_000 + port, "protocol": "TCP" }))
        .collect();
    json!({ "hosts": [format!("s{number}.x.io")], "addresses": addresses, "ports": ports,
        "resolution": "STATIC", "endpoints": [{ "address": "10.9.0.1" }] })
}

#[test]
fn the_youngest_service_entries_get_no_listeners_where_there_are_too_many() {
    let mut mesh = Mesh::with_web();
    for number in 0..9 {
        let name = format!("shop/s{number}");
        mesh.rule("ServiceEntry", &name, addresses(number, 16, 256));
    }
    mesh.service(service("shop", "db", &[("tcp", 5432)]));
    let outbound = mesh.outbound("shop/client");
    assert_eq!(outbound.listeners.len(), 32_768);
    let ports = || outbound.listeners.iter().map(|listener| listener.port);
    assert!(ports().any(|port| port == 5432) && ports().any(|port| port == 80));
    let findings = mesh.findings();
    assert!(about(&findings, "ServiceEntry shop/s7").len() <= 2);
    assert!(!about(&findings, "ServiceEntry shop/s8").is_empty());
    assert!(about(&findings, "ServiceEntry shop/s6").is_empty());
}

#[test]
fn rules_for_tcp_that_multiply_by_listeners_close_connections() {
    let mut mesh = Mesh::with_web();
    mesh.rule("ServiceEntry", "shop/s", addresses(1, 16, 64));
    let subnets: Vec<String> = (0..1_000)
        .map(|index| format!("10.{}.{}.0/24", index / 256, index % 256))
        .collect();
    let rules = |subnets: &[String]| {
        json!({ "hosts": ["*.x.io"], "tcp": [{
            "match": [{ "destinationSubnets": subnets }],
            "route": [{ "destination": { "host": "web" } }] }] })
    };
    let routes = |mesh: &Mesh| {
        let outbound = mesh.outbound("shop/client");
        let mut all = outbound.listeners.iter();
        let listener = all.find(|listener| listener.port == 20_000).unwrap();
        let ListenerProtocol::Tcp(routes) = &listener.protocol else {
            panic!("{listener:?}");
        };
        let clusters = routes.iter().flat_map(|route| &route.clusters);
        let clusters: Vec<_> = clusters.map(|to| to.cluster.to_string()).collect();
        clusters.join(" ")
    };
    mesh.rule("VirtualService", "shop/tcp", rules(&subnets[..2]));
    assert!(routes(&mesh).starts_with("outbound|80||web"));
    mesh.rule("VirtualService", "shop/tcp", rules(&subnets));
    assert_eq!(routes(&mesh), "BlackHoleCluster");
    assert_eq!(about(&mesh.findings(), "VirtualService shop/tcp").len(), 1);
}

#[test]
fn a_pod_has_so_many_inbound_ports_and_the_oldest_services_first() {
    let mut mesh = Mesh::with_web();
    mesh.pod(pod("shop", "own", &[("app", "many")], "10.0.0.9"));
    let ports =
        |from: u16| -> Vec<(&str, u16)> { (from..from + 200).map(|port| ("http", port)).collect() };
    mesh.service(service("shop", "many", &ports(1_000)));
    let mut second = service("shop", "second", &ports(2_000));
    second.selector = Some([("app", "many")].into_iter().collect());
    mesh.service(second);
    let inbound = mesh.model.inbound(&mesh.client("shop/own"));
    let numbers: Vec<u16> = inbound.ports.iter().map(|port| port.port).collect();
    assert_eq!(numbers.len(), 256);
    let old = numbers.iter().filter(|port| **port < 2_000);
    assert_eq!(old.count(), 200);
}
