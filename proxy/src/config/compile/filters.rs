//! Filters of HTTP, of which this proxy has none but the router.

use std::collections::BTreeMap;

use pillion_envoy_api::{Any, type_url};

use super::{
    any::{Extension, extension},
    fault::{Fault, at, at_key},
};

/// Configurations of filters for a host or a route: only those of filters that are native
/// here have nothing to say.
pub(super) fn check_filter_configs(configs: &BTreeMap<String, Any>) -> Result<(), Fault> {
    const FIELD: &str = "typed_per_filter_config";
    for (name, config) in configs {
        match extension(Some(config)).map_err(at_key(FIELD, name))? {
            Extension::Native => {}
            Extension::Known(_) => return Err(at_key(FIELD, name)(Fault::unsupported(""))),
        }
    }
    Ok(())
}

/// Filters of Envoy that Istio puts into every connection manager. Without a configuration
/// they do nothing, but for routes that configure them, which are refused.
const EMPTY_FILTERS: [&str; 2] = [
    "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault",
    "type.googleapis.com/envoy.extensions.filters.http.cors.v3.Cors",
];

/// What an HTTP filter is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HttpFilter<'a> {
    Router(&'a Any),
    /// It changes nothing here.
    Idle,
}

/// Tells what an HTTP filter is, by the type of its configuration.
pub(super) fn http_filter(config: Option<&Any>) -> Result<HttpFilter<'_>, Fault> {
    if let Some(config) = config
        && EMPTY_FILTERS.contains(&config.type_url.as_str())
    {
        return match config.value.is_empty() {
            true => Ok(HttpFilter::Idle),
            false => Err(Fault::unsupported("typed_config")),
        };
    }
    match extension(config).map_err(at("typed_config"))? {
        Extension::Native => Ok(HttpFilter::Idle),
        Extension::Known(config) if config.type_url == type_url::ROUTER => {
            Ok(HttpFilter::Router(config))
        }
        Extension::Known(config) => {
            let reason = format!("{} is not an HTTP filter", config.type_url);
            Err(Fault::new("typed_config", reason))
        }
    }
}
