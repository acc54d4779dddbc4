//! Which requests of a connection manager are traced, and what their spans say.

use std::sync::Arc;

use pillion_envoy_api::{
    Any,
    envoy::{
        config::trace::v3::tracing::{Http, http},
        extensions::{
            filters::network::http_connection_manager::v3::{
                RequestIdExtension, http_connection_manager::Tracing as TracingMessage,
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
    fault::{Fault, at, refuse_if},
    scope::Scope,
};
use crate::tables::{Sampling, Tracing};

/// Envoy's default.
const MAX_PATH: u32 = 256;
/// A longer path is cut in the end, as any value of a span.
const LONGEST_PATH: u32 = 1024;

/// What decides about `x-request-id`.
#[derive(Debug, Clone, Copy)]
pub(super) struct RequestIds {
    marks: bool,
    decides: bool,
}

/// `None` if nothing says where spans are sent: Envoy would have a bootstrap to look at.
pub(super) fn tracing(
    scope: &Scope<'_>,
    message: TracingMessage,
    ids: RequestIds,
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
        by_request_id: ids.decides,
        marks_request_id: ids.marks,
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
        max_path: usize::try_from(max_path).unwrap_or_default(),
        tags: custom_tags(tags)?,
        collector: Arc::new(collector),
    })))
}

/// The extension that makes `x-request-id`. There is one, which is the default, too.
pub(super) fn request_ids(message: Option<RequestIdExtension>) -> Result<RequestIds, Fault> {
    let config = message.and_then(|RequestIdExtension { typed_config }| typed_config);
    let config = match &config {
        None => UuidRequestIdConfig::default(),
        Some(config) if config.type_url == type_url::UUID_REQUEST_ID_CONFIG => {
            message_of(type_url::UUID_REQUEST_ID_CONFIG, config).map_err(at("typed_config"))?
        }
        Some(config) => return Err(at("typed_config")(unknown(config))),
    };
    let UuidRequestIdConfig {
        pack_trace_reason,
        use_request_id_for_trace_sampling,
    } = config;
    Ok(RequestIds {
        marks: pack_trace_reason != Some(false),
        decides: use_request_id_for_trace_sampling != Some(false),
    })
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
