//! What connections to endpoints are, and what pods' ports take.

use serde_json::{Value, json};

use super::fixture::{Mesh, gateway_pod, pod, service, slice};
use crate::model::{
    Captured, CertificateFiles, Change, Cluster, Event, MeshConfig, MtlsMode, PeerName, Pod,
    Servers, Transport,
};

pub(super) const WEB: &str = "outbound|80||web.shop.svc.cluster.local";

pub(super) fn config() -> MeshConfig {
    MeshConfig {
        mutual_tls: true,
        ..MeshConfig::default()
    }
}

/// A pod whose proxy speaks mutual TLS, of an account.
pub(super) fn mutual(name: &str, ip: &str, account: &str) -> Pod {
    let labels = [("app", "web"), ("security.istio.io/tlsMode", "istio")];
    let mut pod = pod("shop", name, &labels, ip);
    pod.service_account = account.into();
    pod
}

/// The Service `web` with two endpoints that speak mutual TLS, and one that doesn't.
pub(super) fn mesh() -> Mesh {
    let mut mesh = Mesh::with_web();
    assert!(mesh.apply(Event::Mesh(config())).rules);
    mesh.pod(mutual("web-10.1.0.1", "10.1.0.1", "web"));
    mesh.pod(mutual("web-10.1.0.2", "10.1.0.2", "api"));
    mesh.pod(pod("shop", "web-10.1.0.3", &[("app", "web")], "10.1.0.3"));
    let _ = mesh.slice(slice("shop", "web", &["10.1.0.1", "10.1.0.2", "10.1.0.3"]));
    mesh
}

pub(super) fn cluster(mesh: &Mesh, name: &str) -> Cluster {
    Cluster::clone(&mesh.outbound("shop/client").clusters[name])
}

fn transport(mesh: &Mesh, name: &str) -> Transport {
    mesh.model.transport(&cluster(mesh, name), 1)
}

/// The ports' addresses that speak mutual TLS.
fn speaking(mesh: &Mesh) -> Vec<String> {
    let groups = mesh.model.endpoints(&cluster(mesh, WEB));
    let endpoints = groups.into_iter().flat_map(|group| group.endpoints);
    let speaking = endpoints.filter(|endpoint| endpoint.mutual_tls);
    speaking
        .map(|one| one.pod.unwrap().name.to_string())
        .collect()
}

pub(super) fn exact(names: &[&str]) -> Vec<PeerName> {
    names
        .iter()
        .map(|name| PeerName::Exact((*name).into()))
        .collect()
}

fn rule(mesh: &mut Mesh, spec: Value) {
    mesh.rule("DestinationRule", "shop/web", spec);
}

#[test]
fn endpoints_are_spoken_to_as_they_speak_and_checked_by_their_accounts() {
    let mesh = mesh();
    let servers = Servers {
        sni: "outbound_.80_._.web.shop.svc.cluster.local".into(),
        names: exact(&[
            "spiffe://cluster.local/ns/shop/sa/api",
            "spiffe://cluster.local/ns/shop/sa/default",
            "spiffe://cluster.local/ns/shop/sa/web",
        ]),
    };
    assert_eq!(transport(&mesh, WEB), Transport::Auto(servers));
    assert_eq!(speaking(&mesh), ["web-10.1.0.1", "web-10.1.0.2"]);
}

#[test]
fn without_mutual_tls_everything_is_plain() {
    let mut mesh = mesh();
    rule(
        &mut mesh,
        json!({ "host": "web", "trafficPolicy": { "tls": { "mode": "ISTIO_MUTUAL" } } }),
    );
    assert!(mesh.apply(Event::Mesh(MeshConfig::default())).rules);
    assert_eq!(transport(&mesh, WEB), Transport::Plaintext);
    assert!(speaking(&mesh).is_empty());
    mesh.pod(mutual("web", "10.1.0.9", "web"));
    let inbound = mesh.model.inbound(&mesh.client("shop/web"));
    assert_eq!(inbound.others.mode, MtlsMode::Disable);
    assert_eq!(inbound.ports[0].mtls.mode, MtlsMode::Disable);
}

#[test]
fn a_trust_domains_aliases_are_as_good() {
    let mut mesh = mesh();
    mesh.pod(mutual("web-10.1.0.2", "10.1.0.2", "web"));
    mesh.pod(mutual("web-10.1.0.3", "10.1.0.3", "web"));
    let config = MeshConfig {
        trust_domain: "new".into(),
        trust_domain_aliases: vec!["old".into()],
        ..config()
    };
    assert!(mesh.apply(Event::Mesh(config)).rules);
    let Transport::Auto(servers) = transport(&mesh, WEB) else {
        panic!("no mutual TLS");
    };
    let names = ["spiffe://new/ns/shop/sa/web", "spiffe://old/ns/shop/sa/web"];
    assert_eq!(servers.names, exact(&names));
}

#[test]
fn a_destination_rule_wins_over_what_endpoints_speak() {
    let mut mesh = mesh();
    rule(
        &mut mesh,
        json!({ "host": "web", "trafficPolicy": { "tls": { "mode": "DISABLE" } },
        "subsets": [{ "name": "v1", "trafficPolicy": { "tls": {
            "mode": "ISTIO_MUTUAL", "sni": "web", "subjectAltNames": ["spiffe://td/ns/a/sa/b"] } } },
            { "name": "v2", "trafficPolicy": { "tls": { "mode": "ISTIO_MUTUAL" } } }] }),
    );
    assert_eq!(transport(&mesh, WEB), Transport::Plaintext);
    let v1 = transport(&mesh, "outbound|80|v1|web.shop.svc.cluster.local");
    let servers = Servers {
        sni: "web".into(),
        names: exact(&["spiffe://td/ns/a/sa/b"]),
    };
    assert_eq!(v1, Transport::Mutual(servers));
    let v2 = transport(&mesh, "outbound|80|v2|web.shop.svc.cluster.local");
    let Transport::Mutual(servers) = v2 else {
        panic!("{v2:?}");
    };
    assert_eq!(
        &*servers.sni,
        "outbound_.80_.v2_.web.shop.svc.cluster.local"
    );
    assert_eq!(servers.names.len(), 3);
}

/// The roots, and the names of certificates.
type Proof = (Option<String>, Vec<String>);

/// What a rule for `web` makes of TLS that is not the mesh's: the name that is asked for, and how servers prove it.
fn outside(mesh: &Mesh, name: &str) -> (String, Option<Proof>) {
    let Transport::Outside(outside) = transport(mesh, name) else {
        panic!("not outside");
    };
    let proof = outside.proof.map(|proof| {
        let names = proof.names.iter().map(ToString::to_string).collect();
        (proof.roots.map(|path| path.to_string()), names)
    });
    (outside.sni.to_string(), proof)
}

#[test]
fn mutual_tls_with_others_is_simple_tls_with_a_certificate() {
    let mut mesh = mesh();
    rule(
        &mut mesh,
        json!({ "host": "web", "trafficPolicy": { "tls": { "mode": "MUTUAL", "sni": "a",
            "clientCertificate": "/client.pem", "privateKey": "/key.pem", "caCertificates": "/ca.pem" } },
            "subsets": [{ "name": "simple", "trafficPolicy": { "tls": { "mode": "SIMPLE" } } }] }),
    );
    let host = "web.shop.svc.cluster.local";
    let of = |subset: &str| match transport(&mesh, &format!("outbound|80|{subset}|{host}")) {
        Transport::Outside(outside) => outside,
        other => panic!("{other:?}"),
    };
    let files = CertificateFiles {
        chain: "/client.pem".into(),
        key: "/key.pem".into(),
    };
    assert_eq!(of("").certificate, Some(files));
    let proof = of("").proof.unwrap();
    assert_eq!(proof.roots.as_deref(), Some("/ca.pem"));
    let names = proof.names.iter().map(|name| &**name);
    assert_eq!(names.collect::<Vec<_>>(), ["a"]);
    assert_eq!(of("simple").certificate, None);
}

#[test]
fn simple_tls_checks_the_host_or_what_the_rule_names() {
    let mut mesh = mesh();
    let tls = |fields: Value| {
        let mut tls = json!({ "mode": "SIMPLE" });
        let fields = fields.as_object().unwrap().clone();
        tls.as_object_mut().unwrap().extend(fields);
        json!({ "tls": tls })
    };
    rule(
        &mut mesh,
        json!({ "host": "web", "trafficPolicy": tls(json!({})), "subsets": [
            { "name": "sni", "trafficPolicy": tls(json!({ "sni": "a", "caCertificates": "system" })) },
            { "name": "names", "trafficPolicy": tls(json!({
                "sni": "a", "subjectAltNames": ["b", "c"], "caCertificates": "/etc/ca.pem" })) },
            { "name": "any", "trafficPolicy": tls(json!({ "insecureSkipVerify": true })) },
            { "name": "port", "trafficPolicy": { "portLevelSettings": [
                { "port": { "number": 80 }, "tls": { "mode": "SIMPLE", "sni": "port" } }] } }] }),
    );
    let host = "web.shop.svc.cluster.local";
    let of = |mesh: &Mesh, subset: &str| outside(mesh, &format!("outbound|80|{subset}|{host}"));
    let proof = |roots: Option<&str>, names: &[&str]| {
        let names = names.iter().map(ToString::to_string).collect();
        Some((roots.map(ToOwned::to_owned), names))
    };
    assert_eq!(of(&mesh, ""), (host.to_owned(), proof(None, &[host])));
    assert_eq!(of(&mesh, "sni"), ("a".to_owned(), proof(None, &["a"])));
    let named = proof(Some("/etc/ca.pem"), &["b", "c"]);
    assert_eq!(of(&mesh, "names"), ("a".to_owned(), named));
    assert_eq!(of(&mesh, "any"), (host.to_owned(), None));
    let port = ("port".to_owned(), proof(None, &["port"]));
    assert_eq!(of(&mesh, "port"), port);
    // It is not the mesh's, and goes without that.
    assert!(mesh.apply(Event::Mesh(MeshConfig::default())).rules);
    assert_eq!(of(&mesh, "port"), port);
}

#[test]
fn without_auto_mtls_only_rules_say_it() {
    let mut mesh = mesh();
    let config = MeshConfig {
        auto_mtls: false,
        ..config()
    };
    assert!(mesh.apply(Event::Mesh(config)).rules);
    assert_eq!(transport(&mesh, WEB), Transport::Plaintext);
    rule(
        &mut mesh,
        json!({ "host": "web", "trafficPolicy": { "tls": { "mode": "ISTIO_MUTUAL" } } }),
    );
    assert!(matches!(transport(&mesh, WEB), Transport::Mutual(_)));
}

#[test]
fn what_is_no_part_of_the_mesh_is_spoken_to_in_plain_text() {
    let mut mesh = mesh();
    let entry = |location: &str| {
        json!({ "hosts": ["e.com"], "resolution": "STATIC", "location": location,
            "ports": [{ "number": 80, "name": "http", "protocol": "HTTP" }],
            "endpoints": [
                { "address": "192.0.2.1", "labels": { "security.istio.io/tlsMode": "istio" } },
                { "address": "192.0.2.2" }] })
    };
    let name = "outbound|80||e.com";
    let speaking = |mesh: &Mesh| {
        let groups = mesh.model.endpoints(&cluster(mesh, name));
        let endpoints = groups.iter().flat_map(|group| &group.endpoints);
        endpoints.map(|one| one.mutual_tls).collect::<Vec<_>>()
    };
    mesh.rule("ServiceEntry", "shop/e", entry("MESH_EXTERNAL"));
    assert_eq!(transport(&mesh, name), Transport::Plaintext);
    assert_eq!(speaking(&mesh), [false, false]);
    mesh.rule("ServiceEntry", "shop/e", entry("MESH_INTERNAL"));
    assert!(matches!(transport(&mesh, name), Transport::Auto(servers) if servers.names.is_empty()));
    assert_eq!(speaking(&mesh), [true, false]);
}

#[test]
fn a_port_that_takes_plain_text_only_is_spoken_to_so() {
    let mut mesh = mesh();
    let spec = json!({ "selector": { "matchLabels": { "app": "web" } },
        "portLevelMtls": { "8080": { "mode": "DISABLE" } } });
    mesh.rule("PeerAuthentication", "shop/web", spec.clone());
    assert!(speaking(&mesh).is_empty());
    let mut other = spec;
    other["portLevelMtls"] = json!({ "8081": { "mode": "DISABLE" } });
    mesh.rule("PeerAuthentication", "shop/web", other);
    assert_eq!(speaking(&mesh).len(), 2);
}

#[test]
fn a_gateways_ports_are_its_gateways() {
    let mut mesh = mesh();
    let labels = [("app", "web"), ("security.istio.io/tlsMode", "istio")];
    mesh.pod(gateway_pod("shop", "web-10.1.0.1", &labels, "10.1.0.1"));
    assert_eq!(speaking(&mesh), ["web-10.1.0.2"]);
}

/// The label alone says nothing: anybody may give it to a pod that was not injected.
#[test]
fn a_pod_without_a_proxy_is_spoken_to_in_plain_text() {
    let mut mesh = mesh();
    let mut bare = mutual("web-10.1.0.1", "10.1.0.1", "web");
    bare.has_proxy = false;
    let dirty = mesh.apply(Event::Pod(Change::Apply(bare)));
    assert!(dirty.endpoints.contains("web.shop.svc.cluster.local"));
    assert_eq!(speaking(&mesh), ["web-10.1.0.2"]);
}

#[test]
fn a_port_that_is_not_captured_is_spoken_to_in_plain_text() {
    let mut mesh = mesh();
    let mut speaks = |captured: Captured| {
        let mut pod = mutual("web-10.1.0.1", "10.1.0.1", "web");
        pod.captured = captured;
        let dirty = mesh.apply(Event::Pod(Change::Apply(pod)));
        assert!(dirty.endpoints.contains("web.shop.svc.cluster.local"));
        speaking(&mesh).contains(&"web-10.1.0.1".to_owned())
    };
    assert!(!speaks(Captured::AllBut([8080].into())));
    assert!(speaks(Captured::AllBut([8081].into())));
    assert!(!speaks(Captured::Only([8081].into())));
    assert!(speaks(Captured::Only([8080].into())));
    assert!(!speaks(Captured::Only([].into())));
    assert!(speaks(Captured::All));
}

#[test]
fn the_proxys_own_ports_are_spoken_to_in_plain_text() {
    let mut mesh = mesh();
    for (port, speaks) in [
        (15020, false),
        (15021, false),
        (15090, false),
        (15019, true),
    ] {
        let mut slice = slice("shop", "web", &["10.1.0.1"]);
        slice.ports[0].port = port;
        let _ = mesh.slice(slice);
        assert_eq!(!speaking(&mesh).is_empty(), speaks, "{port}");
    }
}

/// The client has chosen one, and metadata go with none of them.
#[test]
fn a_headless_service_is_spoken_to_by_mutual_tls_if_all_its_pods_speak_it() {
    let mut mesh = mesh();
    let mut headless = service("shop", "web", &[("http", 80)]);
    headless.headless = true;
    headless.addresses.clear();
    mesh.service(headless);
    assert_eq!(transport(&mesh, WEB), Transport::Plaintext);
    let change = mutual("web-10.1.0.3", "10.1.0.3", "web");
    let dirty = mesh.apply(Event::Pod(Change::Apply(change)));
    assert!(dirty.endpoints.contains("web.shop.svc.cluster.local"));
    assert!(matches!(transport(&mesh, WEB), Transport::Mutual(_)));
    mesh.rule(
        "PeerAuthentication",
        "shop/all",
        json!({ "mtls": { "mode": "DISABLE" } }),
    );
    assert_eq!(transport(&mesh, WEB), Transport::Plaintext);
}

#[test]
fn a_headless_service_without_pods_is_spoken_to_in_plain_text() {
    let mut mesh = Mesh::with_web();
    assert!(mesh.apply(Event::Mesh(config())).rules);
    let mut headless = service("shop", "web", &[("http", 80)]);
    headless.headless = true;
    mesh.service(headless);
    assert_eq!(transport(&mesh, WEB), Transport::Plaintext);
}

/// Nothing says what a pod speaks before it is known.
#[test]
fn a_headless_service_some_of_whose_pods_are_not_known_is_as_the_others() {
    let mut mesh = mesh();
    let mut headless = service("shop", "web", &[("http", 80)]);
    headless.headless = true;
    headless.addresses.clear();
    mesh.service(headless);
    for (ips, is_mutual) in [
        (vec!["10.1.0.1", "10.1.0.7"], true),
        (vec!["10.1.0.7"], true),
        (vec!["10.1.0.3", "10.1.0.7"], false),
    ] {
        let _ = mesh.slice(slice("shop", "web", &ips));
        let transport = transport(&mesh, WEB);
        assert_eq!(
            matches!(transport, Transport::Mutual(_)),
            is_mutual,
            "{ips:?}"
        );
    }
    // This one is no pod.
    let mut slice = slice("shop", "web", &["10.1.0.7"]);
    slice.endpoints[0].pod = None;
    let _ = mesh.slice(slice);
    assert_eq!(transport(&mesh, WEB), Transport::Plaintext);
}

/// It might be sent plain text that it would not be sent once its pod is known.
#[test]
fn an_endpoint_waits_for_its_pod() {
    let count = |mesh: &Mesh| {
        let groups = mesh.model.endpoints(&cluster(mesh, WEB));
        let counts = groups.iter().map(|group| group.endpoints.len());
        counts.sum::<usize>()
    };
    let mut mesh = mesh();
    let ips = ["10.1.0.1", "10.1.0.2", "10.1.0.3", "10.1.0.4"];
    let _ = mesh.slice(slice("shop", "web", &ips));
    assert_eq!(count(&mesh), 3);
    let pod = mutual("web-10.1.0.4", "10.1.0.4", "web");
    let gone = Change::Delete(pod.key.clone());
    let dirty = mesh.apply(Event::Pod(Change::Apply(pod)));
    assert!(dirty.endpoints.contains("web.shop.svc.cluster.local"));
    assert_eq!((count(&mesh), speaking(&mesh).len()), (4, 3));
    let dirty = mesh.apply(Event::Pod(gone));
    assert!(dirty.endpoints.contains("web.shop.svc.cluster.local"));
    assert_eq!(count(&mesh), 3);
    // What names no pod is outside of the mesh.
    let mut slice = slice("shop", "web", &ips);
    slice.endpoints[3].pod = None;
    let _ = mesh.slice(slice);
    assert_eq!((count(&mesh), speaking(&mesh).len()), (4, 2));
}

#[test]
fn without_mutual_tls_no_endpoint_waits() {
    let mut mesh = Mesh::with_web();
    let _ = mesh.slice(slice("shop", "web", &["10.1.0.4"]));
    assert_eq!(mesh.model.endpoints(&cluster(&mesh, WEB)).len(), 1);
}

/// Nothing is guessed then.
#[test]
fn no_endpoint_waits_where_a_rule_says_what_is_spoken() {
    let mut mesh = mesh();
    let _ = mesh.slice(slice("shop", "web", &["10.1.0.4"]));
    let has_none = |mesh: &Mesh| mesh.model.endpoints(&cluster(mesh, WEB)).is_empty();
    assert!(has_none(&mesh));
    let tls = |mode| match mode {
        "MUTUAL" => json!({ "mode": mode, "clientCertificate": "/c", "privateKey": "/k" }),
        _ => json!({ "mode": mode }),
    };
    for mode in ["DISABLE", "ISTIO_MUTUAL", "SIMPLE", "MUTUAL"] {
        rule(
            &mut mesh,
            json!({ "host": "web", "trafficPolicy": { "tls": tls(mode) } }),
        );
        assert!(!has_none(&mesh), "{mode}");
    }
}

#[test]
fn another_account_is_a_change_of_endpoints() {
    let mut mesh = mesh();
    let pod = mutual("web-10.1.0.1", "10.1.0.1", "new");
    let dirty = mesh.apply(Event::Pod(Change::Apply(pod)));
    assert!(!dirty.rules);
    let hosts: Vec<_> = dirty.endpoints.iter().map(|host| &**host).collect();
    assert_eq!(hosts, ["web.shop.svc.cluster.local"]);
}

#[test]
fn a_name_that_is_too_long_is_not_asked_for() {
    let mut mesh = Mesh::with_web();
    assert!(mesh.apply(Event::Mesh(config())).rules);
    let host = format!("{}.{}.com", ["a"; 60].join("."), ["b".repeat(60)].join("."));
    let host = format!("{host}.{}.{}", "c".repeat(20), "d".repeat(40));
    assert!(host.len() > 240, "{}", host.len());
    mesh.rule(
        "ServiceEntry",
        "shop/e",
        json!({ "hosts": [host], "resolution": "STATIC", "location": "MESH_INTERNAL",
            "ports": [{ "number": 80, "name": "http", "protocol": "HTTP" }],
            "endpoints": [{ "address": "192.0.2.1" }] }),
    );
    let name = format!("outbound|80||{host}");
    assert!(matches!(transport(&mesh, &name), Transport::Auto(servers) if servers.sni.is_empty()));
}

#[test]
fn a_sidecar_takes_what_peer_authentications_say() {
    let mut mesh = mesh();
    mesh.pod(mutual("web", "10.1.0.9", "web"));
    let spec = json!({ "selector": { "matchLabels": { "app": "web" } },
        "mtls": { "mode": "STRICT" },
        "portLevelMtls": { "80": { "mode": "DISABLE" }, "9000": { "mode": "PERMISSIVE" } } });
    mesh.rule("PeerAuthentication", "shop/web", spec);
    let inbound = mesh.model.inbound(&mesh.client("shop/web"));
    let [port] = &inbound.ports[..] else {
        panic!("{inbound:?}");
    };
    assert_eq!((port.port, port.mtls.mode), (80, MtlsMode::Disable));
    assert_eq!(inbound.others.mode, MtlsMode::Strict);
    assert_eq!(
        inbound.others.decided_by.as_ref().unwrap().to_string(),
        "shop/web"
    );
    // Those that a Service names have chains of their own.
    let [(9000, named)] = &inbound.named[..] else {
        panic!("{inbound:?}");
    };
    assert_eq!(named.mode, MtlsMode::Permissive);
}

/// A port named `udp-…` has no filter chains of its own. The mode that is set for its number applies to TCP.
#[test]
fn a_udp_port_has_the_mode_that_is_set_for_its_number() {
    let mut mesh = mesh();
    let ports = [("udp-dns", 5353), ("http", 80)];
    mesh.service(service("shop", "web", &ports));
    mesh.pod(mutual("web", "10.1.0.9", "web"));
    let spec = json!({ "selector": { "matchLabels": { "app": "web" } },
        "mtls": { "mode": "STRICT" },
        "portLevelMtls": { "5353": { "mode": "DISABLE" } } });
    mesh.rule("PeerAuthentication", "shop/web", spec);
    let inbound = mesh.model.inbound(&mesh.client("shop/web"));
    let numbers: Vec<u16> = inbound.ports.iter().map(|port| port.port).collect();
    assert_eq!(numbers, [80]);
    let [(5353, named)] = &inbound.named[..] else {
        panic!("{inbound:?}");
    };
    assert_eq!(named.mode, MtlsMode::Disable);
}
