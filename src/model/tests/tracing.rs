//! How requests are traced: Telemetries, the mesh's configuration and the pod's own.

use std::sync::Arc;

use pillion_api::{CustomTag, Percentage};
use serde_json::{Value, json};

use super::fixture::{INGRESS, Mesh, gateway_pod, pod, service};
use crate::model::{
    CollectorProtocol, Event, MeshConfig, MeshTracing, OpenTelemetry, Provider, ProxyCollector,
    ProxyTracing, ServiceAddress, Tracer, Tracing, TracingProvider, Zipkin,
};

/// Where Zipkin is looked for.
const ZIPKIN: &str = "zipkin.istio-system.svc.cluster.local";

/// A mesh with Zipkin where it is looked for.
fn mesh() -> Mesh {
    let mut mesh = Mesh::with_web();
    mesh.service(service("istio-system", "zipkin", &[("http", 9411)]));
    mesh
}

/// Changes what the mesh's configuration says about tracing.
fn configure(mesh: &mut Mesh, change: impl FnOnce(&mut MeshTracing)) {
    let mut tracing = MeshTracing::default_in("istio-system");
    change(&mut tracing);
    let config = MeshConfig {
        tracing: Arc::new(tracing),
        ..MeshConfig::default()
    };
    assert!(mesh.apply(Event::Mesh(config)).rules);
}

fn address(host: &str, port: u16) -> ServiceAddress {
    ServiceAddress {
        namespace: None,
        host: host.into(),
        port,
    }
}

fn provider(host: &str, port: u16, protocol: CollectorProtocol) -> Provider {
    Provider::Tracing(TracingProvider {
        service: address(host, port),
        protocol,
        max_path_length: None,
    })
}

fn zipkin() -> CollectorProtocol {
    CollectorProtocol::Zipkin(Zipkin::default())
}

fn otlp() -> CollectorProtocol {
    CollectorProtocol::OpenTelemetry(OpenTelemetry::default())
}

fn tracing(mesh: &Mesh, client: &str) -> Tracing {
    mesh.model.tracing(&mesh.client(client))
}

fn sent(mesh: &Mesh, client: &str) -> Arc<Tracer> {
    tracing(mesh, client).client.unwrap()
}

fn percent(tracer: Option<&Arc<Tracer>>) -> Option<f64> {
    tracer.map(|tracer| tracer.sampling.percent())
}

/// The percentages of both sides.
fn percents(mesh: &Mesh, client: &str) -> (Option<f64>, Option<f64>) {
    let tracing = tracing(mesh, client);
    (
        percent(tracing.client.as_ref()),
        percent(tracing.server.as_ref()),
    )
}

/// Says how much is traced, of pods with labels.
fn sample(mesh: &mut Mesh, name: &str, labels: &Value, percent: f64) {
    mesh.rule(
        "Telemetry",
        name,
        json!({ "selector": { "matchLabels": labels }, "tracing": [{ "randomSamplingPercentage": percent }] }),
    );
}

#[test]
fn one_percent_goes_to_zipkin_if_it_is_there() {
    let mut mesh = Mesh::with_web();
    assert_eq!(tracing(&mesh, "shop/client"), Tracing::default());
    assert!(mesh.findings().is_empty());
    mesh.service(service("istio-system", "zipkin", &[("http", 9411)]));
    let found = tracing(&mesh, "shop/client");
    assert_eq!(found.client, found.server);
    let tracer = found.client.unwrap();
    assert_eq!(tracer.sampling, Percentage::ONE);
    assert_eq!(
        &*tracer.collector.cluster,
        "outbound|9411||zipkin.istio-system.svc.cluster.local"
    );
    assert_eq!(tracer.collector.protocol, zipkin());
    assert!(tracer.istio_tags && tracer.by_request_id && tracer.tags.is_empty());
    // A Service without that port is none.
    mesh.service(service("istio-system", "zipkin", &[("http", 80)]));
    assert_eq!(tracing(&mesh, "shop/client"), Tracing::default());
}

#[test]
fn the_nearest_telemetry_wins() {
    let mut mesh = mesh();
    sample(&mut mesh, "istio-system/mesh", &json!({}), 10.0);
    assert_eq!(percents(&mesh, "shop/client"), (Some(10.0), Some(10.0)));
    sample(&mut mesh, "shop/all", &json!({}), 20.0);
    sample(&mut mesh, "shop/some", &json!({ "app": "client" }), 30.0);
    sample(&mut mesh, "shop/none", &json!({ "app": "other" }), 40.0);
    assert_eq!(percents(&mesh, "shop/client").0, Some(30.0));
    assert_eq!(percents(&mesh, "other/client").0, Some(10.0));
    mesh.pod(pod("shop", "web", &[("app", "web")], "10.0.0.3"));
    assert_eq!(percents(&mesh, "shop/web").0, Some(20.0));
    // One with a selector in the root namespace is for the pods there alone.
    sample(
        &mut mesh,
        "istio-system/some",
        &json!({ "app": "client" }),
        50.0,
    );
    assert_eq!(percents(&mesh, "other/client").0, Some(10.0));
}

#[test]
fn of_two_with_one_scope_the_oldest_holds() {
    let mut mesh = mesh();
    sample(&mut mesh, "shop/z", &json!({}), 10.0);
    sample(&mut mesh, "shop/a", &json!({}), 20.0);
    assert_eq!(percents(&mesh, "shop/client").0, Some(10.0));
    sample(&mut mesh, "shop/y", &json!({ "app": "client" }), 30.0);
    sample(&mut mesh, "shop/b", &json!({ "app": "client" }), 40.0);
    assert_eq!(percents(&mesh, "shop/client").0, Some(30.0));
}

#[test]
fn what_is_not_said_is_inherited_and_tags_are_replaced() {
    let mut mesh = mesh();
    mesh.rule(
        "Telemetry",
        "istio-system/mesh",
        json!({ "tracing": [{ "randomSamplingPercentage": 10, "enableIstioTags": false, "useRequestIdForTraceSampling": false,
            "customTags": { "a": { "literal": { "value": "1" } }, "b": { "header": { "name": "x-b" } } } }] }),
    );
    mesh.rule(
        "Telemetry",
        "shop/all",
        json!({ "tracing": [{ "customTags": { "c": { "literal": { "value": "2" } } } }, { "randomSamplingPercentage": 20 }] }),
    );
    let names = |client| -> Vec<String> {
        let tracer = sent(&mesh, client);
        assert!(!tracer.istio_tags && !tracer.by_request_id);
        tracer
            .tags
            .iter()
            .map(|(name, _)| name.to_string())
            .collect()
    };
    assert_eq!(names("other/client"), ["a", "b"]);
    assert_eq!(names("shop/client"), ["c"]);
    assert_eq!(percents(&mesh, "shop/client").0, Some(20.0));
}

#[test]
fn an_element_may_be_for_one_side() {
    let mut mesh = mesh();
    mesh.rule(
        "Telemetry",
        "shop/all",
        json!({ "tracing": [
            { "match": { "mode": "CLIENT" }, "randomSamplingPercentage": 0 },
            { "match": { "mode": "SERVER" }, "randomSamplingPercentage": 100 }] }),
    );
    assert_eq!(percents(&mesh, "shop/client"), (Some(0.0), Some(100.0)));
    mesh.rule(
        "Telemetry",
        "shop/all",
        json!({ "tracing": [{ "match": { "mode": "SERVER" }, "disableSpanReporting": true }] }),
    );
    assert_eq!(percents(&mesh, "shop/client"), (Some(1.0), None));
}

#[test]
fn what_is_disabled_for_all_may_be_enabled_for_some() {
    let mut mesh = mesh();
    let disable =
        |is_disabled: bool| json!({ "tracing": [{ "disableSpanReporting": is_disabled }] });
    mesh.rule("Telemetry", "istio-system/mesh", disable(true));
    assert_eq!(tracing(&mesh, "shop/client"), Tracing::default());
    mesh.rule("Telemetry", "shop/all", disable(false));
    assert_eq!(percents(&mesh, "shop/client").0, Some(1.0));
}

#[test]
fn a_gateway_is_a_client() {
    let mut mesh = mesh();
    mesh.pod(gateway_pod("infra", "gw", &INGRESS, "10.2.0.1"));
    sample(&mut mesh, "infra/gw", &json!({ "istio": "in" }), 50.0);
    assert_eq!(percents(&mesh, "infra/gw"), (Some(50.0), None));
}

#[test]
fn the_meshs_configuration_holds_where_no_telemetry_says_it() {
    let mut mesh = mesh();
    configure(&mut mesh, |tracing| {
        tracing.proxies.sampling = Percentage::try_from(5.0).ok();
        tracing.proxies.max_path_length = Some(64);
        tracing.proxies.istio_tags = Some(false);
        let tag = CustomTag::Literal("x".to_owned());
        tracing.proxies.tags.insert("t".into(), tag);
    });
    let tracer = sent(&mesh, "shop/client");
    assert_eq!(tracer.sampling.percent(), 5.0);
    assert_eq!(tracer.max_path_length, Some(64));
    assert!(!tracer.istio_tags && tracer.tags.len() == 1);
    mesh.rule(
        "Telemetry",
        "shop/all",
        json!({ "tracing": [{ "randomSamplingPercentage": 7, "customTags": { "u": { "literal": { "value": "y" } } } }] }),
    );
    let tracer = sent(&mesh, "shop/client");
    assert_eq!(tracer.sampling.percent(), 7.0);
    assert_eq!(&*tracer.tags[0].0, "u");
}

#[test]
fn a_pod_may_say_it_itself() {
    let mut mesh = mesh();
    configure(&mut mesh, |tracing| {
        tracing.proxies.max_path_length = Some(64);
    });
    let mut own = pod("shop", "own", &[("app", "own")], "10.0.0.7");
    own.tracing = Some(Arc::new(ProxyTracing {
        sampling: Some(Percentage::ALL),
        ..ProxyTracing::default()
    }));
    mesh.pod(own.clone());
    let tracer = sent(&mesh, "shop/own");
    assert_eq!(tracer.sampling, Percentage::ALL);
    assert_eq!(tracer.max_path_length, Some(64));
    assert_eq!(sent(&mesh, "shop/client").sampling, Percentage::ONE);
    own.tracing = Some(Arc::new(ProxyTracing {
        collector: Some(ProxyCollector::NotBuilt("datadog".into())),
        ..ProxyTracing::default()
    }));
    mesh.pod(own);
    assert_eq!(tracing(&mesh, "shop/own"), Tracing::default());
}

#[test]
fn the_mesh_may_trace_only_what_a_provider_is_named_for() {
    let mut mesh = mesh();
    let zipkin_provider = || provider("zipkin.istio-system.svc.cluster.local", 9411, zipkin());
    configure(&mut mesh, |tracing| {
        tracing.is_enabled = false;
        tracing.providers.insert("z".into(), zipkin_provider());
    });
    sample(&mut mesh, "other/all", &json!({}), 50.0);
    assert_eq!(tracing(&mesh, "other/client"), Tracing::default());
    mesh.rule(
        "Telemetry",
        "shop/all",
        json!({ "tracing": [{ "providers": [{ "name": "z" }] }] }),
    );
    assert_eq!(percents(&mesh, "shop/client").0, Some(1.0));
    configure(&mut mesh, |tracing| {
        tracing.is_enabled = false;
        tracing.providers.insert("z".into(), zipkin_provider());
        tracing.default_provider = Some("z".into());
    });
    assert_eq!(percents(&mesh, "other/client").0, Some(50.0));
}

#[test]
fn a_provider_that_is_missing_gets_nothing_and_nobody_else_does() {
    let mut mesh = mesh();
    configure(&mut mesh, |tracing| {
        let not_built = Provider::NotBuilt("datadog".into());
        tracing.providers.insert("dog".into(), not_built);
        tracing
            .providers
            .insert("away".into(), provider("away.shop", 1, zipkin()));
    });
    for name in ["dog", "away", "unknown"] {
        mesh.rule(
            "Telemetry",
            "shop/all",
            json!({ "tracing": [{ "providers": [{ "name": name }] }] }),
        );
        assert_eq!(tracing(&mesh, "shop/client"), Tracing::default(), "{name}");
    }
}

#[test]
fn a_provider_may_be_of_a_namespace() {
    let mut mesh = mesh();
    mesh.service(service("obs", "otel", &[("grpc-otlp", 4317)]));
    for (namespace, is_known) in [("obs", true), ("shop", false)] {
        configure(&mut mesh, |tracing| {
            let otel = Provider::Tracing(TracingProvider {
                service: ServiceAddress {
                    namespace: Some(namespace.into()),
                    ..address("otel.obs.svc.cluster.local", 4317)
                },
                protocol: otlp(),
                max_path_length: Some(32),
            });
            tracing.providers.insert("otel".into(), otel);
            tracing.default_provider = Some("otel".into());
        });
        let tracer = tracing(&mesh, "shop/client").client;
        let host = tracer.map(|tracer| {
            assert_eq!(tracer.max_path_length, Some(32));
            Arc::clone(&tracer.collector.host)
        });
        let wanted = is_known.then_some("otel.obs.svc.cluster.local");
        assert_eq!(host.as_deref(), wanted, "{namespace}");
    }
}

/// Whoever may write ServiceEntries in some namespace would get the spans of all.
#[test]
fn a_service_entry_does_not_get_the_spans_of_the_default_collector() {
    let mut mesh = Mesh::with_web();
    let entry = |host: &str| {
        json!({ "hosts": [host], "ports": [{ "number": 9411, "name": "http", "protocol": "HTTP" }],
            "resolution": "STATIC", "endpoints": [{ "address": "192.0.2.1" }] })
    };
    for host in ["zipkin.istio-system", ZIPKIN] {
        for namespace in ["other", "istio-system"] {
            let name = format!("{namespace}/zipkin");
            mesh.rule("ServiceEntry", &name, entry(host));
            assert_eq!(
                tracing(&mesh, "shop/client"),
                Tracing::default(),
                "{name}: {host}"
            );
        }
    }
    // The Service gets them, whoever else has a host that reads alike.
    for namespace in ["other", "istio-system"] {
        let name = format!("{namespace}/zipkin");
        mesh.rule("ServiceEntry", &name, entry("zipkin.istio-system"));
    }
    mesh.service(service("istio-system", "zipkin", &[("http", 9411)]));
    assert_eq!(&*sent(&mesh, "shop/client").collector.host, ZIPKIN);
    assert_eq!(&*sent(&mesh, "other/client").collector.host, ZIPKIN);
}

#[test]
fn a_collector_of_a_namespace_is_no_service_entry_of_another() {
    for (owner, host, is_found) in [
        ("other", "zipkin.obs.svc.cluster.local", false),
        ("other", "zipkin.obs.svc", false),
        ("obs", "zipkin.obs.svc.cluster.local", true),
        ("other", "zipkin.example.com", true),
        ("other", "example.com", true),
    ] {
        let mut mesh = Mesh::with_web();
        mesh.rule(
            "ServiceEntry",
            &format!("{owner}/entry"),
            json!({ "hosts": [host], "ports": [{ "number": 80, "name": "http", "protocol": "HTTP" }],
                "resolution": "STATIC", "endpoints": [{ "address": "192.0.2.1" }] }),
        );
        configure(&mut mesh, |tracing| {
            let zipkin = ProxyCollector::Zipkin(address(host, 80));
            tracing.proxies.collector = Some(zipkin);
        });
        let found = tracing(&mesh, "shop/client").client.is_some();
        assert_eq!(found, is_found, "{owner}: {host}");
    }
}

/// Its namespace says where its collector is.
#[test]
fn a_collector_may_be_another_name_of_one_elsewhere() {
    let mut mesh = Mesh::with_web();
    mesh.service(service("obs", "jaeger", &[("http", 9411)]));
    let mut alias = service("istio-system", "zipkin", &[]);
    alias.addresses.clear();
    alias.external_name = Some("jaeger.obs.svc.cluster.local".into());
    mesh.service(alias);
    let tracer = sent(&mesh, "shop/client");
    assert_eq!(
        &*tracer.collector.cluster,
        "outbound|9411||jaeger.obs.svc.cluster.local"
    );
}

#[test]
fn a_collector_is_found_by_the_names_that_dns_completes() {
    let mut mesh = mesh();
    mesh.service(service("shop", "tracing", &[("http", 80)]));
    for (host, is_known) in [
        ("tracing", true),
        ("tracing.shop", true),
        ("tracing.shop.svc", true),
        ("tracing.shop.svc.cluster.local", true),
        ("tracing.shop.svc.cluster.local.", true),
        ("tracing.other", false),
        ("example.com", false),
    ] {
        configure(&mut mesh, |tracing| {
            let zipkin = ProxyCollector::Zipkin(address(host, 80));
            tracing.proxies.collector = Some(zipkin);
        });
        let found = tracing(&mesh, "shop/client").client.is_some();
        assert_eq!(found, is_known, "{host}");
    }
}
