//! A pod taken apart for editing.
//!
//! The parts that an injection edits most are held by themselves, so that no
//! step has to ask whether they are there; `into_pod` puts the pod together again.

use serde_json::{Map, Value};

use crate::pod;

/// The pod under edit.
#[derive(Debug)]
pub(crate) struct Draft {
    /// `metadata.labels`.
    pub labels: Map<String, Value>,
    /// `metadata.annotations`.
    pub annotations: Map<String, Value>,
    /// `spec.initContainers`.
    pub init_containers: Vec<Value>,
    /// `spec.containers`.
    pub containers: Vec<Value>,
    /// The pod without the above.
    pub rest: Value,
}

impl Draft {
    /// Takes a pod, or a fragment of one, apart. Its types have been checked.
    pub fn new(mut rest: Value) -> Self {
        Self {
            labels: take(&mut rest, "metadata", "labels", into_map),
            annotations: take(&mut rest, "metadata", "annotations", into_map),
            init_containers: take(&mut rest, "spec", "initContainers", into_list),
            containers: take(&mut rest, "spec", "containers", into_list),
            rest,
        }
    }

    /// Puts the pod together. Empty parts are left out.
    pub fn into_pod(self) -> Value {
        let mut pod = self.rest;
        put(&mut pod, "metadata", "labels", Value::Object(self.labels));
        put(
            &mut pod,
            "metadata",
            "annotations",
            Value::Object(self.annotations),
        );
        put(
            &mut pod,
            "spec",
            "initContainers",
            Value::Array(self.init_containers),
        );
        put(
            &mut pod,
            "spec",
            "containers",
            Value::Array(self.containers),
        );
        pod
    }

    /// Every container, init containers first.
    pub fn all_containers_mut(&mut self) -> impl Iterator<Item = &mut Value> {
        self.init_containers.iter_mut().chain(&mut self.containers)
    }

    /// Every container, init containers first.
    pub fn all_containers(&self) -> impl Iterator<Item = &Value> {
        self.init_containers.iter().chain(&self.containers)
    }

    /// Whether there is a container of that name.
    pub fn has_container(&self, name: &str) -> bool {
        self.all_containers()
            .any(|container| pod::name(container) == name)
    }

    /// Whether the proxy is a native sidecar: an init container.
    pub fn has_native_proxy(&self) -> bool {
        pod::named(&self.init_containers, pod::PROXY).is_some()
    }

    /// The container of that name.
    pub fn container_mut(&mut self, name: &str) -> Option<&mut Value> {
        self.all_containers_mut()
            .find(|container| pod::name(container) == name)
    }

    /// Takes the container of that name out.
    pub fn take_container(&mut self, name: &str) -> Option<Value> {
        [&mut self.init_containers, &mut self.containers]
            .into_iter()
            .find_map(|list| {
                let index = list
                    .iter()
                    .position(|container| pod::name(container) == name)?;
                Some(list.remove(index))
            })
    }

    /// Sets an annotation.
    pub fn annotate(&mut self, key: &str, value: impl Into<String>) {
        self.annotations
            .insert(key.to_owned(), Value::String(value.into()));
    }
}

fn take<T: Default>(
    pod: &mut Value,
    parent: &str,
    key: &str,
    convert: fn(Value) -> Option<T>,
) -> T {
    pod.get_mut(parent)
        .and_then(Value::as_object_mut)
        .and_then(|object| object.remove(key))
        .and_then(convert)
        .unwrap_or_default()
}

fn put(pod: &mut Value, parent: &str, key: &str, value: Value) {
    let empty = match &value {
        Value::Object(map) => map.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    };
    if !empty {
        pod[parent][key] = value;
    }
}

fn into_map(value: Value) -> Option<Map<String, Value>> {
    match value {
        Value::Object(map) => Some(map),
        _ => None,
    }
}

fn into_list(value: Value) -> Option<Vec<Value>> {
    match value {
        Value::Array(items) => Some(items),
        _ => None,
    }
}
