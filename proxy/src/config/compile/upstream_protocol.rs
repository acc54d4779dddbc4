//! Which HTTP a cluster's endpoints speak, and how long connections to them last.

use std::{collections::BTreeMap, num::NonZeroU32, time::Duration};

use pillion_envoy_api::{
    Any,
    envoy::{
        config::{
            cluster::v3::cluster::ClusterProtocolSelection,
            core::v3::{
                Http1ProtocolOptions, Http2ProtocolOptions, HttpProtocolOptions as CommonOptions,
                http_protocol_options::HeadersWithUnderscoresAction,
            },
        },
        extensions::upstreams::http::v3::{
            HttpProtocolOptions,
            http_protocol_options::{
                ExplicitHttpConfig, UpstreamProtocolOptions, UseDownstreamHttpConfig,
                explicit_http_config::ProtocolConfig,
            },
        },
    },
    type_url,
};

use super::{
    any::message_of,
    fault::{Fault, at, at_key, refuse_if},
    http2_options::check_http2,
    values::limit,
};
use crate::tables::UpstreamProtocol;

/// The name that Envoy has for these options.
const EXTENSION: &str = type_url::HTTP_PROTOCOL_OPTIONS_KEY;

/// The fields of a cluster that say it.
pub(super) struct ProtocolFields {
    pub common_http_protocol_options: Option<CommonOptions>,
    pub http_protocol_options: Option<Http1ProtocolOptions>,
    pub http2_protocol_options: Option<Http2ProtocolOptions>,
    pub typed_extension_protocol_options: BTreeMap<String, Any>,
    pub protocol_selection: i32,
    pub max_requests_per_connection: Option<u32>,
}

/// What they say together.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Protocol {
    pub version: UpstreamProtocol,
    pub idle_timeout: Option<Duration>,
    pub max_requests: Option<NonZeroU32>,
}

pub(super) fn upstream_protocol(fields: ProtocolFields) -> Result<Protocol, Fault> {
    const FIELD: &str = "typed_extension_protocol_options";
    let mut extensions = fields.typed_extension_protocol_options;
    let options = extensions.remove(EXTENSION);
    if let Some(name) = extensions.keys().next() {
        return Err(at_key(FIELD, name)(Fault::unsupported("")));
    }
    let Some(options) = options else {
        return of_old_fields(
            fields.common_http_protocol_options,
            fields.http_protocol_options,
            fields.http2_protocol_options,
            fields.protocol_selection,
            fields.max_requests_per_connection,
        );
    };
    // Where both are there, Envoy uses the extension alone.
    let options = message_of(type_url::HTTP_PROTOCOL_OPTIONS, &options);
    options
        .and_then(of_extension)
        .map_err(at_key(FIELD, EXTENSION))
}

fn of_old_fields(
    common: Option<CommonOptions>,
    http1: Option<Http1ProtocolOptions>,
    http2: Option<Http2ProtocolOptions>,
    selection: i32,
    max_requests: Option<u32>,
) -> Result<Protocol, Fault> {
    check_http1(http1.unwrap_or_default()).map_err(at("http_protocol_options"))?;
    let has_http2 = http2.is_some();
    check_http2(http2.unwrap_or_default()).map_err(at("http2_protocol_options"))?;
    let follows = selection == i32::from(ClusterProtocolSelection::UseDownstreamProtocol);
    let version = match (follows, has_http2) {
        (true, _) => UpstreamProtocol::Downstream,
        (false, true) => UpstreamProtocol::Http2,
        (false, false) => UpstreamProtocol::Http1,
    };
    let common = self::common(common.unwrap_or_default());
    let (idle_timeout, most) = common.map_err(at("common_http_protocol_options"))?;
    Ok(Protocol {
        version,
        idle_timeout,
        max_requests: most.or(max_requests.and_then(NonZeroU32::new)),
    })
}

fn of_extension(message: HttpProtocolOptions) -> Result<Protocol, Fault> {
    let HttpProtocolOptions {
        common_http_protocol_options,
        // For names in handshakes that follow from requests, which none does.
        upstream_http_protocol_options: _,
        upstream_protocol_options,
    } = message;
    let common = common(common_http_protocol_options.unwrap_or_default());
    let (idle_timeout, max_requests) = common.map_err(at("common_http_protocol_options"))?;
    Ok(Protocol {
        version: version(upstream_protocol_options)?,
        idle_timeout,
        max_requests,
    })
}

fn version(options: Option<UpstreamProtocolOptions>) -> Result<UpstreamProtocol, Fault> {
    match options {
        Some(UpstreamProtocolOptions::ExplicitHttpConfig(ExplicitHttpConfig {
            protocol_config,
        })) => {
            let version = match protocol_config {
                Some(ProtocolConfig::HttpProtocolOptions(options)) => check_http1(options)
                    .map(|()| UpstreamProtocol::Http1)
                    .map_err(at("http_protocol_options")),
                Some(ProtocolConfig::Http2ProtocolOptions(options)) => check_http2(options)
                    .map(|()| UpstreamProtocol::Http2)
                    .map_err(at("http2_protocol_options")),
                None => Err(Fault::new("protocol_config", "is missing")),
            };
            version.map_err(at("explicit_http_config"))
        }
        Some(UpstreamProtocolOptions::UseDownstreamProtocolConfig(UseDownstreamHttpConfig {
            http_protocol_options,
            http2_protocol_options,
        })) => {
            let http1 = check_http1(http_protocol_options.unwrap_or_default());
            http1
                .map_err(at("http_protocol_options"))
                .and_then(|()| {
                    let http2 = check_http2(http2_protocol_options.unwrap_or_default());
                    http2.map_err(at("http2_protocol_options"))
                })
                .map_err(at("use_downstream_protocol_config"))?;
            Ok(UpstreamProtocol::Downstream)
        }
        // It asks the server by ALPN, which there is none of without TLS.
        Some(UpstreamProtocolOptions::AutoConfig(_)) => Err(Fault::unsupported("auto_config")),
        None => Err(Fault::new("upstream_protocol_options", "is missing")),
    }
}

fn common(message: CommonOptions) -> Result<(Option<Duration>, Option<NonZeroU32>), Fault> {
    let CommonOptions {
        idle_timeout,
        max_connection_duration,
        max_headers_count,
        max_response_headers_kb,
        max_stream_duration,
        headers_with_underscores_action,
        max_requests_per_connection,
    } = message;
    refuse_if(max_connection_duration.is_some(), "max_connection_duration")?;
    refuse_if(max_headers_count.is_some(), "max_headers_count")?;
    refuse_if(max_response_headers_kb.is_some(), "max_response_headers_kb")?;
    refuse_if(max_stream_duration.is_some(), "max_stream_duration")?;
    let allows = i32::from(HeadersWithUnderscoresAction::Allow);
    let filters = headers_with_underscores_action != allows;
    refuse_if(filters, "headers_with_underscores_action")?;
    let idle_timeout = limit("idle_timeout", idle_timeout)?;
    Ok((
        idle_timeout,
        max_requests_per_connection.and_then(NonZeroU32::new),
    ))
}

fn check_http1(message: Http1ProtocolOptions) -> Result<(), Fault> {
    let Http1ProtocolOptions {
        // For servers.
        allow_absolute_url: _,
        accept_http_10: _,
        default_host_for_http_10: _,
        // Trailers are always passed on.
        enable_trailers: _,
        header_key_format,
        allow_chunked_length,
    } = message;
    refuse_if(header_key_format.is_some(), "header_key_format")?;
    refuse_if(allow_chunked_length, "allow_chunked_length")
}
