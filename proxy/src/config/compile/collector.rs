//! Where spans are sent, by the messages of the tracers that Envoy has for it.

use std::{sync::Arc, time::Duration};

use http::{
    HeaderMap, HeaderName, HeaderValue,
    uri::{Authority, PathAndQuery},
};
use pillion_envoy_api::envoy::config::{
    core::v3::{
        GrpcService, HeaderValue as HeaderMessage, HeaderValueOption, HttpService, HttpUri,
        grpc_service::{EnvoyGrpc, TargetSpecifier},
        http_uri::HttpUpstreamType,
    },
    trace::v3::{
        OpenTelemetryConfig, ZipkinConfig,
        zipkin_config::{CollectorEndpointVersion, TraceContextOption},
    },
};

use super::{
    fault::{Fault, at, at_index, at_most, refuse_if},
    scope::Scope,
    text::bounded,
    values::limit,
};
use crate::tables::{Collector, Propagation, SpanProtocol};

/// Envoy's default for Zipkin; without an end, a collector that hangs would hold its spans.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Headers of requests to a collector.
const MAX_HEADERS: usize = 64;

/// What a tracer's message says.
#[derive(Debug)]
pub(super) struct Tracer {
    pub collector: Collector,
    pub propagation: Propagation,
    pub has_long_ids: bool,
}

pub(super) fn zipkin(scope: &Scope<'_>, message: ZipkinConfig) -> Result<Tracer, Fault> {
    let ZipkinConfig {
        collector_cluster,
        collector_endpoint,
        trace_id_128bit,
        shared_span_context,
        collector_endpoint_version,
        collector_hostname,
        split_spans_for_request,
        trace_context_option,
        collector_service,
    } = message;
    if shared_span_context != Some(false) {
        return Err(Fault::new("shared_span_context", "must be false"));
    }
    if collector_endpoint_version != i32::from(CollectorEndpointVersion::HttpJson) {
        return Err(Fault::new(
            "collector_endpoint_version",
            "must be HTTP_JSON",
        ));
    }
    refuse_if(split_spans_for_request, "split_spans_for_request")?;
    let propagation = match TraceContextOption::try_from(trace_context_option) {
        Ok(TraceContextOption::UseB3) => Propagation::B3,
        Ok(TraceContextOption::UseB3WithW3cPropagation) => Propagation::B3AndW3c,
        Err(_) => return Err(Fault::unsupported("trace_context_option")),
    };
    let protocol = SpanProtocol::Zipkin;
    let collector = match collector_service {
        Some(service) => http_service(scope, service, protocol).map_err(at("collector_service"))?,
        None => {
            let host = match collector_hostname.as_str() {
                "" => host_of(&collector_cluster),
                host => host,
            };
            Collector {
                cluster: scope.collector("collector_cluster", &collector_cluster)?,
                protocol,
                authority: authority("collector_hostname", host)?,
                path: path("collector_endpoint", &collector_endpoint)?,
                headers: HeaderMap::new(),
                timeout: TIMEOUT,
                service_name: None,
            }
        }
    };
    Ok(Tracer {
        collector,
        propagation,
        has_long_ids: trace_id_128bit,
    })
}

pub(super) fn open_telemetry(
    scope: &Scope<'_>,
    message: OpenTelemetryConfig,
) -> Result<Tracer, Fault> {
    let OpenTelemetryConfig {
        grpc_service: grpc,
        http_service: http,
        service_name,
        resource_detectors,
        sampler,
        // Spans that wait have bounds of their own.
        max_cache_size: _,
    } = message;
    refuse_if(!resource_detectors.is_empty(), "resource_detectors")?;
    refuse_if(sampler.is_some(), "sampler")?;
    let mut collector = match (grpc, http) {
        (Some(service), None) => grpc_service(scope, service).map_err(at("grpc_service"))?,
        (None, Some(service)) => {
            http_service(scope, service, SpanProtocol::OtlpHttp).map_err(at("http_service"))?
        }
        (Some(_), Some(_)) => {
            let reason = "can't be there together with grpc_service";
            return Err(Fault::new("http_service", reason));
        }
        (None, None) => return Err(Fault::new("grpc_service", "is missing")),
    };
    let name = bounded("service_name", &service_name)?;
    collector.service_name = (!name.is_empty()).then(|| Arc::from(name));
    Ok(Tracer {
        collector,
        propagation: Propagation::W3c,
        has_long_ids: true,
    })
}

fn http_service(
    scope: &Scope<'_>,
    message: HttpService,
    protocol: SpanProtocol,
) -> Result<Collector, Fault> {
    let HttpService {
        http_uri,
        request_headers_to_add,
    } = message;
    let Some(HttpUri {
        uri,
        http_upstream_type,
        timeout,
    }) = http_uri
    else {
        return Err(Fault::new("http_uri", "is missing"));
    };
    let Some(HttpUpstreamType::Cluster(cluster)) = http_upstream_type else {
        return Err(Fault::new("http_uri.cluster", "is missing"));
    };
    let timeout = limit("timeout", timeout).map_err(at("http_uri"))?;
    // It may be a path alone, in whose query there may be anything.
    let absolute = match uri.starts_with('/') {
        true => None,
        false => uri.split_once("://"),
    };
    let (host, target) = match absolute {
        None => (host_of(&cluster), uri.as_str()),
        Some((_, rest)) => match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, "/"),
        },
    };
    let mut headers = HeaderMap::new();
    at_most(
        "request_headers_to_add",
        MAX_HEADERS,
        request_headers_to_add.len(),
    )?;
    for (index, HeaderValueOption { header, .. }) in request_headers_to_add.into_iter().enumerate()
    {
        // Whatever it says of values that are there: there are none.
        let (name, value) = header_of(header.unwrap_or_default())
            .map_err(at("header"))
            .map_err(at_index("request_headers_to_add", index))?;
        headers.insert(name, value);
    }
    Ok(Collector {
        cluster: scope
            .collector("cluster", &cluster)
            .map_err(at("http_uri"))?,
        protocol,
        authority: authority("uri", host).map_err(at("http_uri"))?,
        path: path("uri", target).map_err(at("http_uri"))?,
        headers,
        timeout: timeout.unwrap_or(TIMEOUT),
        service_name: None,
    })
}

fn grpc_service(scope: &Scope<'_>, message: GrpcService) -> Result<Collector, Fault> {
    let GrpcService {
        timeout,
        initial_metadata,
        target_specifier,
    } = message;
    let Some(TargetSpecifier::EnvoyGrpc(EnvoyGrpc {
        cluster_name,
        authority: host,
    })) = target_specifier
    else {
        return Err(Fault::new("envoy_grpc", "is missing"));
    };
    let host = match host.as_str() {
        "" => host_of(&cluster_name),
        host => host,
    };
    let mut headers = HeaderMap::new();
    at_most("initial_metadata", MAX_HEADERS, initial_metadata.len())?;
    for (index, header) in initial_metadata.into_iter().enumerate() {
        let (name, value) = header_of(header).map_err(at_index("initial_metadata", index))?;
        headers.append(name, value);
    }
    let cluster = scope.collector("cluster_name", &cluster_name);
    Ok(Collector {
        cluster: cluster.map_err(at("envoy_grpc"))?,
        protocol: SpanProtocol::OtlpGrpc,
        authority: authority("authority", host).map_err(at("envoy_grpc"))?,
        path: PathAndQuery::from_static("/"),
        headers,
        timeout: limit("timeout", timeout)?.unwrap_or(TIMEOUT),
        service_name: None,
    })
}

fn header_of(message: HeaderMessage) -> Result<(HeaderName, HeaderValue), Fault> {
    let HeaderMessage {
        key,
        value,
        raw_value,
    } = message;
    refuse_if(!raw_value.is_empty(), "raw_value")?;
    let name = HeaderName::try_from(bounded("key", &key)?);
    let name = name.map_err(|_| Fault::new("key", format!("{key:?} is not a header's name")))?;
    let value = HeaderValue::try_from(bounded("value", &value)?);
    // It may be a secret.
    let mut value = value.map_err(|_| Fault::new("value", "is not a header's value"))?;
    value.set_sensitive(true);
    Ok((name, value))
}

/// The host of a cluster, where nothing else says what a collector is called: the last part of such
/// names as `outbound|9411||zipkin.istio-system.svc.cluster.local`, which can't be a host as a whole.
fn host_of(cluster: &str) -> &str {
    cluster.rsplit_once('|').map_or(cluster, |(_, host)| host)
}

fn authority(field: &'static str, host: &str) -> Result<Authority, Fault> {
    let value = Authority::try_from(bounded(field, host)?);
    value.map_err(|_| Fault::new(field, format!("{host:?} is not a host")))
}

fn path(field: &'static str, path: &str) -> Result<PathAndQuery, Fault> {
    if !path.starts_with('/') {
        return Err(Fault::new(
            field,
            format!("{path:?} must begin with a slash"),
        ));
    }
    let parsed = PathAndQuery::try_from(bounded(field, path)?);
    parsed.map_err(|_| Fault::new(field, format!("{path:?} is not a path")))
}
