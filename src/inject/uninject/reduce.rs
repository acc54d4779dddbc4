//! Two pods without what is the same in both.
//!
//! A trial costs a copy of the pod, and most of a large pod is environment of
//! containers that an injection leaves alone.

use std::collections::HashMap;

use serde_json::{Map, Value};

use crate::inject::pod;

/// Fields of a container that stay even when they are equal: what an
/// uninjection looks at.
const KEPT: [&str; 5] = [
    "name",
    "readinessProbe",
    "livenessProbe",
    "startupProbe",
    "lifecycle",
];

/// The pod, its containers without the fields that they have in `other`, too.
/// The containers in `whole` stay as they are, and all keep their indexes.
pub(super) fn reduce(pod: &Value, other: &Value, whole: &[&str]) -> Value {
    let (Value::Object(members), Some(spec)) = (pod, pod["spec"].as_object()) else {
        return pod.clone();
    };
    let spec: Map<String, Value> = spec
        .iter()
        .map(|(field, value)| {
            let value = if pod::CONTAINER_LISTS.contains(&field.as_str()) {
                reduce_list(value, &other["spec"][field], whole)
            } else {
                value.clone()
            };
            (field.clone(), value)
        })
        .collect();
    members
        .iter()
        .filter(|(name, _)| *name != "spec")
        .map(|(name, value)| (name.clone(), value.clone()))
        .chain([("spec".to_owned(), Value::Object(spec))])
        .collect()
}

fn reduce_list(list: &Value, other: &Value, whole: &[&str]) -> Value {
    // Where names don't tell containers apart, neither can a diff go by them.
    let (Some(_), Some(twins)) = (by_name(list), by_name(other)) else {
        return list.clone();
    };
    pod::array(list)
        .iter()
        .map(|container| {
            let name = pod::name(container);
            match twins.get(name) {
                Some(twin) if !whole.contains(&name) => reduce_container(container, twin),
                _ => container.clone(),
            }
        })
        .collect()
}

fn reduce_container(container: &Value, twin: &Value) -> Value {
    container
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(field, value)| KEPT.contains(&field.as_str()) || twin.get(field) != Some(value))
        .map(|(field, value)| (field.clone(), value.clone()))
        .collect()
}

fn by_name(list: &Value) -> Option<HashMap<&str, &Value>> {
    let elements = list.as_array()?;
    let named: HashMap<_, _> = elements
        .iter()
        .map(|element| Some((element.get("name")?.as_str()?, element)))
        .collect::<Option<_>>()?;
    (named.len() == elements.len()).then_some(named)
}
