//! DestinationRules by which clients speak mutual TLS to what doesn't take it.

use serde_json::json;

use super::{
    one,
    peer_authentications::{injected, mesh, mode, selecting, to_web},
};
use crate::model::{
    Captured, Event, MeshConfig, Problem,
    tests::fixture::{Mesh, gateway_pod, pod, slice},
};

/// A mesh in which clients speak mutual TLS to `shop/web`, whatever it takes.
fn asked() -> Mesh {
    let mut mesh = mesh();
    let mutual = json!({ "tls": { "mode": "ISTIO_MUTUAL" } });
    mesh.rule("DestinationRule", "shop/web", to_web(&mutual));
    mesh
}

#[test]
fn mutual_tls_without_mutual_tls_is_told() {
    let mut mesh = asked();
    assert_eq!(mesh.findings(), [""; 0]);
    assert!(mesh.apply(Event::Mesh(MeshConfig::default())).rules);
    let finding = one(&mesh);
    let told = "DestinationRule shop/web: tls.mode ISTIO_MUTUAL has no effect, and clients send plain text, because";
    assert!(finding.starts_with(told), "{finding}");
    assert_eq!(mesh.model.findings()[0].problem, Problem::MutualTlsOff);
    let subset = json!({ "host": "web", "subsets": [
        { "name": "v1", "trafficPolicy": { "tls": { "mode": "ISTIO_MUTUAL" } } }] });
    mesh.rule("DestinationRule", "shop/web", subset);
    assert!(one(&mesh).starts_with(told));
    let plain = json!({ "tls": { "mode": "DISABLE" } });
    mesh.rule("DestinationRule", "shop/web", to_web(&plain));
    assert_eq!(mesh.findings(), [""; 0]);
}

#[test]
fn mutual_tls_to_pods_that_disable_it_is_told() {
    let mut mesh = asked();
    mesh.rule("PeerAuthentication", "shop/all", mode("DISABLE"));
    let finding = one(&mesh);
    let told = "DestinationRule shop/web: tls.mode ISTIO_MUTUAL has clients speak mutual TLS to pods of \
                web.shop.svc.cluster.local that don't take it, at the port 80: shop/web-10.1.0.1 takes plain text \
                only, by the PeerAuthentication shop/all. ";
    assert!(finding.starts_with(told), "{finding}");
    assert_eq!(mesh.model.findings()[0].problem, Problem::MutualTlsNotTaken);
    // The port of the pod decides.
    let ports = json!({ "8080": { "mode": "PERMISSIVE" } });
    mesh.rule(
        "PeerAuthentication",
        "shop/web",
        selecting("web", "DISABLE", &ports),
    );
    assert_eq!(mesh.findings(), [""; 0]);
}

#[test]
fn mutual_tls_to_pods_without_a_sidecar_is_told() {
    let mut mesh = asked();
    let mut bare = pod("shop", "web-10.1.0.2", &[("app", "web")], "10.1.0.2");
    bare.has_proxy = false;
    mesh.pod(bare);
    let _ = mesh.slice(slice("shop", "web", &["10.1.0.1", "10.1.0.2"]));
    let finding = one(&mesh);
    assert!(
        finding
            .contains("at the port 80: shop/web-10.1.0.2 has no sidecar. What is sent there fails"),
        "{finding}"
    );
    // What its port takes is a matter of its Gateways.
    let labels = [("app", "web")];
    mesh.pod(gateway_pod("shop", "web-10.1.0.2", &labels, "10.1.0.2"));
    assert_eq!(mesh.findings(), [""; 0]);
    let mut passing = injected("shop", "web-10.1.0.2", "web", "10.1.0.2");
    passing.captured = Captured::AllBut([8080].into());
    mesh.pod(passing);
    assert!(one(&mesh).contains("shop/web-10.1.0.2's sidecar does not capture it"));
}

/// Each subset as its pods are.
#[test]
fn only_the_pods_of_a_subset_count_for_it() {
    let mut mesh = mesh();
    let mut bare = pod("shop", "web-10.1.0.2", &[("version", "old")], "10.1.0.2");
    bare.has_proxy = false;
    mesh.pod(bare);
    let _ = mesh.slice(slice("shop", "web", &["10.1.0.1", "10.1.0.2"]));
    let mutual = |labels: serde_json::Value| {
        json!({ "host": "*.local", "subsets": [{ "name": "v1", "labels": labels,
            "trafficPolicy": { "tls": { "mode": "ISTIO_MUTUAL" } } }] })
    };
    mesh.rule(
        "DestinationRule",
        "shop/all",
        mutual(json!({ "app": "web" })),
    );
    assert_eq!(mesh.findings(), [""; 0]);
    mesh.rule(
        "DestinationRule",
        "shop/all",
        mutual(json!({ "version": "old" })),
    );
    assert!(one(&mesh).contains("shop/web-10.1.0.2 has no sidecar"));
}
