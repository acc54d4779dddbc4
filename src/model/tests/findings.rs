use serde_json::{Value, json};

use super::fixture::{Mesh, key, pod, service, slice};
use crate::model::{Change, Event, ExportTo, Problem, ProxyKind, TargetPort};

fn to(host: &str) -> Value {
    json!([{ "route": [{ "destination": { "host": host } }] }])
}

/// A mesh with a gateway in `infra`, whose Service has port 80 for the pod's 8080, and 31400.
fn with_gateway() -> Mesh {
    let mut mesh = Mesh::with_web();
    let mut ingress = service("infra", "ingress", &[("http2", 80), ("tcp", 31400)]);
    ingress.ports[0].target = TargetPort::Number(8080);
    mesh.service(ingress);
    gateway_pod(&mut mesh);
    mesh
}

fn gateway_pod(mesh: &mut Mesh) {
    let labels = [("app", "ingress"), ("istio", "in")];
    let mut gateway = pod("infra", "gw", &labels, "10.2.0.1");
    gateway.proxy = ProxyKind::Gateway;
    mesh.pod(gateway);
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
    let mut mesh = with_gateway();
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

#[test]
fn a_gateway_that_selects_no_pod_of_a_gateway_is_told() {
    let mut mesh = Mesh::with_web();
    mesh.service(service("infra", "ingress", &[("http", 80)]));
    // A sidecar listens for no Gateway.
    mesh.pod(pod("shop", "other", &[("istio", "in")], "10.0.0.3"));
    mesh.rule("Gateway", "shop/gw", gateway(&[80], &["*"]));
    let finding = one(&mesh);
    assert!(
        finding.starts_with("Gateway shop/gw: the selector istio=in selects no pod of a gateway"),
        "{finding}"
    );
    gateway_pod(&mut mesh);
    assert_eq!(mesh.findings(), [""; 0]);
}

#[test]
fn a_gateway_without_a_selector_needs_any_gateway() {
    let mut mesh = Mesh::with_web();
    mesh.service(service("infra", "ingress", &[("http", 80)]));
    let mut all = gateway(&[80], &["*"]);
    all["selector"] = json!({});
    mesh.rule("Gateway", "shop/gw", all);
    let finding = one(&mesh);
    assert!(
        finding.contains("the empty selector selects no pod"),
        "{finding}"
    );
    gateway_pod(&mut mesh);
    assert_eq!(mesh.findings(), [""; 0]);
}

#[test]
fn a_gateways_port_that_is_the_proxys_own_is_told() {
    let mut mesh = with_gateway();
    let own = [15000, 15001, 15006, 15020, 15021, 15090];
    mesh.rule("Gateway", "shop/gw", gateway(&own, &["*"]));
    let findings = mesh.findings();
    assert_eq!(findings.len(), own.len(), "{findings:?}");
    for port in own {
        let told = format!("Gateway shop/gw: port {port} is the proxy's own: ");
        let mut all = findings.iter();
        assert!(all.any(|one| one.starts_with(&told)), "{findings:?}");
    }
}

#[test]
fn a_gateways_port_whose_target_is_the_proxys_own_is_told() {
    let mut mesh = with_gateway();
    let mut other = service("infra", "other", &[("http", 443), ("health", 15021)]);
    other.selector = Some([("istio", "in")].into_iter().collect());
    other.ports[0].target = TargetPort::Number(15021);
    other.ports[1].target = TargetPort::Number(8081);
    mesh.service(other);
    // 15021 is another port of the pod.
    mesh.rule("Gateway", "shop/gw", gateway(&[443, 15021], &["*"]));
    let finding = one(&mesh);
    assert!(
        finding.contains("port 443 of the gateway's Service has the targetPort 15021"),
        "{finding}"
    );
}

#[test]
fn a_gateways_port_that_no_service_has_is_told() {
    let mut mesh = with_gateway();
    // The Service has 80 and 31400; 8080 is reached as the target of 80.
    mesh.rule(
        "Gateway",
        "shop/gw",
        gateway(&[80, 8080, 8443, 9000, 31400], &["*"]),
    );
    let finding = one(&mesh);
    assert!(
        finding.starts_with(
            "Gateway shop/gw: no Service of the gateway's pods has the ports 8443, 9000:"
        ),
        "{finding}"
    );
}

/// Rules with an answer, so that no destination matters.
fn answer(hosts: &[&str], gateways: &[&str]) -> Value {
    json!({ "hosts": hosts, "gateways": gateways, "http": [{ "directResponse": { "status": 200 } }] })
}

#[test]
fn gateways_that_have_none_of_the_hosts_are_told() {
    let mut mesh = with_gateway();
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
    let mut mesh = with_gateway();
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
    let mut mesh = with_gateway();
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
    let mut mesh = with_gateway();
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
    let mut mesh = with_gateway();
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
    let mut mesh = with_gateway();
    let mut egress = pod(
        "infra",
        "egress",
        &[("istio", "out"), ("hash", "1")],
        "10.2.0.2",
    );
    egress.proxy = ProxyKind::Gateway;
    mesh.pod(egress);
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
    let mut mesh = with_gateway();
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
    let mut mesh = with_gateway();
    mesh.rule("Gateway", "shop/one", gateway(&[80], &["*"]));
    mesh.rule("Gateway", "shop/two", gateway(&[80], &["*"]));
    let mut rules = paths("one", &[]);
    rules["gateways"] = json!(["one", "two"]);
    mesh.rule("VirtualService", "shop/x", rules);
    assert_eq!(mesh.findings(), [""; 0]);
}

#[test]
fn only_routes_that_hold_at_a_port_count() {
    let mut mesh = with_gateway();
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
    let mut mesh = with_gateway();
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
    let mut mesh = with_gateway();
    let mut other = pod("other", "gw", &[("istio", "in")], "10.2.0.2");
    other.proxy = ProxyKind::Gateway;
    mesh.pod(other);
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
    let mut other = pod("other", "gw", &[("istio", "out")], "10.2.0.2");
    other.proxy = ProxyKind::Gateway;
    mesh.pod(other);
    assert_eq!(shadowed(&mesh), [""; 0]);
    gateway_pod(&mut mesh);
    assert_eq!(shadowed(&mesh), ["infra"]);
}

/// A Service without selector has those of equal pods that its slices name.
#[test]
fn the_ports_of_equal_pods_may_differ() {
    let mut mesh = with_gateway();
    let mut second = pod(
        "infra",
        "gw2",
        &[("app", "ingress"), ("istio", "in")],
        "10.2.0.2",
    );
    second.proxy = ProxyKind::Gateway;
    mesh.pod(second);
    let mut extra = service("infra", "extra", &[("http", 443)]);
    extra.selector = None;
    mesh.service(extra);
    mesh.rule("Gateway", "shop/gw", gateway(&[443], &["*"]));
    assert!(one(&mesh).contains("has the port 443:"));
    let _ = mesh.slice(slice("infra", "extra", &["10.2.0.2"]));
    assert_eq!(mesh.findings(), [""; 0]);
}

#[test]
fn a_gateways_port_may_have_several_targets() {
    let mut mesh = with_gateway();
    for (name, target) in [("one", 15021), ("two", 8443)] {
        let mut other = service("infra", name, &[("http", 443)]);
        other.selector = Some([("istio", "in")].into_iter().collect());
        other.ports[0].target = TargetPort::Number(target);
        mesh.service(other);
    }
    mesh.rule("Gateway", "shop/gw", gateway(&[443], &["*"]));
    assert_eq!(mesh.findings(), [""; 0]);
}
