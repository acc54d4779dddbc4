//! Gateways without pods, and ports that nobody reaches.

use serde_json::json;

use super::{gateway, one};
use crate::model::{
    TargetPort,
    tests::fixture::{INGRESS, Mesh, gateway_pod, pod, service, slice},
};

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
    mesh.pod(gateway_pod("infra", "gw", &INGRESS, "10.2.0.1"));
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
    mesh.pod(gateway_pod("infra", "gw", &INGRESS, "10.2.0.1"));
    assert_eq!(mesh.findings(), [""; 0]);
}

#[test]
fn a_gateways_port_that_is_the_proxys_own_is_told() {
    let mut mesh = Mesh::with_gateway();
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
    let mut mesh = Mesh::with_gateway();
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
    let mut mesh = Mesh::with_gateway();
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

/// A Service without selector has those of equal pods that its slices name.
#[test]
fn the_ports_of_equal_pods_may_differ() {
    let mut mesh = Mesh::with_gateway();
    mesh.pod(gateway_pod(
        "infra",
        "gw2",
        &[("app", "ingress"), ("istio", "in")],
        "10.2.0.2",
    ));
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
    let mut mesh = Mesh::with_gateway();
    for (name, target) in [("one", 15021), ("two", 8443)] {
        let mut other = service("infra", name, &[("http", 443)]);
        other.selector = Some([("istio", "in")].into_iter().collect());
        other.ports[0].target = TargetPort::Number(target);
        mesh.service(other);
    }
    mesh.rule("Gateway", "shop/gw", gateway(&[443], &["*"]));
    assert_eq!(mesh.findings(), [""; 0]);
}
