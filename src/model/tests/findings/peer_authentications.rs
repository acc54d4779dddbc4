//! PeerAuthentications that have no effect, and DestinationRules that ask for what servers refuse.

use serde_json::{Value, json};

use super::one;
use crate::model::{
    Captured, Change, Event, MeshConfig, Pod, Problem, TargetPort,
    tests::fixture::{Mesh, gateway_pod, key, pod, service, slice},
};

const KIND: &str = "PeerAuthentication";

pub(super) fn mode(mode: &str) -> Value {
    json!({ "mtls": { "mode": mode } })
}

pub(super) fn selecting(app: &str, mode: &str, ports: &Value) -> Value {
    json!({ "selector": { "matchLabels": { "app": app } }, "mtls": { "mode": mode },
        "portLevelMtls": ports })
}

/// A pod as it is injected.
pub(super) fn injected(namespace: &str, name: &str, app: &str, ip: &str) -> Pod {
    let labels = [("app", app), ("security.istio.io/tlsMode", "istio")];
    pod(namespace, name, &labels, ip)
}

/// A mesh with mutual TLS, whose Service `shop/web` has a pod with a proxy, which listens on 8080, at
/// port 80.
pub(super) fn mesh() -> Mesh {
    let mut mesh = Mesh::with_web();
    let config = MeshConfig {
        mutual_tls: true,
        ..MeshConfig::default()
    };
    assert!(mesh.apply(Event::Mesh(config)).rules);
    let mut web = service("shop", "web", &[("http", 80)]);
    web.ports[0].target = TargetPort::Number(8080);
    mesh.service(web);
    mesh.pod(injected("shop", "client", "client", "10.0.0.1"));
    mesh.pod(injected("other", "client", "client", "10.0.0.2"));
    mesh.pod(injected("shop", "web-10.1.0.1", "web", "10.1.0.1"));
    let _ = mesh.slice(slice("shop", "web", &["10.1.0.1"]));
    mesh
}

#[test]
fn the_younger_one_of_a_namespace_is_told_of_the_older() {
    let mut mesh = mesh();
    mesh.rule(KIND, "shop/z", mode("STRICT"));
    mesh.rule(KIND, "other/all", mode("STRICT"));
    mesh.rule(KIND, "istio-system/all", mode("STRICT"));
    assert_eq!(mesh.findings(), [""; 0]);
    mesh.rule(KIND, "shop/a", mode("DISABLE"));
    let finding = one(&mesh);
    let told = "PeerAuthentication shop/a: the older PeerAuthentication shop/z is for all pods";
    assert!(finding.starts_with(told), "{finding}");
    assert_eq!(mesh.model.findings()[0].problem, Problem::NamespaceTaken);
}

#[test]
fn the_younger_one_of_a_pod_is_told_of_the_older() {
    let mut mesh = mesh();
    mesh.pod(pod(
        "shop",
        "web-2",
        &[
            ("app", "web"),
            ("version", "v2"),
            ("security.istio.io/tlsMode", "istio"),
        ],
        "10.1.0.2",
    ));
    mesh.rule(KIND, "shop/z", selecting("web", "STRICT", &json!({})));
    assert_eq!(mesh.findings(), [""; 0]);
    mesh.rule(
        KIND,
        "shop/a",
        json!({ "selector": { "matchLabels": { "version": "v2" } }, "mtls": { "mode": "DISABLE" } }),
    );
    let finding = one(&mesh);
    assert!(
        finding.contains("an older PeerAuthentication (shop/z) selects, too, such as shop/web-2"),
        "{finding}"
    );
    assert_eq!(mesh.model.findings()[0].problem, Problem::PodsTaken);
}

#[test]
fn a_selector_that_selects_no_pod_is_told() {
    let mut mesh = mesh();
    let ports = json!({ "80": { "mode": "STRICT" } });
    mesh.rule(KIND, "shop/a", selecting("wbe", "STRICT", &ports));
    let finding = one(&mesh);
    assert!(
        finding.contains("the selector app=wbe selects no pod"),
        "{finding}"
    );
}

/// The port of the Service is what many write there.
#[test]
fn a_port_that_no_pod_declares_is_told() {
    let mut mesh = mesh();
    let ports = json!({ "8080": { "mode": "STRICT" } });
    mesh.rule(KIND, "shop/a", selecting("web", "PERMISSIVE", &ports));
    assert_eq!(mesh.findings(), [""; 0]);
    let ports = json!({ "80": { "mode": "STRICT" }, "9": { "mode": "STRICT" } });
    mesh.rule(KIND, "shop/a", selecting("web", "PERMISSIVE", &ports));
    let findings = mesh.findings();
    assert_eq!(findings.len(), 2, "{findings:?}");
    let told = "declares the port 80, and no Service sends there: ports are the pods' own here, and the \
                Service shop/web sends its port 80 to their port 8080: use 8080";
    assert!(findings[0].ends_with(told), "{findings:?}");
    assert!(
        findings[1].contains("declares the port 9, "),
        "{findings:?}"
    );
    // Others may have it, whether they declare it or not.
    mesh.service(service("shop", "web", &[("http", 80), ("other", 9)]));
    assert_eq!(mesh.findings(), [""; 0]);
}

#[test]
fn strict_for_pods_without_a_proxy_is_told() {
    let mut mesh = mesh();
    let mut bare = pod("shop", "bare", &[("app", "bare")], "10.1.0.2");
    bare.has_proxy = false;
    mesh.pod(bare);
    // There always are such pods in a mesh.
    mesh.rule(KIND, "istio-system/all", mode("STRICT"));
    assert_eq!(mesh.findings(), [""; 0]);
    mesh.rule(KIND, "shop/all", mode("STRICT"));
    let finding = one(&mesh);
    let told = "PeerAuthentication shop/all: STRICT has no effect on pods without a sidecar: shop/bare \
                takes whatever anybody sends";
    assert!(finding.starts_with(told), "{finding}");
    mesh.rule(KIND, "shop/bare", selecting("bare", "DISABLE", &json!({})));
    assert_eq!(mesh.findings(), [""; 0]);
}

/// Pods that were injected before there was mutual TLS.
#[test]
fn strict_for_pods_without_the_label_is_told() {
    let mut mesh = mesh();
    let old = pod("shop", "old", &[("app", "old")], "10.1.0.2");
    mesh.pod(old);
    mesh.rule(KIND, "istio-system/all", mode("PERMISSIVE"));
    assert_eq!(mesh.findings(), [""; 0]);
    mesh.rule(KIND, "istio-system/all", mode("STRICT"));
    let finding = one(&mesh);
    assert!(
        finding.starts_with("PeerAuthentication istio-system/all: clients send plain text to pods")
            && finding.contains("refuses it: shop/old is such. Restart"),
        "{finding}"
    );
    // A gateway serves what its Gateways say.
    mesh.pod(gateway_pod("shop", "old", &[("app", "old")], "10.1.0.2"));
    assert_eq!(mesh.findings(), [""; 0]);
}

#[test]
fn strict_without_mutual_tls_is_told() {
    let mut mesh = mesh();
    let disable = json!({ "tls": { "mode": "DISABLE" } });
    mesh.rule("DestinationRule", "shop/web", to_web(&disable));
    mesh.rule(KIND, "shop/all", mode("STRICT"));
    mesh.rule(KIND, "other/all", mode("PERMISSIVE"));
    assert_eq!(mesh.findings().len(), 1);
    assert!(mesh.apply(Event::Mesh(MeshConfig::default())).rules);
    let finding = one(&mesh);
    let told = "PeerAuthentication shop/all: STRICT has no effect, because mutual TLS is off";
    assert!(finding.starts_with(told), "{finding}");
}

pub(super) fn to_web(policy: &Value) -> Value {
    json!({ "host": "web", "trafficPolicy": policy })
}

#[test]
fn a_destination_rule_that_disables_tls_towards_a_strict_server_is_told() {
    let mut mesh = mesh();
    let disable = json!({ "tls": { "mode": "DISABLE" } });
    mesh.rule("DestinationRule", "shop/web", to_web(&disable));
    assert_eq!(mesh.findings(), [""; 0]);
    mesh.rule(KIND, "istio-system/all", mode("STRICT"));
    let finding = one(&mesh);
    let told = "DestinationRule shop/web: tls.mode DISABLE is refused by the pods of \
                web.shop.svc.cluster.local at the port 80: they take only the mesh's mutual TLS (STRICT, \
                by the PeerAuthentication istio-system/all). ";
    assert!(finding.starts_with(told), "{finding}");
    assert_eq!(mesh.model.findings()[0].problem, Problem::RefusedByServer);
    // The port of the pod decides.
    let ports = json!({ "8080": { "mode": "PERMISSIVE" } });
    mesh.rule(KIND, "shop/web", selecting("web", "STRICT", &ports));
    assert_eq!(mesh.findings(), [""; 0]);
    let gone = Change::Delete(key("shop/web"));
    assert!(mesh.apply(Event::PeerAuthentication(gone)).rules);
    let mutual = json!({ "tls": { "mode": "ISTIO_MUTUAL" } });
    mesh.rule("DestinationRule", "shop/web", to_web(&mutual));
    assert_eq!(mesh.findings(), [""; 0]);
}

#[test]
fn a_port_that_is_not_captured_refuses_nothing() {
    let mut mesh = mesh();
    mesh.rule(KIND, "shop/all", mode("STRICT"));
    let disable = json!({ "tls": { "mode": "DISABLE" } });
    mesh.rule("DestinationRule", "shop/web", to_web(&disable));
    assert!(one(&mesh).contains("tls.mode DISABLE is refused"));
    let mut web = injected("shop", "web-10.1.0.1", "web", "10.1.0.1");
    web.captured = Captured::AllBut([8080].into());
    mesh.pod(web);
    assert_eq!(mesh.findings(), [""; 0]);
}

/// A namespace may have as many as the API server stores.
#[test]
fn those_that_no_pod_is_compared_with_are_told() {
    let mut mesh = mesh();
    for number in 0..1_001 {
        let name = format!("shop/a{number}");
        mesh.rule(KIND, &name, selecting("web", "STRICT", &json!({})));
    }
    let findings = mesh.model.findings().into_iter();
    let left_out = findings.filter(|finding| finding.problem == Problem::LeftOut);
    let left_out: Vec<_> = left_out.map(|finding| finding.object.key).collect();
    assert_eq!(left_out, [key("shop/a1000")]);
}

/// As a policy's other blocks: what is said of a port stands alone.
#[test]
fn ports_and_subsets_have_their_own_tls() {
    let mut mesh = mesh();
    mesh.rule(KIND, "shop/all", mode("STRICT"));
    let own = json!({ "tls": { "mode": "DISABLE" },
        "portLevelSettings": [{ "port": { "number": 80 }, "loadBalancer": { "simple": "RANDOM" } }] });
    mesh.rule("DestinationRule", "shop/web", to_web(&own));
    assert_eq!(mesh.findings(), [""; 0]);
    let other = json!({ "portLevelSettings": [{ "port": { "number": 81 }, "tls": { "mode": "DISABLE" } }] });
    mesh.rule("DestinationRule", "shop/web", to_web(&other));
    assert_eq!(mesh.findings(), [""; 0]);
    let subset = json!({ "host": "web", "trafficPolicy": { "tls": { "mode": "ISTIO_MUTUAL" } },
        "subsets": [{ "name": "v1", "trafficPolicy": { "tls": { "mode": "DISABLE" } } }] });
    mesh.rule("DestinationRule", "shop/web", subset);
    assert!(one(&mesh).contains("tls.mode DISABLE is refused"));
}

#[test]
fn a_wildcard_is_for_each_host_that_has_pods_with_proxies() {
    let mut mesh = mesh();
    mesh.rule(KIND, "istio-system/all", mode("STRICT"));
    // The API server's, which everybody calls in its own way.
    mesh.service(service("default", "kubernetes", &[("https", 443)]));
    let mut bare = pod("shop", "bare-10.1.0.2", &[("app", "bare")], "10.1.0.2");
    bare.has_proxy = false;
    mesh.pod(bare);
    mesh.service(service("shop", "bare", &[("http", 80)]));
    let _ = mesh.slice(slice("shop", "bare", &["10.1.0.2"]));
    let rule = json!({ "host": "*.local", "trafficPolicy": { "tls": { "mode": "DISABLE" } } });
    mesh.rule("DestinationRule", "shop/all", rule);
    assert!(one(&mesh).contains("the pods of web.shop.svc.cluster.local at the port 80"));
    let strict = mesh.model.strict_hosts();
    let spec = |host: &str| {
        let spec = json!({ "host": host, "trafficPolicy": { "tls": { "mode": "DISABLE" } } });
        serde_json::from_value(spec).unwrap()
    };
    assert_eq!(strict.refusals("shop", &spec("web")).len(), 1);
    assert_eq!(
        strict
            .refusals("shop", &spec("*.shop.svc.cluster.local"))
            .len(),
        1
    );
    for host in ["web.other.svc.cluster.local", "bare", "*.com"] {
        assert_eq!(strict.refusals("shop", &spec(host)), [""; 0], "{host}");
    }
    assert_eq!(strict.refusals("other", &spec("web")), [""; 0]);
}
