//! The built-in configuration: what the chart's default values give.

use serde_json::{Map, Value, json};

use crate::yaml;

const VALUES: &str = include_str!("../../../charts/pillion/values.yaml");
const SIDECAR: &str = include_str!("../../../charts/pillion/files/sidecar.yaml");
const GATEWAY: &str = include_str!("../../../charts/pillion/files/gateway.yaml");

/// The three keys, as the chart's ConfigMaps would hold them.
#[derive(Debug)]
pub struct Builtin {
    /// Key `config`.
    pub config: String,
    /// Key `values`.
    pub values: String,
    /// Key `mesh`.
    pub mesh: String,
}

impl Builtin {
    /// Reads the chart's defaults.
    pub(super) fn new() -> Result<Self, yaml::Error> {
        let chart = yaml::parse(VALUES)?;
        Ok(Self {
            config: config(&chart).to_string(),
            values: injector_values(&chart).to_string(),
            mesh: chart["meshConfig"].to_string(),
        })
    }
}

/// The key `values` alone.
pub(super) fn values() -> Result<Value, yaml::Error> {
    Ok(injector_values(&yaml::parse(VALUES)?))
}

fn injector_values(chart: &Value) -> Value {
    json!({
        "revision": chart["revision"],
        "global": chart["global"],
        "discovery": {
            "enabled": chart["discovery"]["enabled"],
            "mutualTls": chart["discovery"]["mutualTls"],
        },
        "sidecarInjectorWebhook": chart["sidecarInjectorWebhook"],
    })
}

fn config(chart: &Value) -> Value {
    let mut config = Map::new();
    config.insert(
        "policy".to_owned(),
        chart["global"]["proxy"]["autoInject"].clone(),
    );
    for key in [
        "alwaysInjectSelector",
        "neverInjectSelector",
        "injectedAnnotations",
        "defaultTemplates",
        "aliases",
    ] {
        config.insert(key.to_owned(), chart["sidecarInjectorWebhook"][key].clone());
    }
    config.insert(
        "templates".to_owned(),
        json!({"sidecar": SIDECAR, "gateway": GATEWAY}),
    );
    Value::Object(config)
}
