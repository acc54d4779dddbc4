//! Removes what an injection added to a pod.

use std::collections::HashSet;

use serde_json::{Map, Value};

use crate::pod;

/// Removes elements of a list in the spec, and the list if nothing is left of it.
pub(super) fn remove_named(pod: &mut Value, list: &str, names: &[String]) {
    let Some(spec) = pod.get_mut("spec") else {
        return;
    };
    let Some(elements) = spec.get_mut(list).and_then(Value::as_array_mut) else {
        return;
    };
    let count = elements.len();
    let names: HashSet<&str> = names.iter().map(String::as_str).collect();
    elements.retain(|element| !names.contains(pod::name(element)));
    if elements.len() < count {
        drop_if_empty(spec, list);
    }
}

/// Removes keys of a map in the metadata, and the map if nothing is left of it.
pub(super) fn remove_keys(pod: &mut Value, map: &str, keys: &[impl AsRef<str>]) {
    let Some(metadata) = pod.get_mut("metadata") else {
        return;
    };
    let Some(entries) = metadata.get_mut(map).and_then(Value::as_object_mut) else {
        return;
    };
    let count = entries.len();
    for key in keys {
        entries.remove(key.as_ref());
    }
    if entries.len() < count {
        drop_if_empty(metadata, map);
    }
}

/// The pod's annotations, created if there are none.
pub(super) fn annotations_mut(pod: &mut Value) -> Option<&mut Map<String, Value>> {
    member_mut(member_mut(pod.as_object_mut()?, "metadata")?, "annotations")
}

fn member_mut<'a>(
    parent: &'a mut Map<String, Value>,
    name: &str,
) -> Option<&'a mut Map<String, Value>> {
    let value = parent.entry(name).or_insert(Value::Null);
    if value.is_null() {
        *value = Value::Object(Map::new());
    }
    value.as_object_mut()
}

/// Removes a member that is an empty list or object.
pub(super) fn drop_if_empty(parent: &mut Value, key: &str) {
    let empty = match &parent[key] {
        Value::Array(elements) => elements.is_empty(),
        Value::Object(members) => members.is_empty(),
        _ => false,
    };
    if let (true, Some(parent)) = (empty, parent.as_object_mut()) {
        parent.remove(key);
    }
}
