//! How the requests of a connection manager are traced.

use std::{sync::Arc, time::Duration};

use pillion_envoy_api::{
    Any, any,
    envoy::{
        config::{
            core::v3::{
                CidrRange, GrpcService, HeaderValue, HeaderValueOption, HttpService, HttpUri,
                grpc_service::{EnvoyGrpc, TargetSpecifier},
                http_uri::HttpUpstreamType,
            },
            listener::v3::{FilterChainMatch, Listener},
            trace::v3::{
                OpenTelemetryConfig, ZipkinConfig,
                tracing::{Http, http},
                zipkin_config::{CollectorEndpointVersion, TraceContextOption},
            },
        },
        extensions::{
            filters::network::http_connection_manager::v3::{
                HttpConnectionManager, RequestIdExtension,
                http_connection_manager::{InternalAddressConfig, Tracing as TracingMessage},
            },
            request_id::uuid::v3::UuidRequestIdConfig,
        },
        r#type::{
            tracing::v3::{
                CustomTag as TagMessage,
                custom_tag::{Environment, Header, Literal, Metadata, Type},
            },
            v3::Percent,
        },
    },
    type_url,
};
use prost::Message as _;

use crate::{
    config::{
        compile::{self, Used, listener},
        test_util::{address, http_chain, manager},
    },
    kind::Kind,
    tables::{CustomTag, CustomValue, Patterns, Propagation, Sampling, SpanProtocol, Tracing},
};

/// As Istio writes it.
fn zipkin() -> ZipkinConfig {
    ZipkinConfig {
        collector_cluster: "outbound|9411||zipkin".to_owned(),
        collector_endpoint: "/api/v2/spans".to_owned(),
        collector_endpoint_version: CollectorEndpointVersion::HttpJson.into(),
        trace_id_128bit: true,
        shared_span_context: Some(false),
        ..ZipkinConfig::default()
    }
}

fn provider(config: Any) -> Option<Http> {
    Some(Http {
        name: "envoy.tracers.test".to_owned(),
        config_type: Some(http::ConfigType::TypedConfig(config)),
    })
}

fn of_zipkin(config: &ZipkinConfig) -> TracingMessage {
    TracingMessage {
        provider: provider(any(type_url::ZIPKIN_CONFIG, config)),
        ..TracingMessage::default()
    }
}

fn of_open_telemetry(config: &OpenTelemetryConfig) -> TracingMessage {
    TracingMessage {
        provider: provider(any(type_url::OPEN_TELEMETRY_CONFIG, config)),
        ..TracingMessage::default()
    }
}

fn traced(tracing: TracingMessage) -> HttpConnectionManager {
    HttpConnectionManager {
        tracing: Some(tracing),
        ..manager("9080")
    }
}

fn compiled(manager: &HttpConnectionManager) -> compile::Listener {
    let message = Listener {
        name: "l".to_owned(),
        address: address("0.0.0.0", 8080),
        filter_chains: vec![http_chain(FilterChainMatch::default(), manager)],
        bind_to_port: Some(false),
        ..Listener::default()
    };
    let bytes = message.encode_to_vec();
    listener(Kind::Sidecar, &Patterns::default(), "l", &bytes).unwrap()
}

fn tracing(message: TracingMessage) -> Arc<Tracing> {
    let listener = compiled(&traced(message));
    assert!(listener.faults.is_empty(), "{}", listener.faults);
    listener.rest.tracing.unwrap()
}

fn fault(manager: &HttpConnectionManager) -> String {
    let listener = compiled(manager);
    // Requests are served all the same.
    assert!(listener.rest.routes.is_some() && listener.rest.tracing.is_none());
    assert_eq!(listener.used, Used::All);
    let fault = listener.faults.to_string();
    let path = "filter_chains[0].filters[0].typed_config.tracing.";
    fault.strip_prefix(path).unwrap_or(&fault).to_owned()
}

#[test]
fn spans_go_to_zipkin() {
    let listener = compiled(&traced(of_zipkin(&zipkin())));
    // Nothing waits for the cluster.
    assert!(listener.cites.clusters.is_empty());
    assert!(listener.cites.collectors.contains("outbound|9411||zipkin"));
    let tracing = listener.rest.tracing.unwrap();
    assert_eq!(tracing.sampling, Sampling::ALL);
    assert_eq!(tracing.propagation, Propagation::B3);
    assert!(tracing.has_long_ids && tracing.tells_servers);
    assert_eq!(tracing.max_path, 256);
    let collector = &tracing.collector;
    assert_eq!(collector.protocol, SpanProtocol::Zipkin);
    assert_eq!(collector.authority, "zipkin");
    assert_eq!(collector.path, "/api/v2/spans");
    assert_eq!(collector.timeout, Duration::from_secs(5));
}

#[test]
fn a_service_says_more_about_zipkin() {
    let mut config = zipkin();
    config.trace_context_option = TraceContextOption::UseB3WithW3cPropagation.into();
    config.collector_service = Some(HttpService {
        http_uri: Some(HttpUri {
            uri: "https://zipkin.example/api/v2/spans?a=b".to_owned(),
            http_upstream_type: Some(HttpUpstreamType::Cluster("zipkin".to_owned())),
            timeout: crate::config::test_util::seconds(2),
        }),
        request_headers_to_add: vec![HeaderValueOption {
            header: Some(HeaderValue {
                key: "X-Key".to_owned(),
                value: "secret".to_owned(),
                ..HeaderValue::default()
            }),
            ..HeaderValueOption::default()
        }],
    });
    let tracing = tracing(of_zipkin(&config));
    assert_eq!(tracing.propagation, Propagation::B3AndW3c);
    let collector = &tracing.collector;
    assert_eq!(&*collector.cluster, "zipkin");
    assert_eq!(collector.authority, "zipkin.example");
    assert_eq!(collector.path, "/api/v2/spans?a=b");
    assert_eq!(collector.headers["x-key"], "secret");
    assert_eq!(collector.timeout, Duration::from_secs(2));
}

#[test]
fn a_path_alone_may_have_a_url_in_its_query() {
    let service = |uri: &str| HttpService {
        http_uri: Some(HttpUri {
            uri: uri.to_owned(),
            http_upstream_type: Some(HttpUpstreamType::Cluster("otel".to_owned())),
            timeout: None,
        }),
        ..HttpService::default()
    };
    for (uri, authority, path) in [
        ("/v1?for=http://a/b", "otel", "/v1?for=http://a/b"),
        ("http://c/v1?for=http://a/b", "c", "/v1?for=http://a/b"),
        ("http://c", "c", "/"),
    ] {
        let tracing = tracing(of_open_telemetry(&OpenTelemetryConfig {
            http_service: Some(service(uri)),
            ..OpenTelemetryConfig::default()
        }));
        let collector = &tracing.collector;
        assert_eq!(
            (collector.authority.as_str(), collector.path.as_str()),
            (authority, path)
        );
    }
}

fn grpc() -> OpenTelemetryConfig {
    OpenTelemetryConfig {
        grpc_service: Some(GrpcService {
            target_specifier: Some(TargetSpecifier::EnvoyGrpc(EnvoyGrpc {
                cluster_name: "otel".to_owned(),
                authority: "otel.example".to_owned(),
            })),
            ..GrpcService::default()
        }),
        service_name: "shop".to_owned(),
        ..OpenTelemetryConfig::default()
    }
}

#[test]
fn spans_go_to_open_telemetry() {
    let by_grpc = tracing(of_open_telemetry(&grpc()));
    assert_eq!(by_grpc.propagation, Propagation::W3c);
    let collector = &by_grpc.collector;
    assert_eq!(collector.protocol, SpanProtocol::OtlpGrpc);
    assert_eq!(collector.authority, "otel.example");
    assert_eq!(collector.service_name.as_deref(), Some("shop"));
    let by_http = tracing(of_open_telemetry(&OpenTelemetryConfig {
        http_service: Some(HttpService {
            http_uri: Some(HttpUri {
                uri: "/v1/traces".to_owned(),
                http_upstream_type: Some(HttpUpstreamType::Cluster("otel".to_owned())),
                timeout: None,
            }),
            ..HttpService::default()
        }),
        ..OpenTelemetryConfig::default()
    }));
    let collector = &by_http.collector;
    assert_eq!(collector.protocol, SpanProtocol::OtlpHttp);
    assert_eq!(
        (&*collector.cluster, collector.path.as_str()),
        ("otel", "/v1/traces")
    );
    assert_eq!(
        (collector.authority.as_str(), &collector.service_name),
        ("otel", &None)
    );
}

#[test]
fn shares_are_rounded_as_in_envoy() {
    let percent = |value| Some(Percent { value });
    let tracing = tracing(TracingMessage {
        client_sampling: percent(99.9),
        random_sampling: percent(0.016),
        overall_sampling: percent(50.5),
        max_path_tag_length: Some(64),
        no_context_propagation: true,
        ..of_zipkin(&zipkin())
    });
    let Sampling {
        client,
        random,
        overall,
        ..
    } = tracing.sampling;
    assert_eq!((client, random, overall), (99, 2, 50));
    assert_eq!((tracing.max_path, tracing.tells_servers), (64, false));
}

#[test]
fn the_request_id_may_have_nothing_to_do_with_it() {
    let mut manager = traced(of_zipkin(&zipkin()));
    let config = UuidRequestIdConfig {
        pack_trace_reason: Some(false),
        use_request_id_for_trace_sampling: Some(false),
    };
    manager.request_id_extension = Some(RequestIdExtension {
        typed_config: Some(any(type_url::UUID_REQUEST_ID_CONFIG, &config)),
    });
    let sampling = compiled(&manager).rest.tracing.unwrap().sampling;
    assert!(!sampling.by_request_id && !sampling.marks_request_id);
}

#[test]
fn what_is_inside_is_told_by_ranges() {
    let mut manager = traced(of_zipkin(&zipkin()));
    manager.internal_address_config = Some(InternalAddressConfig {
        cidr_ranges: vec![CidrRange {
            address_prefix: "10.0.0.0".to_owned(),
            prefix_len: Some(8),
        }],
        ..InternalAddressConfig::default()
    });
    let inside = &compiled(&manager).rest.tracing.unwrap().inside;
    assert!(inside.len() == 1 && inside[0].contains([10, 1, 2, 3].into()));
}

fn tag(name: &str, value: Type) -> TagMessage {
    TagMessage {
        tag: name.to_owned(),
        r#type: Some(value),
    }
}

fn literal(text: &str) -> Type {
    Type::Literal(Literal {
        value: text.to_owned(),
    })
}

#[test]
fn custom_tags_have_values_of_three_kinds() {
    let environment = |name: &str, default: &str| {
        Type::Environment(Environment {
            name: name.to_owned(),
            default_value: default.to_owned(),
        })
    };
    let header = Header {
        name: "End-User".to_owned(),
        default_value: "nobody".to_owned(),
    };
    let tracing = tracing(TracingMessage {
        custom_tags: vec![
            tag("mesh", literal("old")),
            tag("path", environment("PATH", "")),
            tag("none", environment("PILLION_HAS_NO_SUCH_VARIABLE", "")),
            tag("default", environment("PILLION_HAS_NO_SUCH_VARIABLE", "d")),
            tag("user", Type::RequestHeader(header.clone())),
            tag("by", Type::ResponseHeader(header)),
            tag("mesh", literal("m")),
        ],
        ..of_zipkin(&zipkin())
    });
    let text = |text: &str| CustomValue::Literal(text.into());
    let (name, default) = (b"end-user"[..].into(), "nobody".into());
    let by = CustomValue::ResponseField(b"end-user"[..].into(), "nobody".into());
    let expected = [
        ("mesh", text("m")),
        ("path", text(&std::env::var("PATH").unwrap())),
        ("default", text("d")),
        ("user", CustomValue::RequestField(name, default)),
        ("by", by),
    ];
    let expected = expected.map(|(name, value)| CustomTag {
        name: name.into(),
        value,
    });
    assert_eq!(*tracing.tags, expected);
}

#[test]
fn without_a_provider_nothing_is_traced() {
    let listener = compiled(&traced(TracingMessage::default()));
    assert!(listener.faults.is_empty() && listener.rest.tracing.is_none());
}

#[test]
fn what_it_does_not_do_is_refused_and_requests_are_served() {
    type Change = fn(&mut TracingMessage);
    let changes: [(Change, &str); 8] = [
        (|m| m.verbose = true, "verbose: "),
        (
            |m| m.spawn_upstream_span = Some(true),
            "spawn_upstream_span: ",
        ),
        (|m| m.operation = "%PATH%".to_owned(), "operation: "),
        (
            |m| m.upstream_operation = "a".to_owned(),
            "upstream_operation: ",
        ),
        (
            |m| m.random_sampling = Some(Percent { value: 101.0 }),
            "random_sampling: must be between 0 and 100",
        ),
        (
            |m| m.overall_sampling = Some(Percent { value: f64::NAN }),
            "overall_sampling: ",
        ),
        (
            |m| {
                let kind = Type::Metadata(Metadata::default());
                m.custom_tags = vec![tag("a", literal("b")), tag("b", kind)];
            },
            "custom_tags[1].metadata: ",
        ),
        (
            |m| {
                m.provider = provider(Any {
                    type_url: "type.googleapis.com/envoy.config.trace.v3.DatadogConfig".to_owned(),
                    ..Any::default()
                });
            },
            "provider.typed_config: type.googleapis.com/envoy.config.trace.v3.DatadogConfig is not",
        ),
    ];
    for (change, expected) in changes {
        let mut message = of_zipkin(&zipkin());
        change(&mut message);
        let fault = fault(&traced(message));
        assert!(fault.starts_with(expected), "{fault}");
    }
}

#[test]
fn refuses_collectors_that_it_can_not_speak_to() {
    type Change = fn(&mut ZipkinConfig);
    let changes: [(Change, &str); 7] = [
        (
            |m| m.shared_span_context = None,
            "shared_span_context: must be false",
        ),
        (
            |m| m.collector_endpoint_version = CollectorEndpointVersion::Grpc.into(),
            "collector_endpoint_version: must be HTTP_JSON",
        ),
        (
            |m| m.split_spans_for_request = true,
            "split_spans_for_request: ",
        ),
        (
            |m| m.collector_cluster.clear(),
            "collector_cluster: is empty",
        ),
        (
            |m| m.collector_endpoint = "api".to_owned(),
            "collector_endpoint: ",
        ),
        (
            |m| m.collector_hostname = "a\nb".to_owned(),
            "collector_hostname: ",
        ),
        (
            |m| m.collector_service = Some(HttpService::default()),
            "collector_service.http_uri: is missing",
        ),
    ];
    for (change, expected) in changes {
        let mut config = zipkin();
        change(&mut config);
        let fault = fault(&traced(of_zipkin(&config)));
        let expected = format!("provider.typed_config.{expected}");
        assert!(fault.starts_with(&expected), "{fault}");
    }
    let both = OpenTelemetryConfig {
        http_service: Some(HttpService::default()),
        ..grpc()
    };
    let fault = fault(&traced(of_open_telemetry(&both)));
    assert!(
        fault.starts_with("provider.typed_config.http_service: "),
        "{fault}"
    );
}
