//! A pod for a trial: what will be removed by its name needs no more than that.

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::{injection_record::InjectionRecord, pod, proxy_env};

/// A copy of the pod in which all that the status names is a stub.
pub(super) fn stubbed(pod: &Value, record: &InjectionRecord) -> Value {
    let (Some(members), Some(spec)) = (pod.as_object(), pod["spec"].as_object()) else {
        return pod.clone();
    };
    let spec: Value = spec
        .iter()
        .map(|(field, value)| {
            let names = match field.as_str() {
                "initContainers" => &record.init_containers,
                "containers" => &record.containers,
                "volumes" => &record.volumes,
                _ => &None,
            };
            let value = match names {
                Some(names) => stub_elements(value, names),
                None => value.clone(),
            };
            (field.clone(), value)
        })
        .collect();
    members
        .iter()
        .filter(|(name, _)| *name != "spec")
        .map(|(name, value)| (name.clone(), value.clone()))
        .chain([("spec".to_owned(), spec)])
        .collect()
}

fn stub_elements(list: &Value, names: &[String]) -> Value {
    let Some(elements) = list.as_array() else {
        return list.clone();
    };
    let names: HashSet<&str> = names.iter().map(String::as_str).collect();
    elements
        .iter()
        .map(|element| {
            let name = pod::name(element);
            if names.contains(name) {
                json!({"name": name, "env": records(element)})
            } else {
                element.clone()
            }
        })
        .collect()
}

/// The variables of the proxy that an uninjection reads.
fn records(container: &Value) -> Vec<Value> {
    pod::array(&container["env"])
        .iter()
        .filter(|variable| {
            [proxy_env::APP_PROBERS, proxy_env::PROMETHEUS_ANNOTATIONS]
                .contains(&pod::name(variable))
        })
        .cloned()
        .collect()
}
