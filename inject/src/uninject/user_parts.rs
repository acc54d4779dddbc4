//! Puts the user's own parts of injected containers back.

use std::collections::{HashMap, HashSet, VecDeque};

use serde_json::{Value, json};

use crate::{injection_record::InjectionRecord, overrides::Overrides, pod};

/// Removes the injected containers; those that the user had a part in become that
/// part again.
pub(super) fn put_back(pod: &mut Value, record: &InjectionRecord, overrides: Overrides) {
    let mut containers = overrides.containers.unwrap_or_default();
    let mut init_containers = overrides.init_containers.unwrap_or_default();
    for part in containers.iter_mut().chain(&mut init_containers) {
        // Istio clears `auto`, so what has no image had that.
        if part["image"].is_null() && part.is_object() {
            part["image"] = json!("auto");
        }
    }
    // Istio lists the user's part where the injection put it: a native sidecar among
    // the init containers.
    let is_moved = |part: &mut Value| {
        record.is_istios() && pod::name(part) == pod::PROXY && part["restartPolicy"].is_null()
    };
    containers.extend(init_containers.extract_if(.., is_moved));

    put_back_list(
        pod,
        "initContainers",
        record.init_containers.as_deref(),
        init_containers,
    );
    put_back_list(pod, "containers", record.containers.as_deref(), containers);
}

fn put_back_list(pod: &mut Value, list: &str, injected: Option<&[String]>, parts: Vec<Value>) {
    let Some(spec) = pod.get_mut("spec").and_then(Value::as_object_mut) else {
        return;
    };
    let was_missing = !spec.contains_key(list);
    let elements = match spec.entry(list).or_insert_with(|| json!([])) {
        Value::Array(elements) => elements,
        _ => return,
    };
    let count = elements.len();
    let injected: HashSet<&str> = injected
        .unwrap_or_default()
        .iter()
        .map(String::as_str)
        .collect();
    let mut parts = Parts::new(parts);
    *elements = std::mem::take(elements)
        .into_iter()
        .filter_map(|element| {
            let is_injected = injected.contains(pod::name(&element));
            parts
                .take(pod::name(&element))
                .or_else(|| (!is_injected).then_some(element))
        })
        .collect();
    elements.extend(parts.into_rest());
    // A pod must have `containers`, even when that leaves none.
    if elements.is_empty() && (was_missing || (count > 0 && list != "containers")) {
        spec.remove(list);
    }
}

/// The user's parts, found by their names.
struct Parts {
    parts: Vec<Option<Value>>,
    places: HashMap<String, VecDeque<usize>>,
}

impl Parts {
    fn new(parts: Vec<Value>) -> Self {
        let mut places: HashMap<String, VecDeque<usize>> = HashMap::new();
        for (place, part) in parts.iter().enumerate() {
            let name = pod::name(part).to_owned();
            places.entry(name).or_default().push_back(place);
        }
        Self {
            parts: parts.into_iter().map(Some).collect(),
            places,
        }
    }

    /// The first part of that name that has not been taken.
    fn take(&mut self, name: &str) -> Option<Value> {
        let place = self.places.get_mut(name)?.pop_front()?;
        self.parts.get_mut(place)?.take()
    }

    /// What has not been taken, in its order.
    fn into_rest(self) -> impl Iterator<Item = Value> {
        self.parts.into_iter().flatten()
    }
}
