//! The key `values`: what the chart was installed with, as far as the injector
//! itself reads it. Templates see all of it.

use serde::Deserialize;
use serde_json::Value;

use super::{capture::Capture, guards::RefusingGuards, policy::NativeSidecars};

/// What the injector reads of the values.
#[derive(Debug)]
pub(crate) struct Values {
    pub revision: String,
    pub native_sidecars: NativeSidecars,
    pub rewrite_app_http_probe: bool,
    pub guards: RefusingGuards,
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
pub(crate) struct Proxy {
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
    pub privileged: bool,
    pub enable_core_dump: bool,
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

/// `global.proxy_init`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Init {
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
pub(crate) struct ContainerResources(pub Value);

impl From<Value> for ContainerResources {
    fn from(mut value: Value) -> Self {
        omit_nulls(&mut value);
        Self(value)
    }
}

/// In Helm's values `null` unsets a default.
pub(crate) fn omit_nulls(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, value| !value.is_null());
            map.values_mut().for_each(omit_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(omit_nulls),
        _ => {}
    }
}
