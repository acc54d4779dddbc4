//! What pods' ports take: PeerAuthentications of each scope.

use serde_json::{Value, json};

use super::fixture::{Mesh, pod};
use crate::model::{Change, Event, MeshConfig};

fn mode(mode: &str) -> Value {
    json!({ "mtls": { "mode": mode } })
}

/// For the pods of a name, with modes of single ports.
fn selecting(app: &str, mode: &str, ports: &Value) -> Value {
    json!({ "selector": { "matchLabels": { "app": app } }, "mtls": { "mode": mode },
        "portLevelMtls": ports })
}

/// The mode of a pod's port, and who says it.
fn mtls(mesh: &Mesh, pod: &str, port: u16) -> String {
    let effective = mesh.model.mtls(&mesh.client(pod), port);
    match effective.decided_by {
        Some(key) => format!("{} by {key}", effective.mode),
        None => effective.mode.to_string(),
    }
}

#[test]
fn both_are_taken_by_default() {
    assert_eq!(mtls(&Mesh::with_web(), "shop/client", 80), "PERMISSIVE");
}

#[test]
fn the_narrowest_scope_decides() {
    let mut mesh = Mesh::with_web();
    let strict = mode("STRICT");
    mesh.rule("PeerAuthentication", "istio-system/mesh", strict);
    assert_eq!(
        mtls(&mesh, "shop/client", 80),
        "STRICT by istio-system/mesh"
    );
    mesh.rule("PeerAuthentication", "shop/all", mode("DISABLE"));
    assert_eq!(mtls(&mesh, "shop/client", 80), "DISABLE by shop/all");
    assert_eq!(
        mtls(&mesh, "other/client", 80),
        "STRICT by istio-system/mesh"
    );
    let ports = json!({ "8080": { "mode": "PERMISSIVE" } });
    let client = selecting("client", "STRICT", &ports);
    mesh.rule("PeerAuthentication", "shop/client", client);
    assert_eq!(mtls(&mesh, "shop/client", 80), "STRICT by shop/client");
    assert_eq!(
        mtls(&mesh, "shop/client", 8080),
        "PERMISSIVE by shop/client"
    );
    mesh.pod(pod("shop", "web", &[("app", "web")], "10.0.0.3"));
    assert_eq!(mtls(&mesh, "shop/web", 8080), "DISABLE by shop/all");
}

#[test]
fn what_is_not_set_is_as_in_the_wider_scope() {
    let mut mesh = Mesh::with_web();
    let strict = mode("STRICT");
    mesh.rule("PeerAuthentication", "istio-system/mesh", strict);
    mesh.rule("PeerAuthentication", "shop/all", mode("UNSET"));
    let ports = json!({ "80": { "mode": "UNSET" }, "81": { "mode": "DISABLE" } });
    let mut client = selecting("client", "UNSET", &ports);
    mesh.rule("PeerAuthentication", "shop/client", client.clone());
    for port in [80, 82] {
        assert_eq!(
            mtls(&mesh, "shop/client", port),
            "STRICT by istio-system/mesh"
        );
    }
    assert_eq!(mtls(&mesh, "shop/client", 81), "DISABLE by shop/client");
    // A port's mode holds without one for the others.
    client["mtls"] = Value::Null;
    mesh.rule("PeerAuthentication", "shop/client", client);
    assert_eq!(mtls(&mesh, "shop/client", 81), "DISABLE by shop/client");
    assert_eq!(
        mtls(&mesh, "shop/client", 80),
        "STRICT by istio-system/mesh"
    );
}

/// Also if it leaves the mode to a wider scope, and the younger one does not.
#[test]
fn the_oldest_of_a_scope_holds() {
    let mut mesh = Mesh::with_web();
    mesh.rule("PeerAuthentication", "shop/z", mode("UNSET"));
    mesh.rule("PeerAuthentication", "shop/a", mode("STRICT"));
    assert_eq!(mtls(&mesh, "shop/client", 80), "PERMISSIVE");
    let none = json!({});
    mesh.rule(
        "PeerAuthentication",
        "shop/y",
        selecting("client", "DISABLE", &none),
    );
    let ports = json!({ "80": { "mode": "STRICT" } });
    mesh.rule(
        "PeerAuthentication",
        "shop/b",
        selecting("client", "STRICT", &ports),
    );
    assert_eq!(mtls(&mesh, "shop/client", 80), "DISABLE by shop/y");
    let gone = Change::Delete(super::fixture::key("shop/y"));
    assert!(mesh.apply(Event::PeerAuthentication(gone)).rules);
    assert_eq!(mtls(&mesh, "shop/client", 80), "STRICT by shop/b");
}

#[test]
fn of_the_same_age_the_first_by_name_holds() {
    let mut mesh = Mesh::with_web();
    for name in ["shop/b", "shop/a", "shop/c"] {
        let event = super::fixture::rule("PeerAuthentication", name, 7, mode("STRICT"));
        assert!(mesh.apply(event).rules);
    }
    assert_eq!(mtls(&mesh, "shop/client", 80), "STRICT by shop/a");
}

/// What is for chosen pods of the root namespace is for no others.
#[test]
fn a_selector_in_the_root_namespace_selects_its_own_pods() {
    let mut mesh = Mesh::with_web();
    mesh.pod(pod(
        "istio-system",
        "client",
        &[("app", "client")],
        "10.0.0.3",
    ));
    let ports = json!({ "80": { "mode": "DISABLE" } });
    let client = selecting("client", "STRICT", &ports);
    mesh.rule("PeerAuthentication", "istio-system/client", client);
    assert_eq!(mtls(&mesh, "shop/client", 80), "PERMISSIVE");
    let own = "istio-system/client";
    assert_eq!(mtls(&mesh, own, 80), "DISABLE by istio-system/client");
    assert_eq!(mtls(&mesh, own, 81), "STRICT by istio-system/client");
}

#[test]
fn the_root_namespace_is_the_mesh_configurations() {
    let mut mesh = Mesh::with_web();
    mesh.rule("PeerAuthentication", "other/all", mode("STRICT"));
    assert_eq!(mtls(&mesh, "shop/client", 80), "PERMISSIVE");
    let config = MeshConfig {
        root_namespace: "other".into(),
        ..MeshConfig::default()
    };
    assert!(mesh.apply(Event::Mesh(config)).rules);
    assert_eq!(mtls(&mesh, "shop/client", 80), "STRICT by other/all");
}
