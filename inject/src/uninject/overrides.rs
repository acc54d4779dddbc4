//! The user's own part of injected containers.

use std::collections::{HashMap, HashSet, VecDeque};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::annotations::OVERRIDES;
use crate::pod;
use crate::status::Status;

/// The annotation `proxy.istio.io/overrides`: containers as the user wrote them.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Overrides {
    containers: Option<Vec<Value>>,
    init_containers: Option<Vec<Value>>,
}

impl Overrides {
    /// What the injection recorded. Ours records nothing in an annotation that
    /// the pod came with.
    pub(super) fn of(pod: &Value, status: &Status) -> serde_json::Result<Self> {
        let is_injections = match &status.annotations {
            Some(added) => added.iter().any(|name| name == OVERRIDES),
            None => true,
        };
        pod::annotation(pod, OVERRIDES)
            .filter(|_| is_injections)
            .map_or_else(|| Ok(Self::default()), serde_json::from_str)
    }

    /// Removes the injected containers; those that the user had a part in
    /// become that part again.
    pub(super) fn put_back(self, pod: &mut Value, status: &Status) {
        let mut containers = self.containers.unwrap_or_default();
        let mut init_containers = self.init_containers.unwrap_or_default();
        for own in containers.iter_mut().chain(&mut init_containers) {
            // Istio clears `auto`, so what has no image had that.
            if own["image"].is_null() && own.is_object() {
                own["image"] = json!("auto");
            }
        }
        // Istio files the user's part by where the injection put it: a native
        // sidecar among the init containers.
        let is_moved = |own: &mut Value| {
            status.is_istios() && pod::name(own) == pod::PROXY && own["restartPolicy"].is_null()
        };
        containers.extend(init_containers.extract_if(.., is_moved));

        put_back(
            pod,
            "initContainers",
            status.init_containers.as_deref(),
            init_containers,
        );
        put_back(pod, "containers", status.containers.as_deref(), containers);
    }
}

fn put_back(pod: &mut Value, list: &str, injected: Option<&[String]>, own: Vec<Value>) {
    let Some(spec) = pod.get_mut("spec").and_then(Value::as_object_mut) else {
        return;
    };
    let had_none = !spec.contains_key(list);
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
    let mut own = Own::new(own);
    *elements = std::mem::take(elements)
        .into_iter()
        .filter_map(|element| {
            let is_injected = injected.contains(pod::name(&element));
            own.take(pod::name(&element))
                .or_else(|| (!is_injected).then_some(element))
        })
        .collect();
    elements.extend(own.into_rest());
    // A pod must have `containers`, even when that leaves none.
    if elements.is_empty() && (had_none || (count > 0 && list != "containers")) {
        spec.remove(list);
    }
}

/// The user's parts, found by their names.
struct Own {
    parts: Vec<Option<Value>>,
    places: HashMap<String, VecDeque<usize>>,
}

impl Own {
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
