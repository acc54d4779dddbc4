//! A pod without the weight that an injection leaves alone.
//!
//! Most of a large pod is environment, mounts and arguments of the user's
//! containers. An edit and a diff that never copy them cost the same for any pod.

use std::collections::HashMap;

use json_patch::jsonptr::Token;
use json_patch::{Patch, PatchOperation};
use serde_json::{Map, Value};

use super::{draft::Draft, pod};

/// What an injection reads or edits in a container that is not its own.
const KEPT: [&str; 6] = [
    "name",
    "ports",
    "readinessProbe",
    "livenessProbe",
    "startupProbe",
    "lifecycle",
];

/// A pod whose containers are not all whole. Everything has the place that it
/// has in the pod, so a patch for one is a patch for the other, as long as it
/// does not move what is not whole.
#[derive(Debug)]
pub(super) struct Light {
    /// The pod.
    pub pod: Value,
    reduced: Vec<String>,
}

impl Light {
    /// Copies of a pod what an injection by `template` may look at.
    pub fn new(pod: &Value, template: &Draft) -> Self {
        let mut reduced = Vec::new();
        let pod = members(pod, |name, value| match name {
            "metadata" => Some(members(value, |name, value| {
                (name != "managedFields").then(|| value.clone())
            })),
            "spec" => Some(members(value, |name, value| {
                Some(if pod::CONTAINER_LISTS.contains(&name) {
                    containers(value, template, &mut reduced)
                } else {
                    value.clone()
                })
            })),
            _ => Some(value.clone()),
        });
        Self { pod, reduced }
    }

    /// Whether a patch puts a container somewhere that is not whole.
    pub fn is_moved_by(&self, patch: &Patch) -> bool {
        patch.iter().any(|step| {
            let value = match step {
                PatchOperation::Add(step) => &step.value,
                PatchOperation::Replace(step) => &step.value,
                _ => return false,
            };
            let path: Vec<_> = step.path().tokens().collect();
            let path: Vec<_> = path.iter().map(Token::encoded).collect();
            match path.as_slice() {
                ["spec", list] if pod::CONTAINER_LISTS.contains(list) => {
                    pod::array(value).iter().any(|item| self.is_reduced(item))
                }
                ["spec", list, _] if pod::CONTAINER_LISTS.contains(list) => self.is_reduced(value),
                [] | ["spec"] => true,
                _ => false,
            }
        })
    }

    fn is_reduced(&self, container: &Value) -> bool {
        self.reduced.iter().any(|name| name == pod::name(container))
    }
}

fn containers(list: &Value, template: &Draft, reduced: &mut Vec<String>) -> Value {
    let Some(own) = list.as_array() else {
        return list.clone();
    };
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for container in own {
        *counts.entry(pod::name(container)).or_default() += 1;
    }
    own.iter()
        .map(|container| {
            let name = pod::name(container);
            let is_ours = [pod::PROXY, pod::INIT, pod::VALIDATION].contains(&name);
            if is_ours || template.has_container(name) || counts.get(name) != Some(&1) {
                return container.clone();
            }
            reduced.push(name.to_owned());
            members(container, |field, value| {
                KEPT.contains(&field).then(|| value.clone())
            })
        })
        .collect()
}

/// An object with the members that `pick` makes of its own. What is none stays.
fn members(value: &Value, mut pick: impl FnMut(&str, &Value) -> Option<Value>) -> Value {
    let Some(members) = value.as_object() else {
        return value.clone();
    };
    let picked: Map<String, Value> = members
        .iter()
        .filter_map(|(name, value)| Some((name.clone(), pick(name, value)?)))
        .collect();
    Value::Object(picked)
}
