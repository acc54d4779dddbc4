//! How a connection manager's requests are traced.

use std::time::Duration;

use pillion_api::{CustomTag, TagSource};
use pillion_envoy_api::{
    Any, any,
    envoy::{
        config::{
            core::v3::{
                GrpcService, HeaderValue, HeaderValueOption, HttpService, HttpUri,
                grpc_service::{EnvoyGrpc, TargetSpecifier},
                header_value_option::HeaderAppendAction,
                http_uri::HttpUpstreamType,
            },
            trace::v3::{
                OpenTelemetryConfig, ZipkinConfig,
                tracing::{Http, http},
                zipkin_config::{CollectorEndpointVersion, TraceContextOption},
            },
        },
        extensions::{
            filters::network::http_connection_manager::v3::{
                RequestIdExtension, http_connection_manager::Tracing,
            },
            request_id::uuid::v3::UuidRequestIdConfig,
        },
        r#type::{
            tracing::v3::{
                CustomTag as Tag,
                custom_tag::{Environment, Header, Literal, Type},
            },
            v3::Percent,
        },
    },
    type_url,
};

use super::common::duration;
use crate::model::{Collector, CollectorProtocol, Delivery, OpenTelemetry, Tracer, Zipkin};

/// Tags that say which workload the proxy is of: the variable of its environment that has the value, and
/// the value without it. In Istio they are literals; by variables, workloads share their listeners.
const ISTIO: [(&str, &str, &str); 5] = [
    ("istio.canonical_revision", "CANONICAL_REVISION", "latest"),
    ("istio.canonical_service", "CANONICAL_SERVICE", "unknown"),
    ("istio.cluster_id", "ISTIO_META_CLUSTER_ID", "unknown"),
    ("istio.mesh_id", "ISTIO_META_MESH_ID", "unknown"),
    ("istio.namespace", "POD_NAMESPACE", "default"),
];

/// How long a message with spans may take, where nobody says it: Istio's for Zipkin, and Envoy's for
/// OpenTelemetry.
const ZIPKIN_TIMEOUT: Duration = Duration::from_secs(5);
const OTLP_TIMEOUT: Duration = Duration::from_secs(10);

/// Which requests are traced, and what becomes of their spans.
pub(super) fn tracing(tracer: &Tracer) -> Tracing {
    let percent = |value: f64| Some(Percent { value });
    Tracing {
        client_sampling: percent(100.0),
        random_sampling: percent(tracer.sampling.percent()),
        overall_sampling: percent(100.0),
        max_path_tag_length: tracer.max_path_length,
        custom_tags: tags(tracer),
        provider: Some(provider(&tracer.collector)),
        ..Tracing::default()
    }
}

/// What makes request ids, where it is not as Envoy's default.
pub(super) fn request_ids(tracer: &Tracer) -> Option<RequestIdExtension> {
    let config = UuidRequestIdConfig {
        pack_trace_reason: None,
        use_request_id_for_trace_sampling: Some(false),
    };
    (!tracer.by_request_id).then(|| RequestIdExtension {
        typed_config: Some(any(type_url::UUID_REQUEST_ID_CONFIG, &config)),
    })
}

/// The tags in the order of their names, as Istio sends them.
fn tags(tracer: &Tracer) -> Vec<Tag> {
    let istio = ISTIO.iter().filter(|_| tracer.istio_tags);
    let istio = istio.map(|(tag, variable, otherwise)| Tag {
        tag: (*tag).to_owned(),
        r#type: Some(Type::Environment(Environment {
            name: (*variable).to_owned(),
            default_value: (*otherwise).to_owned(),
        })),
    });
    let own = tracer.tags.iter().map(|(name, tag)| Tag {
        tag: name.to_string(),
        r#type: Some(value(tag)),
    });
    let mut tags: Vec<Tag> = istio.chain(own).collect();
    tags.sort_by(|one, other| one.tag.cmp(&other.tag));
    tags
}

fn value(tag: &CustomTag) -> Type {
    match tag.clone() {
        CustomTag::Literal(value) => Type::Literal(Literal { value }),
        CustomTag::Environment(TagSource {
            name,
            default_value,
        }) => Type::Environment(Environment {
            name,
            default_value,
        }),
        CustomTag::Header(TagSource {
            name,
            default_value,
        }) => Type::RequestHeader(Header {
            name,
            default_value,
        }),
    }
}

fn provider(collector: &Collector) -> Http {
    let (name, config) = match &collector.protocol {
        CollectorProtocol::Zipkin(zipkin) => {
            let config = self::zipkin(collector, zipkin);
            (
                "envoy.tracers.zipkin",
                any(type_url::ZIPKIN_CONFIG, &config),
            )
        }
        CollectorProtocol::OpenTelemetry(otlp) => {
            let config = opentelemetry(collector, otlp);
            let config: Any = any(type_url::OPEN_TELEMETRY_CONFIG, &config);
            ("envoy.tracers.opentelemetry", config)
        }
    };
    Http {
        name: name.to_owned(),
        config_type: Some(http::ConfigType::TypedConfig(config)),
    }
}

fn zipkin(collector: &Collector, zipkin: &Zipkin) -> ZipkinConfig {
    let context = if zipkin.with_w3c {
        TraceContextOption::UseB3WithW3cPropagation
    } else {
        TraceContextOption::UseB3
    };
    let mut config = ZipkinConfig {
        trace_id_128bit: !zipkin.short_trace_ids,
        shared_span_context: Some(false),
        collector_endpoint_version: CollectorEndpointVersion::HttpJson.into(),
        trace_context_option: context.into(),
        ..ZipkinConfig::default()
    };
    if zipkin.delivery == Delivery::default() {
        config.collector_cluster = collector.cluster.to_string();
        config.collector_endpoint = zipkin.path.to_string();
        config.collector_hostname = collector.host.to_string();
    } else {
        let delivery = (&*zipkin.path, &zipkin.delivery);
        config.collector_service = Some(http_service(collector, delivery, ZIPKIN_TIMEOUT));
    }
    config
}

fn opentelemetry(collector: &Collector, otlp: &OpenTelemetry) -> OpenTelemetryConfig {
    // Our proxies say the service's name themselves; by a name here, each workload would have listeners
    // of its own.
    let mut config = OpenTelemetryConfig::default();
    let delivery = &otlp.delivery;
    match &otlp.path {
        Some(path) => {
            config.http_service = Some(http_service(collector, (path, delivery), OTLP_TIMEOUT));
        }
        None => {
            config.grpc_service = Some(GrpcService {
                target_specifier: Some(TargetSpecifier::EnvoyGrpc(EnvoyGrpc {
                    cluster_name: collector.cluster.to_string(),
                    authority: collector.host.to_string(),
                })),
                timeout: delivery.timeout.map(duration),
                initial_metadata: headers(delivery).collect(),
            });
        }
    }
    config
}

/// A server that spans are posted to at a path.
fn http_service(
    collector: &Collector,
    (path, delivery): (&str, &Delivery),
    timeout: Duration,
) -> HttpService {
    let set = |header| HeaderValueOption {
        header: Some(header),
        append_action: HeaderAppendAction::OverwriteIfExistsOrAdd.into(),
        ..HeaderValueOption::default()
    };
    HttpService {
        http_uri: Some(HttpUri {
            uri: format!("http://{}{path}", collector.host),
            timeout: Some(duration(delivery.timeout.unwrap_or(timeout))),
            http_upstream_type: Some(HttpUpstreamType::Cluster(collector.cluster.to_string())),
        }),
        request_headers_to_add: headers(delivery).map(set).collect(),
    }
}

fn headers(delivery: &Delivery) -> impl Iterator<Item = HeaderValue> {
    delivery.headers.iter().map(|(name, value)| HeaderValue {
        key: name.to_string(),
        value: value.to_string(),
        ..HeaderValue::default()
    })
}

#[cfg(test)]
mod tests;
