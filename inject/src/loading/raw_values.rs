//! The layout of the key `values`, as Helm writes it.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::config::values::{Init, Proxy};

/// The part of the values that the injector reads.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct RawValues {
    pub revision: Option<String>,
    pub global: Global,
    pub sidecar_injector_webhook: Webhook,
    #[serde(rename = "istio_cni")]
    pub istio_cni: Cni,
    pub pilot: Pilot,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Global {
    pub hub: String,
    pub tag: Value,
    pub image_pull_policy: String,
    pub image_pull_secrets: Vec<String>,
    pub network: String,
    pub native_sidecars: Value,
    pub proxy: Proxy,
    #[serde(rename = "proxy_init")]
    pub proxy_init: Init,
    pub native_nftables: bool,
    pub platform: String,
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
pub(crate) struct Webhook {
    #[serde(rename = "rewriteAppHTTPProbe")]
    pub rewrite_app_http_probe: bool,
    pub guards: BTreeMap<String, Value>,
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
pub(crate) struct Cni {
    pub enabled: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Pilot {
    pub cni: Cni,
}

impl RawValues {
    /// Whether Istio's CNI plugin is switched on, under either of its keys.
    pub fn has_cni(&self) -> bool {
        self.istio_cni.enabled || self.pilot.cni.enabled
    }
}

impl Global {
    /// The image's tag. One such as `1.20` may have been read as a number.
    pub fn tag(&self) -> String {
        match &self.tag {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        }
    }
}
