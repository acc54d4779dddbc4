//! Reads the key `config`: who is injected, and with which templates.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube_core::Selector;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::templates;
use crate::{
    config::{policy::Policy, templates::Templates},
    fault::Fault,
    value_checks::qualified_name,
    yaml,
};

/// The parts of the configuration that the key holds.
#[derive(Debug)]
pub(super) struct InjectorConfig {
    pub policy: Policy,
    pub always_inject: Vec<Selector>,
    pub never_inject: Vec<Selector>,
    pub injected_annotations: Vec<(String, String)>,
    pub templates: Templates,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Raw {
    #[serde(default = "enabled")]
    policy: String,
    #[serde(default)]
    always_inject_selector: Vec<LabelSelector>,
    #[serde(default)]
    never_inject_selector: Vec<LabelSelector>,
    #[serde(default)]
    injected_annotations: BTreeMap<String, String>,
    #[serde(default)]
    default_templates: Vec<String>,
    #[serde(default)]
    aliases: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    templates: BTreeMap<String, Value>,
}

fn enabled() -> String {
    "enabled".to_owned()
}

/// Reads the key.
pub(super) fn parse(text: &str) -> Result<InjectorConfig, Vec<Fault>> {
    let value = yaml::parse_bounded(text, yaml::CONFIGURATION)
        .map_err(|error| vec![Fault::new(error.to_string())])?;
    let raw: Raw = serde_path_to_error::deserialize(without_nulls(value))
        .map_err(|error| vec![Fault::from(error)])?;
    let mut faults = Vec::new();
    let policy = match raw.policy.as_str() {
        "enabled" => Policy::Enabled,
        "disabled" => Policy::Disabled,
        other => {
            let message = format!("{other:?} is neither \"enabled\" nor \"disabled\"");
            faults.push(Fault::at("policy", message));
            Policy::Disabled
        }
    };
    for key in raw.injected_annotations.keys() {
        if let Err(invalid) = qualified_name(key) {
            faults.push(Fault::at("injectedAnnotations", invalid.to_string()));
        }
    }
    let config = InjectorConfig {
        policy,
        always_inject: selectors(
            "alwaysInjectSelector",
            raw.always_inject_selector,
            &mut faults,
        ),
        never_inject: selectors(
            "neverInjectSelector",
            raw.never_inject_selector,
            &mut faults,
        ),
        injected_annotations: raw.injected_annotations.into_iter().collect(),
        templates: templates::compile_all(
            &raw.templates,
            raw.aliases,
            raw.default_templates,
            &mut faults,
        ),
    };
    if faults.is_empty() {
        Ok(config)
    } else {
        Err(faults)
    }
}

/// A key that is left empty in YAML is null, which stands for the default.
fn without_nulls(mut value: Value) -> Value {
    if let Value::Object(map) = &mut value {
        map.retain(|_, value| !value.is_null());
        value
    } else if value.is_null() {
        Value::Object(Map::new())
    } else {
        value
    }
}

fn selectors(key: &str, raw: Vec<LabelSelector>, faults: &mut Vec<Fault>) -> Vec<Selector> {
    let mut selectors = Vec::with_capacity(raw.len());
    for (index, selector) in raw.into_iter().enumerate() {
        match Selector::try_from(selector) {
            Ok(selector) => selectors.push(selector),
            Err(error) => faults.push(Fault::at(format!("{key}[{index}]"), error.to_string())),
        }
    }
    selectors
}
