//! An injection taken back.
//!
//! By name, from the record in `sidecar.istio.io/status`, so that it works on
//! a pod that others have edited since. What names can't tell (a probe's port
//! had a name, an annotation another value, the user's own proxy container its
//! place) [`record`] finds out at injection, by taking the injection back on
//! trial, and puts into the status as a JSON Patch. So it is exact by
//! construction, whatever the templates do. Istio's status lacks that part;
//! there [`istio`] infers what can be inferred.

mod handlers;
mod istio;
mod overrides;
mod record;
mod restore;
mod scrape;
mod stubs;

use std::collections::HashSet;

use serde_json::{Map, Value};

pub(super) use self::record::record;

use self::overrides::Overrides;
use super::annotations::{OVERRIDES, STATUS};
use super::probes::APP_PROBERS;
use super::prometheus::SCRAPE;
use super::status::Status;
use super::{Refusal, pod, previous};

/// Takes an injection back: Pillion's own, or that of Istio's `sidecar` and
/// `gateway` templates. `None` when the pod carries no injection.
///
/// # Errors
///
/// When the record of the injection (`sidecar.istio.io/status`) is missing or
/// can't be read, or when the pod was changed in what it covers.
pub fn uninject(pod: &Value) -> Result<Option<Value>, Refusal> {
    let Some(text) = pod::annotation(pod, STATUS) else {
        let found = previous::injected_containers(pod);
        return if found.is_empty() {
            Ok(None)
        } else {
            Err(no_record(&found))
        };
    };
    let status: Status = serde_json::from_str(text).map_err(|error| unreadable(STATUS, &error))?;
    let overrides = Overrides::of(pod, &status).map_err(|error| unreadable(OVERRIDES, &error))?;
    let mut undone = pod.clone();
    take_back(&mut undone, &status, overrides);
    match &status.restore {
        Some(rest) => {
            restore::check(rest).map_err(|fault| unreadable(STATUS, &fault))?;
            json_patch::patch(&mut undone, rest).map_err(|error| changed(&error))?;
        }
        None if status.is_istios() => istio::refuse_lost_handlers(&undone)?,
        None => {}
    }
    Ok(Some(undone))
}

/// Everything that can be taken back by name.
fn take_back(pod: &mut Value, status: &Status, overrides: Overrides) {
    let proxy = Proxy::of(pod);
    overrides.put_back(pod, status);
    for (list, names) in [
        ("volumes", &status.volumes),
        ("imagePullSecrets", &status.image_pull_secrets),
    ] {
        remove_named(pod, list, names.as_deref().unwrap_or_default());
    }
    handlers::restore(pod, proxy.json(APP_PROBERS));
    let scrape = proxy.json(SCRAPE);
    if status.is_istios() {
        istio::take_back(pod, status, &proxy, !scrape.is_empty());
    } else {
        remove_keys(pod, "labels", status.labels.as_deref().unwrap_or_default());
        remove_keys(
            pod,
            "annotations",
            status.annotations.as_deref().unwrap_or_default(),
        );
    }
    remove_keys(pod, "annotations", &[STATUS]);
    scrape::restore(pod, &scrape);
    drop_if_empty(pod, "metadata");
}

/// The proxy's container before it goes: it holds what the app's probes and
/// scrape annotations were.
struct Proxy(Option<Value>);

impl Proxy {
    fn of(pod: &Value) -> Self {
        Self(pod::find_container(pod, pod::PROXY).cloned())
    }

    fn env(&self, name: &str) -> Option<&str> {
        let container = self.0.as_ref()?;
        let variable = pod::array(&container["env"])
            .iter()
            .rfind(|variable| pod::name(variable) == name)?;
        variable["value"].as_str()
    }

    /// A variable that holds a JSON object; empty when it does not.
    fn json(&self, name: &str) -> Map<String, Value> {
        self.env(name)
            .and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_default()
    }

    fn is_gateway(&self) -> bool {
        self.0.as_ref().is_some_and(|container| {
            pod::array(&container["args"])
                .iter()
                .any(|arg| arg == "router")
        })
    }
}

/// Removes elements of a list in the spec, and the list when that empties it.
fn remove_named(pod: &mut Value, list: &str, names: &[String]) {
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

/// Removes keys of a map in the metadata, and the map when that empties it.
fn remove_keys(pod: &mut Value, map: &str, keys: &[impl AsRef<str>]) {
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

/// The pod's annotations, made where there are none.
fn annotations_mut(pod: &mut Value) -> Option<&mut Map<String, Value>> {
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

fn drop_if_empty(parent: &mut Value, key: &str) {
    let empty = match &parent[key] {
        Value::Array(elements) => elements.is_empty(),
        Value::Object(members) => members.is_empty(),
        _ => false,
    };
    if let (true, Some(parent)) = (empty, parent.as_object_mut()) {
        parent.remove(key);
    }
}

fn no_record(found: &[&str]) -> Refusal {
    Refusal::InvalidPod(format!(
        "the pod has the container{} {} of an injection, but not the annotation {STATUS} that records it: what else \
         was changed is not known. Remove by hand what was added, or start from the manifest as it was before",
        if found.len() == 1 { "" } else { "s" },
        found.join(", ")
    ))
}

fn unreadable(annotation: &str, error: &dyn std::fmt::Display) -> Refusal {
    Refusal::InvalidPod(format!(
        "the annotation {annotation}, which records the injection, can't be read: {error}. Restore it, or start from \
         the manifest as it was before the injection"
    ))
}

fn changed(error: &json_patch::PatchError) -> Refusal {
    Refusal::InvalidPod(format!(
        "the pod was changed since its injection, where the injection has to be taken back: {error}. Start from the \
         manifest as it was before the injection"
    ))
}

#[cfg(test)]
mod tests;
