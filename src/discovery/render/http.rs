//! The network filter that reads HTTP.

use std::time::Duration;

use pillion_envoy_api::{
    any,
    envoy::{
        config::{
            listener::v3::{Filter, filter},
            route::v3::RouteConfiguration,
        },
        extensions::filters::{
            http::router::v3::Router,
            network::http_connection_manager::v3::{
                HttpConnectionManager, HttpFilter, Rds,
                http_connection_manager::{
                    ForwardClientCertDetails, PathWithEscapedSlashesAction, RouteSpecifier,
                    SetCurrentClientCertDetails, UpgradeConfig,
                },
                http_filter,
            },
        },
    },
    type_url,
};

use super::{
    Settings,
    common::{access_log, ads, duration},
    tracing::{request_ids, tracing},
};
use crate::model::Tracer;

/// The value of the header `server` of what the mesh serves.
const SERVER: &str = "istio-envoy";

/// Where the HTTP comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// From the pod's own application.
    Outbound,
    /// From clients of the pod.
    Inbound,
    /// From clients of a gateway.
    Gateway,
}

/// Reads HTTP, and takes the named route table from the stream.
pub(super) fn by_table(
    side: Side,
    listener: &str,
    table: &str,
    (settings, tracer): (&Settings, Option<&Tracer>),
) -> Filter {
    let rds = Rds {
        config_source: Some(ads()),
        route_config_name: table.to_owned(),
    };
    let routes = RouteSpecifier::Rds(rds);
    filter(side, listener, routes, (settings, tracer))
}

/// Reads HTTP by these routes.
pub(super) fn inline(
    side: Side,
    listener: &str,
    routes: RouteConfiguration,
    (settings, tracer): (&Settings, Option<&Tracer>),
) -> Filter {
    let routes = RouteSpecifier::RouteConfig(routes);
    filter(side, listener, routes, (settings, tracer))
}

fn filter(
    side: Side,
    listener: &str,
    routes: RouteSpecifier,
    (settings, tracer): (&Settings, Option<&Tracer>),
) -> Filter {
    let direction = match side {
        Side::Inbound => "inbound",
        Side::Outbound | Side::Gateway => "outbound",
    };
    let (forwarded, set) = client_certificate(side, settings);
    let manager = HttpConnectionManager {
        stat_prefix: format!("{direction}_{listener}"),
        route_specifier: Some(routes),
        http_filters: vec![router()],
        access_log: access_log(settings),
        tracing: tracer.map(tracing),
        request_id_extension: tracer.and_then(request_ids),
        // A response may take as long as the route allows, which is without limit.
        stream_idle_timeout: Some(duration(Duration::ZERO)),
        normalize_path: Some(true),
        path_with_escaped_slashes_action: PathWithEscapedSlashesAction::KeepUnchanged.into(),
        // Only a gateway's clients are strangers, whose x-forwarded-for is their word.
        use_remote_address: Some(side == Side::Gateway),
        xff_num_trusted_hops: match side {
            Side::Gateway => settings.trusted_proxies,
            Side::Outbound | Side::Inbound => 0,
        },
        server_name: match side {
            Side::Outbound => String::new(),
            Side::Inbound | Side::Gateway => SERVER.to_owned(),
        },
        forward_client_cert_details: forwarded.into(),
        set_current_client_cert_details: set,
        upgrade_configs: vec![UpgradeConfig {
            upgrade_type: "websocket".to_owned(),
            ..UpgradeConfig::default()
        }],
        ..HttpConnectionManager::default()
    };
    Filter {
        name: "envoy.filters.network.http_connection_manager".to_owned(),
        config_type: Some(filter::ConfigType::TypedConfig(any(
            type_url::HTTP_CONNECTION_MANAGER,
            &manager,
        ))),
    }
}

/// What becomes of `x-forwarded-client-cert`. Only clients of the mesh, whom their certificates name,
/// have others' words in it.
fn client_certificate(
    side: Side,
    settings: &Settings,
) -> (
    ForwardClientCertDetails,
    Option<SetCurrentClientCertDetails>,
) {
    let forwarded = match side {
        Side::Inbound => ForwardClientCertDetails::AppendForward,
        Side::Gateway => ForwardClientCertDetails::SanitizeSet,
        Side::Outbound => return (ForwardClientCertDetails::Sanitize, None),
    };
    if settings.mutual_tls.is_none() {
        return (ForwardClientCertDetails::Sanitize, None);
    }
    let set = SetCurrentClientCertDetails {
        subject: Some(true),
        dns: true,
        uri: true,
        ..SetCurrentClientCertDetails::default()
    };
    (forwarded, Some(set))
}

fn router() -> HttpFilter {
    HttpFilter {
        name: "envoy.filters.http.router".to_owned(),
        config_type: Some(http_filter::ConfigType::TypedConfig(any(
            type_url::ROUTER,
            &Router::default(),
        ))),
        ..HttpFilter::default()
    }
}
