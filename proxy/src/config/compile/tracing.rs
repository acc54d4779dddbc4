//! Which requests of a connection manager are traced, and what their spans say.

use std::sync::Arc;

use pillion_envoy_api::{
    Any,
    envoy::{
        config::trace::v3::tracing::{Http, http},
        extensions::{
            filters::network::http_connection_manager::v3::{
                RequestIdExtension,
                http_connection_manager::{InternalAddressConfig, Tracing as TracingMessage},
            },
            request_id::uuid::v3::UuidRequestIdConfig,
        },
        r#type::v3::Percent,
    },
    type_url,
};

use super::{
    any::message_of,
    collector::{Tracer, open_telemetry, zipkin},
    custom_tags::custom_tags,
    fault::{Fault, at, each, refuse_if},
    scope::Scope,
    values::address_range,
};
use crate::tables::{AddressRange, Sampling, Tracing};

/// Envoy's default.
const MAX_PATH: u32 = 256;
/// A longer path is cut in the end, as any value of a span.
const LONGEST_PATH: u32 = 1024;

/// Ranges of addresses that are inside.
const MAX_RANGES: usize = 256;

/// What other fields of the connection manager say of traces.
#[derive(Debug, Clone)]
pub(super) struct Around {
    /// Whether `x-request-id` tells what was decided.
    marks_request_id: bool,
    /// Whether it decides.
    by_request_id: bool,
    inside: Box<[AddressRange]>,
}

/// `None` if nothing says where spans are sent: Envoy would have a bootstrap to look at.
pub(super) fn tracing(
    scope: &Scope<'_>,
    message: TracingMessage,
    around: Around,
) -> Result<Option<Arc<Tracing>>, Fault> {
    let TracingMessage {
        client_sampling,
        random_sampling,
        overall_sampling,
        verbose,
        max_path_tag_length,
        custom_tags: tags,
        provider,
        spawn_upstream_span,
        operation,
        upstream_operation,
        no_context_propagation,
    } = message;
    refuse_if(verbose, "verbose")?;
    refuse_if(spawn_upstream_span == Some(true), "spawn_upstream_span")?;
    refuse_if(!operation.is_empty(), "operation")?;
    refuse_if(!upstream_operation.is_empty(), "upstream_operation")?;
    let sampling = Sampling {
        client: share("client_sampling", client_sampling, 1.0)?,
        random: share("random_sampling", random_sampling, 100.0)?,
        overall: share("overall_sampling", overall_sampling, 1.0)?,
        by_request_id: around.by_request_id,
        marks_request_id: around.marks_request_id,
    };
    let Some(provider) = provider else {
        return Ok(None);
    };
    let Tracer {
        collector,
        propagation,
        has_long_ids,
    } = tracer(scope, provider).map_err(at("provider"))?;
    let max_path = max_path_tag_length.unwrap_or(MAX_PATH).min(LONGEST_PATH);
    Ok(Some(Arc::new(Tracing {
        sampling,
        propagation,
        tells_servers: !no_context_propagation,
        has_long_ids,
        inside: around.inside,
        max_path: usize::try_from(max_path).unwrap_or_default(),
        tags: custom_tags(tags)?,
        collector: Arc::new(collector),
    })))
}

/// Reads it. There is one extension that makes `x-request-id`, which is the default, too.
pub(super) fn around(
    ids: Option<RequestIdExtension>,
    internal: Option<InternalAddressConfig>,
) -> Result<Around, Fault> {
    let InternalAddressConfig {
        // There are no such connections.
        unix_sockets: _,
        cidr_ranges,
    } = internal.unwrap_or_default();
    let inside = each("cidr_ranges", MAX_RANGES, cidr_ranges, address_range);
    let inside = inside.map_err(at("internal_address_config"))?;
    let ids = request_ids(ids).map_err(at("request_id_extension"))?;
    let UuidRequestIdConfig {
        pack_trace_reason,
        use_request_id_for_trace_sampling,
    } = ids;
    Ok(Around {
        marks_request_id: pack_trace_reason != Some(false),
        by_request_id: use_request_id_for_trace_sampling != Some(false),
        inside: inside.into(),
    })
}

fn request_ids(message: Option<RequestIdExtension>) -> Result<UuidRequestIdConfig, Fault> {
    let config = message.and_then(|RequestIdExtension { typed_config }| typed_config);
    let Some(config) = config else {
        return Ok(UuidRequestIdConfig::default());
    };
    let config = match config.type_url.as_str() {
        type_url::UUID_REQUEST_ID_CONFIG => message_of(type_url::UUID_REQUEST_ID_CONFIG, &config),
        _ => Err(unknown(&config)),
    };
    config.map_err(at("typed_config"))
}

/// A percentage in parts of that size, rounded as Envoy does; without one, all of them.
fn share(field: &'static str, percent: Option<Percent>, parts: f64) -> Result<u32, Fault> {
    let Percent { value } = percent.unwrap_or(Percent { value: 100.0 });
    if !(0.0..=100.0).contains(&value) {
        return Err(Fault::new(field, "must be between 0 and 100"));
    }
    let scaled = match parts > 1.0 {
        true => (value * parts).round(),
        false => value.trunc(),
    };
    // At most 10,000, and not negative.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    Ok(scaled as u32)
}

fn tracer(scope: &Scope<'_>, provider: Http) -> Result<Tracer, Fault> {
    let Http {
        // The type of the configuration says what it is.
        name: _,
        config_type,
    } = provider;
    let Some(http::ConfigType::TypedConfig(config)) = config_type else {
        return Err(Fault::new("typed_config", "is missing"));
    };
    let tracer = match config.type_url.as_str() {
        type_url::ZIPKIN_CONFIG => {
            message_of(type_url::ZIPKIN_CONFIG, &config).and_then(|message| zipkin(scope, message))
        }
        type_url::OPEN_TELEMETRY_CONFIG => message_of(type_url::OPEN_TELEMETRY_CONFIG, &config)
            .and_then(|message| open_telemetry(scope, message)),
        _ => Err(unknown(&config)),
    };
    tracer.map_err(at("typed_config"))
}

fn unknown(config: &Any) -> Fault {
    let kind: String = config.type_url.chars().take(200).collect();
    Fault::new("", format!("{kind} is not supported by this proxy"))
}
