//! HttpConnectionManager: connections whose requests are routed.

use std::{sync::Arc, time::Duration};

use pillion_envoy_api::{
    envoy::{
        config::core::v3::{
            Http1ProtocolOptions, HttpProtocolOptions, SchemeHeaderTransformation,
            http_protocol_options::HeadersWithUnderscoresAction,
        },
        extensions::filters::{
            http::router::v3::Router,
            network::http_connection_manager::v3::{
                HttpConnectionManager, HttpFilter as HttpFilterMessage, Rds,
                http_connection_manager::{
                    CodecType, PathWithEscapedSlashesAction, RouteSpecifier,
                    ServerHeaderTransformation, StripPortMode, Tracing as TracingMessage,
                    UpgradeConfig,
                },
                http_filter,
            },
        },
    },
    type_url,
};

use super::{
    any::message_of,
    client_cert::client_cert,
    fault::{Fault, at, at_index, at_most, refuse_if},
    filters::{HttpFilter, http_filter},
    http2_options::check_http2,
    route_configuration::hosts,
    scope::Scope,
    tracing::{Around, around, tracing},
    upgrades::check_upgrade,
    values::{from_same_server, limit},
};
use crate::{
    kind::Kind,
    tables::{ClientCert, Hosts, Tracing},
};

/// Filters of one manager.
const MAX_FILTERS: usize = 64;
/// What the codecs have, too.
const MAX_HEADERS_KB: u32 = 60;
/// Envoy's default, which the proxy has as well.
const IDLE: Duration = Duration::from_secs(3600);

/// Where the routes of a manager come from.
#[derive(Debug, Clone)]
pub(crate) enum Routes {
    /// The listener itself.
    Inline(Arc<Hosts>),
    /// The RouteConfiguration of that name.
    Named(Arc<str>),
}

/// What is done with the requests of a manager.
#[derive(Debug, Clone)]
pub(super) struct Requests {
    pub routes: Routes,
    pub tracing: Option<Arc<Tracing>>,
    /// What they say of their client's certificate.
    pub client_cert: ClientCert,
}

pub(super) fn connection_manager(
    kind: Kind,
    scope: &Scope<'_>,
    message: HttpConnectionManager,
) -> Result<Requests, Fault> {
    check_traffic(&message)?;
    check_trust(kind, &message)?;
    check_fields(&message)?;
    let HttpConnectionManager {
        route_specifier,
        http_filters,
        common_http_protocol_options,
        http_protocol_options,
        http2_protocol_options,
        upgrade_configs,
        tracing,
        request_id_extension,
        internal_address_config,
        forward_client_cert_details,
        set_current_client_cert_details,
        ..
    } = message;
    filters(http_filters)?;
    common(common_http_protocol_options.unwrap_or_default())
        .map_err(at("common_http_protocol_options"))?;
    http1(http_protocol_options.unwrap_or_default()).map_err(at("http_protocol_options"))?;
    check_http2(http2_protocol_options.unwrap_or_default())
        .map_err(at("http2_protocol_options"))?;
    for (index, message) in upgrade_configs.into_iter().enumerate() {
        upgrade(message).map_err(at_index("upgrade_configs", index))?;
    }
    let client_cert = client_cert(forward_client_cert_details, set_current_client_cert_details)?;
    let around = around(request_id_extension, internal_address_config)?;
    let tracing = tracing.and_then(|message| traces(scope, message, around));
    let routes = routes(scope, route_specifier)?;
    Ok(Requests {
        routes,
        tracing,
        client_cert,
    })
}

/// How requests are traced. They are served without it where that can't be done.
fn traces(scope: &Scope<'_>, message: TracingMessage, around: Around) -> Option<Arc<Tracing>> {
    tracing(scope, message, around).unwrap_or_else(|fault| {
        scope.unfelt_fault(at("tracing")(fault));
        None
    })
}

fn routes(scope: &Scope<'_>, specifier: Option<RouteSpecifier>) -> Result<Routes, Fault> {
    match specifier {
        Some(RouteSpecifier::Rds(Rds {
            config_source,
            route_config_name,
        })) => {
            from_same_server("config_source", config_source).map_err(at("rds"))?;
            let name = scope.route_configuration("route_config_name", &route_config_name);
            Ok(Routes::Named(name.map_err(at("rds"))?))
        }
        Some(RouteSpecifier::RouteConfig(table)) => {
            let hosts = scope.within(at("route_config"), || hosts(scope, table, None));
            Ok(Routes::Inline(Arc::new(hosts?)))
        }
        None => Err(Fault::new("route_specifier", "is missing")),
    }
}

/// Times, sizes and versions.
fn check_traffic(message: &HttpConnectionManager) -> Result<(), Fault> {
    let is_auto = message.codec_type == i32::from(CodecType::Auto);
    refuse_if(!is_auto, "codec_type")?;
    let size = message.max_request_headers_kb;
    if size.is_some_and(|size| size != MAX_HEADERS_KB) {
        return Err(Fault::new(
            "max_request_headers_kb",
            format!("must be {MAX_HEADERS_KB}"),
        ));
    }
    for (field, value) in [
        ("stream_idle_timeout", message.stream_idle_timeout),
        ("request_timeout", message.request_timeout),
        ("request_headers_timeout", message.request_headers_timeout),
    ] {
        if limit(field, value)?.is_some() {
            return Err(Fault::new(
                field,
                "must be 0: the proxy has limits of its own",
            ));
        }
    }
    Ok(())
}

/// Who is believed what. A gateway's clients may be anybody; a sidecar's are its application,
/// or other proxies.
fn check_trust(kind: Kind, message: &HttpConnectionManager) -> Result<(), Fault> {
    let is_edge = message.use_remote_address == Some(true);
    match kind {
        Kind::Gateway if !is_edge => {
            return Err(Fault::new(
                "use_remote_address",
                "must be true at a gateway",
            ));
        }
        Kind::Sidecar if is_edge => {
            return Err(Fault::new(
                "use_remote_address",
                "must be false at a sidecar",
            ));
        }
        Kind::Gateway => {
            // How many proxies are trusted, the gateway knows by its own ProxyConfig.
            refuse_if(message.skip_xff_append, "skip_xff_append")?;
            refuse_if(
                message.preserve_external_request_id,
                "preserve_external_request_id",
            )?;
        }
        Kind::Sidecar => refuse_if(message.xff_num_trusted_hops > 0, "xff_num_trusted_hops")?,
    }
    let others = &message.original_ip_detection_extensions;
    refuse_if(!others.is_empty(), "original_ip_detection_extensions")
}

/// Fields of requests and responses, and the form of their paths.
fn check_fields(message: &HttpConnectionManager) -> Result<(), Fault> {
    if !["", "envoy", "istio-envoy"].contains(&message.server_name.as_str()) {
        return Err(Fault::new("server_name", "must be istio-envoy"));
    }
    let overwrites = i32::from(ServerHeaderTransformation::Overwrite);
    let passes = message.server_header_transformation != overwrites;
    refuse_if(passes, "server_header_transformation")?;
    if let Some(SchemeHeaderTransformation {
        transformation,
        // Schemes are what the first proxy has said.
        match_upstream: _,
    }) = &message.scheme_header_transformation
    {
        refuse_if(transformation.is_some(), "scheme_header_transformation")?;
    }
    let slashes = message.path_with_escaped_slashes_action;
    let keeps = [
        PathWithEscapedSlashesAction::ImplementationSpecificDefault,
        PathWithEscapedSlashesAction::KeepUnchanged,
    ];
    let changes = !keeps.map(i32::from).contains(&slashes);
    refuse_if(changes, "path_with_escaped_slashes_action")?;
    let strips = matches!(
        message.strip_port_mode,
        Some(StripPortMode::StripAnyHostPort(true))
    );
    for (is_set, field) in [
        (message.add_user_agent == Some(true), "add_user_agent"),
        (!message.via.is_empty(), "via"),
        (
            message.generate_request_id == Some(false),
            "generate_request_id",
        ),
        (
            message.always_set_request_id_in_response,
            "always_set_request_id_in_response",
        ),
        (
            message.represent_ipv4_remote_address_as_ipv4_mapped_ipv6,
            "represent_ipv4_remote_address_as_ipv4_mapped_ipv6",
        ),
        (message.merge_slashes, "merge_slashes"),
        (message.strip_matching_host_port, "strip_matching_host_port"),
        (strips, "strip_any_host_port"),
        (message.strip_trailing_host_dot, "strip_trailing_host_dot"),
        (message.append_x_forwarded_port, "append_x_forwarded_port"),
        (
            message.http1_safe_max_connection_duration,
            "http1_safe_max_connection_duration",
        ),
    ] {
        refuse_if(is_set, field)?;
    }
    Ok(())
}

fn filters(messages: Vec<HttpFilterMessage>) -> Result<(), Fault> {
    at_most("http_filters", MAX_FILTERS, messages.len())?;
    let mut has_router = false;
    for (index, message) in messages.into_iter().enumerate() {
        let HttpFilterMessage {
            // The type of the configuration says what it is.
            name: _,
            config_type,
            is_optional: _,
            disabled,
        } = message;
        if disabled {
            continue;
        }
        let config = config_type.map(|http_filter::ConfigType::TypedConfig(config)| config);
        let checked = match http_filter(config.as_ref()) {
            Ok(HttpFilter::Idle) => Ok(()),
            Ok(HttpFilter::Router(config)) => {
                has_router = true;
                let router = message_of(type_url::ROUTER, config).and_then(router);
                router.map_err(at("typed_config"))
            }
            Err(fault) => Err(fault),
        };
        checked.map_err(at_index("http_filters", index))?;
    }
    match has_router {
        true => Ok(()),
        false => Err(Fault::new("http_filters", "has no router")),
    }
}

fn router(message: Router) -> Result<(), Fault> {
    let Router {
        // For Envoy's own statistics and traces.
        dynamic_stats: _,
        start_child_span: _,
        suppress_envoy_headers,
        strict_check_headers,
        respect_expected_rq_timeout,
    } = message;
    refuse_if(suppress_envoy_headers, "suppress_envoy_headers")?;
    refuse_if(!strict_check_headers.is_empty(), "strict_check_headers")?;
    refuse_if(respect_expected_rq_timeout, "respect_expected_rq_timeout")
}

fn common(message: HttpProtocolOptions) -> Result<(), Fault> {
    let HttpProtocolOptions {
        idle_timeout,
        max_connection_duration,
        max_headers_count,
        max_response_headers_kb,
        max_stream_duration,
        headers_with_underscores_action,
        max_requests_per_connection,
    } = message;
    if limit("idle_timeout", idle_timeout)?.is_some_and(|idle| idle != IDLE) {
        return Err(Fault::new("idle_timeout", "must be 3600s"));
    }
    let longest = limit("max_connection_duration", max_connection_duration)?;
    refuse_if(longest.is_some(), "max_connection_duration")?;
    refuse_if(max_headers_count.is_some(), "max_headers_count")?;
    refuse_if(max_response_headers_kb.is_some(), "max_response_headers_kb")?;
    let longest = limit("max_stream_duration", max_stream_duration)?;
    refuse_if(longest.is_some(), "max_stream_duration")?;
    let allows = i32::from(HeadersWithUnderscoresAction::Allow);
    let filters = headers_with_underscores_action != allows;
    refuse_if(filters, "headers_with_underscores_action")?;
    let has_end = max_requests_per_connection.is_some_and(|most| most > 0);
    refuse_if(has_end, "max_requests_per_connection")
}

fn http1(message: Http1ProtocolOptions) -> Result<(), Fault> {
    let Http1ProtocolOptions {
        // Proxies are asked with absolute URLs, and always answer.
        allow_absolute_url,
        // The proxy's environment says the same (`ISTIO_META_HTTP10`).
        accept_http_10: _,
        default_host_for_http_10,
        header_key_format,
        // Trailers are always passed on.
        enable_trailers: _,
        allow_chunked_length,
    } = message;
    refuse_if(allow_absolute_url == Some(false), "allow_absolute_url")?;
    refuse_if(
        !default_host_for_http_10.is_empty(),
        "default_host_for_http_10",
    )?;
    refuse_if(header_key_format.is_some(), "header_key_format")?;
    refuse_if(allow_chunked_length, "allow_chunked_length")
}

fn upgrade(message: UpgradeConfig) -> Result<(), Fault> {
    let UpgradeConfig {
        upgrade_type,
        filters,
        enabled,
    } = message;
    refuse_if(!filters.is_empty(), "filters")?;
    check_upgrade(&upgrade_type, enabled)
}
