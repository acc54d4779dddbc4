//! Kubernetes' strategic merge, for pods.
//!
//! An overlay (what a template renders to, or the user's own partial
//! container) is laid over a pod by the API's merge keys: an environment
//! variable is merged with the variable of the same name and not with the one at the
//! same index. [`schema`] says which lists have keys; every other list is replaced
//! as a whole, as by `kubectl patch`.

mod schema;

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
};

use serde_json::{Map, Value};

use self::schema::{Keys, Shape};

/// Lays `overlay` over the pod `base`. A `null` in the overlay deletes.
pub(crate) fn merge(base: &mut Value, overlay: Value) {
    merge_value(schema::POD, base, overlay);
}

/// A container as the API server would read it: without nulls, and with the last of
/// the elements that have the same key.
pub(crate) fn decoded_container(container: Value) -> Value {
    fresh(schema::CONTAINER, container)
}

/// Lays one container over another.
pub(crate) fn merge_container(base: &mut Value, overlay: Value) {
    merge_value(schema::CONTAINER, base, overlay);
}

fn merge_value(shape: Shape, base: &mut Value, overlay: Value) {
    match (shape, base, overlay) {
        (_, _, Value::Null) => {}
        (Shape::Object(fields), Value::Object(base), Value::Object(overlay)) => {
            remove_other_members(fields, base, &overlay);
            for (name, value) in overlay {
                merge_member(fields.shape_of(&name), base, name, value);
            }
        }
        (Shape::Keyed(keys, element), Value::Array(base), Value::Array(overlay)) => {
            merge_keyed(keys, *element, base, overlay);
        }
        (Shape::Set, Value::Array(base), Value::Array(overlay)) => {
            for value in overlay {
                if !base.contains(&value) {
                    base.push(value);
                }
            }
        }
        (shape, base, overlay) => *base = fresh(shape, overlay),
    }
}

fn merge_member(shape: Shape, base: &mut Map<String, Value>, name: String, overlay: Value) {
    if overlay.is_null() {
        base.remove(&name);
        return;
    }
    match base.get_mut(&name) {
        Some(value) => merge_value(shape, value, overlay),
        None => {
            base.insert(name, fresh(shape, overlay));
        }
    }
}

/// The overlay where the base has no value: nulls are left out, and elements with
/// the same key still become one.
fn fresh(shape: Shape, mut overlay: Value) -> Value {
    normalize(shape, &mut overlay);
    overlay
}

fn normalize(shape: Shape, value: &mut Value) {
    match (shape, value) {
        (Shape::Object(fields), Value::Object(members)) => {
            members.retain(|_, member| !member.is_null());
            for (name, member) in members {
                normalize(fields.shape_of(name), member);
            }
        }
        (_, members @ Value::Object(_)) => normalize(schema::PLAIN, members),
        (Shape::Keyed(keys, element), Value::Array(elements)) => {
            let mut seen = HashSet::with_capacity(elements.len());
            let mut present = elements.iter().filter_map(|element| keys.of(element));
            if present.all(|key| seen.insert(key)) {
                elements
                    .iter_mut()
                    .for_each(|value| normalize(*element, value));
            } else {
                let repeating = std::mem::take(elements);
                merge_keyed(keys, *element, elements, repeating);
            }
        }
        (Shape::Set, list @ Value::Array(_)) => {
            let repeating = std::mem::replace(list, Value::Array(Vec::new()));
            merge_value(shape, list, repeating);
        }
        (_, Value::Array(elements)) => {
            let plain = elements.iter_mut();
            plain.for_each(|element| normalize(schema::PLAIN, element));
        }
        _ => {}
    }
}

/// A union holds one member: the one that the overlay sets replaces the base's.
fn remove_other_members(
    fields: &schema::Fields,
    base: &mut Map<String, Value>,
    overlay: &Map<String, Value>,
) {
    let set = |name: &str| overlay.get(name).is_some_and(|value| !value.is_null());
    if !fields.union.iter().any(|name| set(name)) {
        return;
    }
    for name in fields.union {
        if !set(name) {
            base.remove(*name);
        }
    }
}

fn merge_keyed(keys: Keys, shape: Shape, base: &mut Vec<Value>, overlay: Vec<Value>) {
    // If the base has a key twice, the last one counts: so does the kubelet with
    // variables.
    let mut places: HashMap<String, usize> = base
        .iter()
        .enumerate()
        .filter_map(|(index, element)| Some((keys.of(element)?.into_owned(), index)))
        .collect();
    for element in overlay {
        let key = keys.of(&element).map(Cow::into_owned);
        match key.as_ref().and_then(|key| places.get(key)) {
            Some(&index) => merge_value(shape, &mut base[index], element),
            None => {
                if let Some(key) = key {
                    places.insert(key, base.len());
                }
                base.push(fresh(shape, element));
            }
        }
    }
}

#[cfg(test)]
mod tests;
