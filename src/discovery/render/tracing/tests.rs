use std::{sync::Arc, time::Duration};

use pillion_api::Percentage;
use pillion_envoy_api::to_json;
use prost::Message;
use serde_json::{Value, json};

use super::*;

fn tracer(protocol: CollectorProtocol) -> Tracer {
    Tracer {
        collector: Collector {
            cluster: "outbound|4317||otel.obs".into(),
            host: "otel.obs".into(),
            protocol,
        },
        sampling: Percentage::try_from(12.5).unwrap(),
        tags: Vec::new(),
        istio_tags: false,
        max_path_length: None,
        by_request_id: true,
    }
}

fn zipkin_tracer() -> Tracer {
    tracer(CollectorProtocol::Zipkin(Zipkin::default()))
}

/// The configuration of the provider, without what our proxy is not told.
fn provider_of(tracer: &Tracer) -> (String, Value) {
    let Some(Http {
        name,
        config_type: Some(http::ConfigType::TypedConfig(config)),
    }) = tracing(tracer).provider
    else {
        panic!("no provider");
    };
    let url = type_url::ALL.iter().find(|url| **url == config.type_url);
    let json = to_json(url.unwrap(), &config.value).unwrap();
    (name, serde_json::to_value(json).unwrap())
}

#[test]
fn every_decision_but_the_random_one_is_for_all_requests() {
    let rendered = tracing(&zipkin_tracer());
    let percent = |percent: Option<Percent>| percent.unwrap().value;
    assert_eq!(percent(rendered.client_sampling), 100.0);
    assert_eq!(percent(rendered.random_sampling), 12.5);
    assert_eq!(percent(rendered.overall_sampling), 100.0);
    assert_eq!(rendered.max_path_tag_length, None);
    assert_eq!(request_ids(&zipkin_tracer()), None);
    let other = Tracer {
        by_request_id: false,
        ..zipkin_tracer()
    };
    let config = request_ids(&other).unwrap().typed_config.unwrap();
    let config = UuidRequestIdConfig::decode(&*config.value).unwrap();
    assert_eq!(config.use_request_id_for_trace_sampling, Some(false));
}

#[test]
fn tags_are_in_the_order_of_their_names() {
    let own = [
        ("a", CustomTag::Literal("1".to_owned())),
        (
            "z",
            CustomTag::Header(TagSource {
                name: "x-z".to_owned(),
                default_value: "none".to_owned(),
            }),
        ),
    ];
    let tags = |istio_tags| -> Vec<String> {
        let tracer = Tracer {
            tags: own.clone().map(|(name, tag)| (name.into(), tag)).to_vec(),
            istio_tags,
            ..zipkin_tracer()
        };
        let tags = tracing(&tracer).custom_tags.into_iter();
        tags.map(|tag| tag.tag).collect()
    };
    assert_eq!(tags(false), ["a", "z"]);
    assert_eq!(
        tags(true),
        [
            "a",
            "istio.canonical_revision",
            "istio.canonical_service",
            "istio.cluster_id",
            "istio.mesh_id",
            "istio.namespace",
            "z"
        ]
    );
}

#[test]
fn zipkin_is_reached_as_by_istio() {
    let (name, config) = provider_of(&zipkin_tracer());
    assert_eq!(name, "envoy.tracers.zipkin");
    assert_eq!(
        config,
        json!({
            "collectorCluster": "outbound|4317||otel.obs", "collectorEndpoint": "/api/v2/spans",
            "collectorHostname": "otel.obs", "collectorEndpointVersion": "HTTP_JSON",
            "traceId128bit": true, "sharedSpanContext": false,
        })
    );
    let (_, config) = provider_of(&tracer(CollectorProtocol::Zipkin(Zipkin {
        path: "/spans".into(),
        short_trace_ids: true,
        with_w3c: true,
        delivery: Delivery {
            timeout: None,
            headers: vec![("x-token".into(), "t".into())],
        },
    })));
    assert_eq!(config["traceContextOption"], "USE_B3_WITH_W3C_PROPAGATION");
    assert_eq!(config.get("traceId128bit"), None);
    let service = &config["collectorService"];
    assert_eq!(
        service["httpUri"],
        json!({"uri": "http://otel.obs/spans", "cluster": "outbound|4317||otel.obs", "timeout": "5s"})
    );
    assert_eq!(
        service["requestHeadersToAdd"][0]["header"],
        json!({"key": "x-token", "value": "t"})
    );
}

#[test]
fn opentelemetry_is_reached_by_grpc_or_http() {
    let delivery = Delivery {
        timeout: Some(Duration::from_secs(1)),
        headers: vec![("a".into(), "b".into())],
    };
    let otlp = |path: Option<&str>| {
        let protocol = CollectorProtocol::OpenTelemetry(OpenTelemetry {
            path: path.map(Arc::from),
            delivery: delivery.clone(),
        });
        provider_of(&tracer(protocol))
    };
    let (name, grpc) = otlp(None);
    assert_eq!(name, "envoy.tracers.opentelemetry");
    assert_eq!(
        grpc,
        json!({
            "grpcService": {
                "envoyGrpc": {"clusterName": "outbound|4317||otel.obs", "authority": "otel.obs"},
                "timeout": "1s", "initialMetadata": [{"key": "a", "value": "b"}],
            },
        })
    );
    let (_, http) = otlp(Some("/v1/traces"));
    let uri = &http["httpService"]["httpUri"];
    assert_eq!(uri["uri"], "http://otel.obs/v1/traces");
    assert_eq!(uri["timeout"], "1s");
}
