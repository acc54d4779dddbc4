//! The key `values`: what the chart was installed with, as far as the injector
//! itself reads it. Templates see all of it.

mod checks;
mod guards;

use std::collections::BTreeMap;

use minijinja::{Value as Context, value::Serde};
use serde::Deserialize;
use serde_json::Value;

use crate::yaml;

use self::guards::Guards;
use super::{NativeSidecars, builtin};

/// What the injector reads of the values.
#[derive(Debug)]
pub(in crate::inject) struct Values {
    pub revision: String,
    pub native_sidecars: NativeSidecars,
    pub rewrite_app_http_probe: bool,
    pub guards: Guards,
    pub hub: String,
    pub tag: String,
    pub image_pull_policy: String,
    pub image_pull_secrets: Vec<String>,
    pub network: String,
    pub proxy: Proxy,
    pub init: Init,
}

/// `global.proxy`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::inject) struct Proxy {
    pub image: String,
    pub log_level: String,
    pub component_log_level: String,
    pub status_port: u16,
    pub readiness_initial_delay_seconds: u32,
    pub readiness_period_seconds: u32,
    pub readiness_failure_threshold: u32,
    pub resources: ContainerResources,
    pub hold_application_until_proxy_starts: bool,
    #[serde(flatten)]
    pub capture: Capture,
    privileged: bool,
    enable_core_dump: bool,
}

impl Default for Proxy {
    fn default() -> Self {
        Self {
            image: "pillion-proxy".to_owned(),
            log_level: "warning".to_owned(),
            component_log_level: String::new(),
            status_port: 15020,
            readiness_initial_delay_seconds: 0,
            readiness_period_seconds: 15,
            readiness_failure_threshold: 4,
            resources: ContainerResources::default(),
            hold_application_until_proxy_starts: false,
            capture: Capture::default(),
            privileged: false,
            enable_core_dump: false,
        }
    }
}

/// What is captured, as far as a pod's annotations leave it open.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::inject) struct Capture {
    #[serde(rename = "includeIPRanges")]
    pub include_ip_ranges: String,
    #[serde(rename = "excludeIPRanges")]
    pub exclude_ip_ranges: String,
    pub include_inbound_ports: String,
    pub exclude_inbound_ports: String,
    pub include_outbound_ports: String,
    pub exclude_outbound_ports: String,
    pub exclude_interfaces: String,
}

impl Default for Capture {
    fn default() -> Self {
        let all = || "*".to_owned();
        Self {
            include_ip_ranges: all(),
            exclude_ip_ranges: String::new(),
            include_inbound_ports: all(),
            exclude_inbound_ports: String::new(),
            include_outbound_ports: String::new(),
            exclude_outbound_ports: String::new(),
            exclude_interfaces: String::new(),
        }
    }
}

/// `global.proxy_init`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::inject) struct Init {
    pub image: String,
    pub run_as_root: bool,
}

impl Default for Init {
    fn default() -> Self {
        Self {
            image: "pillion-proxy".to_owned(),
            run_as_root: false,
        }
    }
}

/// A container's `resources`, without the nulls that unset a default in Helm.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "Value")]
pub(in crate::inject) struct ContainerResources(pub Value);

impl From<Value> for ContainerResources {
    fn from(mut value: Value) -> Self {
        omit_nulls(&mut value);
        Self(value)
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Raw {
    revision: Option<String>,
    global: Global,
    sidecar_injector_webhook: Webhook,
    #[serde(rename = "istio_cni")]
    istio_cni: Cni,
    pilot: Pilot,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Global {
    hub: String,
    tag: Value,
    image_pull_policy: String,
    image_pull_secrets: Vec<String>,
    network: String,
    native_sidecars: Value,
    proxy: Proxy,
    #[serde(rename = "proxy_init")]
    proxy_init: Init,
    native_nftables: bool,
    platform: String,
}

impl Default for Global {
    fn default() -> Self {
        Self {
            hub: "docker.io/pillion".to_owned(),
            tag: Value::String(env!("CARGO_PKG_VERSION").to_owned()),
            image_pull_policy: String::new(),
            image_pull_secrets: Vec::new(),
            network: String::new(),
            native_sidecars: Value::Null,
            proxy: Proxy::default(),
            proxy_init: Init::default(),
            native_nftables: false,
            platform: String::new(),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Webhook {
    #[serde(rename = "rewriteAppHTTPProbe")]
    rewrite_app_http_probe: bool,
    guards: BTreeMap<String, Value>,
}

impl Default for Webhook {
    fn default() -> Self {
        Self {
            rewrite_app_http_probe: true,
            guards: BTreeMap::new(),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Cni {
    enabled: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Pilot {
    cni: Cni,
}

impl Raw {
    fn has_cni(&self) -> bool {
        self.istio_cni.enabled || self.pilot.cni.enabled
    }
}

impl Values {
    /// Reads the key; an empty one stands for the defaults.
    pub fn parse(text: &str) -> Result<(Self, Context), Vec<String>> {
        let mut value = yaml::parse_bounded(text, yaml::CONFIGURATION)
            .map_err(|error| vec![error.to_string()])?;
        if value.is_null() {
            value = Value::Object(serde_json::Map::new());
        }
        omit_nulls(&mut value);
        let context = Context::from(Serde(over_defaults(&value)?));
        let raw: Raw =
            serde_path_to_error::deserialize(value).map_err(|error| vec![error.to_string()])?;
        let mut faults = checks::faults(&raw.global, raw.has_cni());
        let native_sidecars = native(&raw.global.native_sidecars).unwrap_or_else(|fault| {
            faults.push(fault);
            NativeSidecars::Auto
        });
        let guards = Guards::new(&raw.sidecar_injector_webhook.guards, &mut faults);
        if !faults.is_empty() {
            return Err(faults);
        }
        let global = raw.global;
        let values = Self {
            revision: raw
                .revision
                .filter(|revision| !revision.is_empty())
                .unwrap_or_else(|| "default".to_owned()),
            native_sidecars,
            rewrite_app_http_probe: raw.sidecar_injector_webhook.rewrite_app_http_probe,
            guards,
            hub: global.hub,
            tag: plain(&global.tag),
            image_pull_policy: global.image_pull_policy,
            image_pull_secrets: global.image_pull_secrets,
            network: global.network,
            proxy: global.proxy,
            init: global.proxy_init,
        };
        Ok((values, context))
    }
}

/// The values as templates see them: over the chart's, so that a template may
/// read a key that a smaller file of values leaves out.
fn over_defaults(values: &Value) -> Result<Value, Vec<String>> {
    let mut all = builtin::values().map_err(|error| vec![format!("built-in: {error}")])?;
    overlay(&mut all, values);
    Ok(all)
}

fn overlay(base: &mut Value, over: &Value) {
    match (base, over) {
        (Value::Object(base), Value::Object(over)) => {
            for (key, value) in over {
                overlay(base.entry(key).or_insert(Value::Null), value);
            }
        }
        (base, over) => *base = over.clone(),
    }
}

fn native(value: &Value) -> Result<NativeSidecars, String> {
    match value {
        Value::Null => Ok(NativeSidecars::Auto),
        Value::Bool(true) => Ok(NativeSidecars::Enabled),
        Value::Bool(false) => Ok(NativeSidecars::Disabled),
        Value::String(text) => match text.as_str() {
            "auto" | "" => Ok(NativeSidecars::Auto),
            "true" => Ok(NativeSidecars::Enabled),
            "false" => Ok(NativeSidecars::Disabled),
            _ => Err(format!(
                "global.nativeSidecars: {text:?} is none of auto, true and false"
            )),
        },
        other => Err(format!(
            "global.nativeSidecars: {other} is none of auto, true and false"
        )),
    }
}

/// A tag such as `1.20` may have been read as a number.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// In Helm's values `null` unsets a default.
fn omit_nulls(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, value| !value.is_null());
            map.values_mut().for_each(omit_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(omit_nulls),
        _ => {}
    }
}
