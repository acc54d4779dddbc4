//! Telemetries that have no effect.

use std::sync::Arc;

use serde_json::{Value, json};

use super::one;
use crate::model::{
    CollectorProtocol, Event, MeshConfig, MeshTracing, OpenTelemetry, Provider, ServiceAddress,
    TracingProvider,
    tests::fixture::{Mesh, pod, service},
};

fn selecting(labels: &Value) -> Value {
    json!({ "selector": { "matchLabels": labels }, "tracing": [{}] })
}

fn naming(provider: &str) -> Value {
    json!({ "tracing": [{ "providers": [{ "name": provider }] }] })
}

/// A mesh with the providers `dog`, which is not built, and `otel` at `otel.obs:4317`.
fn mesh() -> Mesh {
    let mut mesh = Mesh::with_web();
    configure(&mut mesh, |_| {});
    mesh
}

/// Changes what the mesh's configuration says about tracing.
fn configure(mesh: &mut Mesh, change: impl FnOnce(&mut MeshTracing)) {
    let mut tracing = MeshTracing::default_in("istio-system");
    let dog = Provider::NotBuilt("datadog".into());
    tracing.providers.insert("dog".into(), dog);
    let otel = Provider::Tracing(TracingProvider {
        service: ServiceAddress {
            namespace: None,
            host: "otel.obs.svc.cluster.local".into(),
            port: 4317,
        },
        protocol: CollectorProtocol::OpenTelemetry(OpenTelemetry::default()),
        max_path_length: None,
    });
    tracing.providers.insert("otel".into(), otel);
    change(&mut tracing);
    let config = MeshConfig {
        tracing: Arc::new(tracing),
        ..MeshConfig::default()
    };
    assert!(mesh.apply(Event::Mesh(config)).rules);
}

#[test]
fn the_later_telemetry_of_a_namespace_is_told_of_the_older() {
    let mut mesh = mesh();
    mesh.rule("Telemetry", "shop/z", json!({ "tracing": [{}] }));
    mesh.rule("Telemetry", "other/all", json!({ "tracing": [{}] }));
    assert_eq!(mesh.findings(), [""; 0]);
    mesh.rule("Telemetry", "shop/a", json!({ "tracing": [{}] }));
    let finding = one(&mesh);
    assert!(
        finding.starts_with("Telemetry shop/a: the older Telemetry shop/z is for all pods"),
        "{finding}"
    );
}

#[test]
fn the_later_telemetry_of_a_pod_is_told_of_the_older() {
    let mut mesh = mesh();
    let labels = [("app", "web"), ("version", "v1")];
    mesh.pod(pod("shop", "web", &labels, "10.0.0.3"));
    mesh.rule("Telemetry", "shop/z", selecting(&json!({ "app": "web" })));
    assert_eq!(mesh.findings(), [""; 0]);
    mesh.rule(
        "Telemetry",
        "shop/a",
        selecting(&json!({ "version": "v1" })),
    );
    let finding = one(&mesh);
    assert!(finding.starts_with("Telemetry shop/a: "), "{finding}");
    assert!(
        finding.contains("an older Telemetry (shop/z) selects, too, such as shop/web"),
        "{finding}"
    );
    mesh.rule("Telemetry", "shop/a", selecting(&json!({ "app": "web" })));
    assert!(one(&mesh).contains("shop/z has the same selector"));
    mesh.rule(
        "Telemetry",
        "shop/a",
        selecting(&json!({ "app": "client" })),
    );
    assert_eq!(mesh.findings(), [""; 0]);
}

#[test]
fn a_telemetry_that_selects_no_pod_is_told() {
    let mut mesh = mesh();
    mesh.pod(pod("other", "web", &[("app", "web")], "10.0.0.3"));
    mesh.rule("Telemetry", "shop/a", selecting(&json!({ "app": "web" })));
    let finding = one(&mesh);
    assert!(
        finding.starts_with("Telemetry shop/a: the selector app=web selects no pod"),
        "{finding}"
    );
}

#[test]
fn a_provider_that_is_not_there_is_told() {
    let mut mesh = mesh();
    mesh.rule("Telemetry", "shop/a", naming("none"));
    assert!(one(&mesh).contains("the mesh has no provider none: requests are not traced"));
    mesh.rule("Telemetry", "shop/a", naming("dog"));
    assert!(one(&mesh).contains("the provider dog is not built (datadog)"));
    mesh.rule("Telemetry", "shop/a", naming("otel"));
    let finding = one(&mesh);
    assert!(
        finding.contains(
            "the provider otel is at otel.obs.svc.cluster.local:4317, but no Service or ServiceEntry of that \
             host is seen from the namespace shop: requests are not traced"
        ),
        "{finding}"
    );
    mesh.service(service("obs", "otel", &[("http", 80), ("grpc", 4318)]));
    let finding = one(&mesh);
    assert!(
        finding.contains("but otel.obs.svc.cluster.local has only the ports 80, 4318: "),
        "{finding}"
    );
}

#[test]
fn a_provider_of_another_namespace_is_told() {
    let mut mesh = mesh();
    mesh.service(service("obs", "otel", &[("grpc-otlp", 4317)]));
    configure(&mut mesh, |tracing| {
        let Some(Provider::Tracing(otel)) = tracing.providers.get_mut("otel") else {
            panic!("no otel");
        };
        otel.service.namespace = Some("shop".into());
    });
    mesh.rule("Telemetry", "shop/a", naming("otel"));
    let finding = one(&mesh);
    assert!(
        finding.contains(
            "is at shop/otel.obs.svc.cluster.local:4317, but the host that is seen from the namespace shop is of \
             the namespace obs: "
        ),
        "{finding}"
    );
}

/// Who writes a Telemetry that leaves the provider to the mesh sees nothing else of it.
#[test]
fn a_default_provider_that_gets_nothing_is_told() {
    let mut mesh = mesh();
    configure(&mut mesh, |tracing| {
        tracing.default_provider = Some("otel".into());
    });
    assert_eq!(mesh.findings(), [""; 0]);
    mesh.rule("Telemetry", "shop/a", json!({ "tracing": [{}] }));
    let finding = one(&mesh);
    assert!(
        finding.starts_with(
            "Telemetry shop/a: the provider otel (of defaultProviders) is at otel.obs.svc.cluster.local:4317, but "
        ),
        "{finding}"
    );
    mesh.service(service("obs", "otel", &[("otlp", 4317)]));
    assert!(one(&mesh).contains("(of defaultProviders) gets spans by gRPC"));
    // Nobody asks for its spans.
    let disabled = json!({ "tracing": [{ "disableSpanReporting": true }] });
    mesh.rule("Telemetry", "shop/a", disabled);
    assert_eq!(mesh.findings(), [""; 0]);
    // They go to whom the root's Telemetry names, which is told of it itself.
    mesh.rule("Telemetry", "shop/a", json!({ "tracing": [{}] }));
    mesh.rule("Telemetry", "istio-system/all", naming("dog"));
    let finding = one(&mesh);
    assert!(
        finding.starts_with("Telemetry istio-system/all: the provider dog is not built"),
        "{finding}"
    );
}

#[test]
fn a_collectors_port_that_does_not_speak_grpc_is_told() {
    let mut mesh = mesh();
    mesh.service(service("obs", "otel", &[("otlp", 4317)]));
    mesh.rule("Telemetry", "shop/a", naming("otel"));
    let finding = one(&mesh);
    assert!(
        finding.contains("call the port grpc-otlp, or set its appProtocol"),
        "{finding}"
    );
    mesh.service(service("obs", "otel", &[("grpc-otlp", 4317)]));
    assert_eq!(mesh.findings(), [""; 0]);
}
