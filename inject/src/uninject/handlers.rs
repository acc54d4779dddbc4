//! Restores the app's own probes and lifecycle hooks.

use serde_json::{Map, Value};

use crate::{
    app_probes::{HANDLERS, HOOKS, KEPT_FIELDS, PROBES, hook_path, probe_path},
    pod,
};

/// Puts back the handlers that an injection led through the proxy. The timings
/// beside them were never touched.
///
/// Each goes to one place: a record that somebody made up does not grow.
pub(super) fn restore(pod: &mut Value, mut probers: Map<String, Value>) {
    for container in containers_mut(pod) {
        let name = pod::name(container).to_owned();
        for (place, path) in places(&name) {
            if let Some(probe) = container.pointer_mut(&place)
                && leads_to(probe, &path)
                && let Some(original) = probers.remove(&path)
            {
                restore_handler(probe, &original);
            }
        }
    }
}

/// The probes and hooks that still ask the proxy.
pub(super) fn led_through_the_proxy(pod: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for container in pod::containers(pod) {
        let name = pod::name(container);
        found.extend(
            places(name)
                .filter(|(place, path)| {
                    container
                        .pointer(place)
                        .is_some_and(|probe| leads_to(probe, path))
                })
                .map(|(place, _)| format!("{} of container {name}", place[1..].replace('/', "."))),
        );
    }
    found
}

/// Where a container's probes and hooks are, and by what path the proxy knows them.
fn places(container: &str) -> impl Iterator<Item = (String, String)> {
    let probes = PROBES
        .iter()
        .map(move |(field, segment)| (format!("/{field}"), probe_path(container, segment)));
    let hooks = HOOKS.iter().map(move |(field, segment)| {
        (format!("/lifecycle/{field}"), hook_path(container, segment))
    });
    probes.chain(hooks)
}

fn leads_to(probe: &Value, path: &str) -> bool {
    probe["httpGet"]["path"] == path
}

fn restore_handler(probe: &mut Value, original: &Value) {
    let Some((kind, mut handler)) = HANDLERS
        .iter()
        .find_map(|kind| Some((*kind, original.get(*kind)?.as_object()?.clone())))
    else {
        return;
    };
    let Some(probe) = probe.as_object_mut() else {
        return;
    };
    let through = probe.remove("httpGet").unwrap_or_default();
    if kind == "httpGet" {
        // These stay on the probe, so the record need not have them.
        for kept in KEPT_FIELDS {
            if let (Some(value), None) = (through.get(kept), handler.get(kept)) {
                handler.insert(kept.to_owned(), value.clone());
            }
        }
    }
    probe.insert(kind.to_owned(), Value::Object(handler));
}

fn containers_mut(pod: &mut Value) -> impl Iterator<Item = &mut Value> {
    pod.get_mut("spec")
        .and_then(Value::as_object_mut)
        .into_iter()
        .flatten()
        .filter(|(field, _)| pod::CONTAINER_LISTS.contains(&field.as_str()))
        .filter_map(|(_, list)| list.as_array_mut())
        .flatten()
}
