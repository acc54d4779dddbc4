//! Reads the key `values`.

use std::collections::BTreeMap;

use minijinja::{Value as Context, value::Serde};
use serde_json::{Map, Value};

use super::{builtin, raw_values::RawValues, values_validation};
use crate::{
    config::{
        guards::RefusingGuards,
        overlay::overlay,
        policy::NativeSidecars,
        values::{Values, omit_nulls},
    },
    fault::Fault,
    guard::Guard,
    yaml,
};

/// Reads the key; an empty one stands for the defaults. The second part is what
/// templates see.
pub(super) fn parse(text: &str) -> Result<(Values, Context), Vec<Fault>> {
    let mut value = yaml::parse_bounded(text, yaml::CONFIGURATION)
        .map_err(|error| vec![Fault::new(error.to_string())])?;
    if value.is_null() {
        value = Value::Object(Map::new());
    }
    omit_nulls(&mut value);
    let context = Context::from(Serde(over_defaults(&value)?));
    let raw: RawValues =
        serde_path_to_error::deserialize(value).map_err(|error| vec![Fault::from(error)])?;
    let mut faults = values_validation::faults(&raw);
    let native_sidecars = native_sidecars(&raw.global.native_sidecars).unwrap_or_else(|fault| {
        faults.push(fault);
        NativeSidecars::Auto
    });
    let guards = refusing_guards(&raw.sidecar_injector_webhook.guards, &mut faults);
    if !faults.is_empty() {
        return Err(faults);
    }
    let tag = raw.global.tag();
    let global = raw.global;
    let values = Values {
        revision: raw
            .revision
            .filter(|revision| !revision.is_empty())
            .unwrap_or_else(|| "default".to_owned()),
        native_sidecars,
        rewrite_app_http_probe: raw.sidecar_injector_webhook.rewrite_app_http_probe,
        guards,
        hub: global.hub,
        tag,
        image_pull_policy: global.image_pull_policy,
        image_pull_secrets: global.image_pull_secrets,
        network: global.network,
        proxy: global.proxy,
        init: global.proxy_init,
    };
    Ok((values, context))
}

/// The values as templates see them: laid over the chart's, so that a template may
/// read a key that a smaller file of values leaves out.
fn over_defaults(values: &Value) -> Result<Value, Vec<Fault>> {
    let mut all =
        builtin::values().map_err(|error| vec![Fault::at("built-in", error.to_string())])?;
    match (&mut all, values) {
        (Value::Object(all), Value::Object(values)) => overlay(all, values),
        (all, values) => *all = values.clone(),
    }
    Ok(all)
}

fn native_sidecars(value: &Value) -> Result<NativeSidecars, Fault> {
    match value {
        Value::Null => Ok(NativeSidecars::Auto),
        Value::Bool(true) => Ok(NativeSidecars::Enabled),
        Value::Bool(false) => Ok(NativeSidecars::Disabled),
        Value::String(text) if matches!(text.as_str(), "auto" | "") => Ok(NativeSidecars::Auto),
        Value::String(text) if text == "true" => Ok(NativeSidecars::Enabled),
        Value::String(text) if text == "false" => Ok(NativeSidecars::Disabled),
        other => Err(Fault::at(
            "global.nativeSidecars",
            format!("must be auto, true or false, not {other}"),
        )),
    }
}

/// Reads `sidecarInjectorWebhook.guards`. A name that is misspelt is a fault: it
/// would guard nothing.
fn refusing_guards(values: &BTreeMap<String, Value>, faults: &mut Vec<Fault>) -> RefusingGuards {
    for (name, value) in values {
        let path = format!("sidecarInjectorWebhook.guards.{name}");
        if !Guard::ALL.iter().any(|guard| guard.as_str() == name) {
            let names = Guard::ALL.map(Guard::as_str).join(", ");
            let message = format!("unknown guard; the guards are {names}");
            faults.push(Fault::at(path, message));
        } else if !value.is_boolean() {
            faults.push(Fault::at(
                path,
                format!("{value} is neither true nor false"),
            ));
        }
    }
    let refuses = |guard: &Guard| match values.get(guard.as_str()) {
        Some(Value::Bool(refuses)) => *refuses,
        _ => guard.refuses_by_default(),
    };
    RefusingGuards(Guard::ALL.into_iter().filter(refuses).collect())
}
