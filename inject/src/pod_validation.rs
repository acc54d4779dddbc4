//! Whether a pod can be injected at all: its types, and what limits its size.
//!
//! All of a pod's faults are reported together. Where Kubernetes has the same rule, the
//! message is the API server's: it would refuse the pod, too, but only after the
//! webhooks have done their work.

use std::collections::HashSet;

use serde_json::Value;

use crate::{
    pod::{CONTAINER_LISTS, array, kind_of},
    quote::start,
    refusal::Refusal,
    sizes,
};

/// The lists of a pod's spec that are read as lists of objects.
const OBJECT_LISTS: [&str; 5] = [
    "containers",
    "initContainers",
    "ephemeralContainers",
    "volumes",
    "imagePullSecrets",
];

/// The lists of a container that are read as lists of objects.
const CONTAINER_OBJECT_LISTS: [&str; 3] = ["ports", "env", "volumeMounts"];

/// How many faults are named: a large pod may have one in each element.
const MAX_FAULTS: usize = 50;

/// How many labels, and how many annotations, a pod may have: ten times the most that
/// is known of.
const MAX_STRINGS: usize = 4096;

/// The longest name of a container, and value of a label.
const MAX_LABEL: usize = 63;
/// The longest name of an object.
const MAX_NAME: usize = 253;
/// The longest key of a label, API group with its version, and the like: a prefix,
/// `/` and a name.
const MAX_QUALIFIED_NAME: usize = MAX_NAME + 1 + MAX_LABEL;

/// Checks a pod.
pub(crate) fn check(pod: &Value) -> Result<(), Refusal> {
    // First and by itself: everything that reads an annotation later relies on it.
    if sizes::annotations(&pod["metadata"]["annotations"]) > sizes::MAX_ANNOTATIONS {
        return Err(Refusal::InvalidPod(format!(
            "metadata.annotations: Too long: may not be more than {} bytes",
            sizes::MAX_ANNOTATIONS
        )));
    }
    check_parts(pod, true)
}

/// Checks a template's fragment of a pod, which may leave out what a pod must have.
pub(crate) fn check_fragment(pod: &Value) -> Result<(), Refusal> {
    check_parts(pod, false)
}

/// The first faults, and how many there are.
#[derive(Default)]
struct Faults {
    named: Vec<String>,
    count: usize,
}

impl Faults {
    fn add(&mut self, fault: impl FnOnce() -> String) {
        self.count += 1;
        if self.named.len() < MAX_FAULTS {
            self.named.push(fault());
        }
    }

    fn into_result(mut self) -> Result<(), Refusal> {
        if self.count == 0 {
            return Ok(());
        }
        let more = self.count - self.named.len();
        if more > 0 {
            self.named.push(format!("and {more} more"));
        }
        Err(Refusal::InvalidPod(format!(
            "not a valid Pod: {}",
            self.named.join("; ")
        )))
    }

    fn wrong_type(&mut self, path: impl FnOnce() -> String, value: &Value, expected: &str) {
        self.add(|| format!("{} is {}, not {expected}", path(), kind_of(value)));
    }

    fn object(&mut self, path: &str, value: &Value) {
        if !matches!(value, Value::Null | Value::Object(_)) {
            self.wrong_type(|| path.to_owned(), value, "an object");
        }
    }

    fn objects(&mut self, path: &str, value: &Value) {
        match value {
            Value::Null => {}
            Value::Array(items) => {
                for (index, item) in items
                    .iter()
                    .enumerate()
                    .filter(|(_, item)| !item.is_object())
                {
                    self.wrong_type(|| format!("{path}[{index}]"), item, "an object");
                }
            }
            other => self.wrong_type(|| path.to_owned(), other, "a list"),
        }
    }

    /// Checks a mapping of strings, each with a greatest length in bytes.
    fn strings(&mut self, path: &str, value: &Value, longest: usize) {
        match value {
            Value::Null => {}
            Value::Object(map) if map.len() > MAX_STRINGS => self.add(|| {
                let count = map.len();
                format!("{path}: Too many: {count}: must have at most {MAX_STRINGS} items")
            }),
            Value::Object(map) => {
                for (key, value) in map {
                    if !value.is_string() {
                        self.wrong_type(|| format!("{path}[{:?}]", start(key)), value, "a string");
                    }
                    self.length(|| format!("{path}: key"), key, MAX_QUALIFIED_NAME);
                    let value = value.as_str().unwrap_or_default();
                    self.length(|| format!("{path}[{:?}]", start(key)), value, longest);
                }
            }
            other => self.wrong_type(|| path.to_owned(), other, "an object"),
        }
    }

    fn length(&mut self, path: impl FnOnce() -> String, text: &str, longest: usize) {
        if text.len() > longest {
            self.add(|| {
                format!(
                    "{}: Invalid value: {:?}…: must be no more than {longest} bytes",
                    path(),
                    start(text)
                )
            });
        }
    }
}

fn check_parts(pod: &Value, is_whole: bool) -> Result<(), Refusal> {
    let mut faults = Faults::default();
    if !pod.is_object() {
        return Err(Refusal::InvalidPod(format!(
            "the pod is {}, not an object",
            kind_of(pod)
        )));
    }
    check_metadata(&pod["metadata"], &mut faults);
    let spec = &pod["spec"];
    if spec.is_object() {
        check_spec(spec, &mut faults);
    } else if is_whole || !spec.is_null() {
        faults.wrong_type(|| "spec".to_owned(), spec, "an object");
    }
    faults.into_result()
}

fn check_metadata(metadata: &Value, faults: &mut Faults) {
    faults.object("metadata", metadata);
    faults.strings("metadata.labels", &metadata["labels"], MAX_LABEL);
    faults.strings("metadata.annotations", &metadata["annotations"], usize::MAX);
    for key in ["name", "generateName", "namespace"] {
        let name = metadata[key].as_str().unwrap_or_default();
        faults.length(|| format!("metadata.{key}"), name, MAX_NAME);
    }
    faults.objects("metadata.ownerReferences", &metadata["ownerReferences"]);
    for (index, owner) in array(&metadata["ownerReferences"]).iter().enumerate() {
        for key in ["apiVersion", "kind", "name"] {
            let text = owner[key].as_str().unwrap_or_default();
            faults.length(
                || format!("metadata.ownerReferences[{index}].{key}"),
                text,
                MAX_QUALIFIED_NAME,
            );
        }
    }
}

fn check_spec(spec: &Value, faults: &mut Faults) {
    for key in OBJECT_LISTS {
        faults.objects(&format!("spec.{key}"), &spec[key]);
    }
    let mut names = HashSet::new();
    for list in CONTAINER_LISTS {
        for (index, container) in array(&spec[list]).iter().enumerate() {
            let path = format!("spec.{list}[{index}]");
            match container["name"].as_str() {
                Some(name) => {
                    faults.length(|| format!("{path}.name"), name, MAX_LABEL);
                    if !names.insert(name) {
                        faults.add(|| format!("{path}.name: Duplicate value: {:?}", start(name)));
                    }
                }
                None => {
                    faults.wrong_type(|| format!("{path}.name"), &container["name"], "a string");
                }
            }
            for key in CONTAINER_OBJECT_LISTS {
                faults.objects(&format!("{path}.{key}"), &container[key]);
            }
            for key in ["securityContext", "lifecycle", "resources"] {
                faults.object(&format!("{path}.{key}"), &container[key]);
            }
        }
    }
    faults.object("spec.securityContext", &spec["securityContext"]);
    if !matches!(spec["hostNetwork"], Value::Null | Value::Bool(_)) {
        faults.wrong_type(
            || "spec.hostNetwork".to_owned(),
            &spec["hostNetwork"],
            "a boolean",
        );
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn accepts_nulls_for_missing_parts() {
        let pod = json!({"metadata": {"labels": null, "annotations": null},
            "spec": {"containers": [{"name": "a", "env": null}], "initContainers": null, "volumes": null}});
        assert_eq!(check(&pod), Ok(()));
    }

    #[test]
    fn rejects_wrong_types_and_names_all_of_them() {
        let pod = json!({"metadata": {"labels": {"a": 1}, "annotations": []},
            "spec": {"containers": {}, "hostNetwork": "yes", "initContainers": [3, {"name": "x", "env": "e"}]}});
        let Err(Refusal::InvalidPod(message)) = check(&pod) else {
            panic!("accepted");
        };
        for fault in [
            "metadata.labels[\"a\"] is a number, not a string",
            "metadata.annotations is a list, not an object",
            "spec.containers is an object, not a list",
            "spec.initContainers[0] is a number, not an object",
            "spec.initContainers[1].env is a string, not a list",
            "spec.hostNetwork is a string, not a boolean",
        ] {
            assert!(message.contains(fault), "{fault}: {message}");
        }
    }

    #[test]
    fn names_some_of_very_many_wrong_types() {
        let containers = vec![json!(1); MAX_FAULTS + 7];
        let pod = json!({"spec": {"containers": containers}});
        let refusal = check(&pod).unwrap_err().to_string();
        assert!(refusal.ends_with("; and 64 more"), "{refusal}");
    }

    #[test]
    fn rejects_a_pod_without_a_spec() {
        assert_eq!(
            check(&json!({"metadata": {}})),
            Err(Refusal::InvalidPod(
                "not a valid Pod: spec is missing, not an object".into()
            ))
        );
    }

    #[test]
    fn rejects_annotations_over_256_kib_as_the_api_server_does() {
        let pod = |length: usize| json!({"metadata": {"annotations": {"a/b": "x".repeat(length - 3)}}, "spec": {"containers": []}});
        assert_eq!(check(&pod(262_144)), Ok(()));
        assert_eq!(
            check(&pod(262_145)),
            Err(Refusal::InvalidPod(
                "metadata.annotations: Too long: may not be more than 262144 bytes".into()
            ))
        );
    }

    #[test]
    fn rejects_more_labels_than_any_pod_has() {
        let labels = |count: usize| -> Value {
            let labels = (0..count).map(|number| (number.to_string(), "".into()));
            json!({"metadata": {"labels": Value::Object(labels.collect())}, "spec": {"containers": []}})
        };
        assert_eq!(check(&labels(4096)), Ok(()));
        let refusal = check(&labels(4097)).unwrap_err().to_string();
        assert!(
            refusal.contains("must have at most 4096 items"),
            "{refusal}"
        );
    }

    #[test]
    fn rejects_two_containers_of_one_name_in_whatever_lists() {
        let pod = json!({"spec": {"containers": [{"name": "a"}, {"name": "b"}], "initContainers": [{"name": "b"}]}});
        let refusal = check(&pod).unwrap_err().to_string();
        assert!(
            refusal.ends_with("spec.containers[1].name: Duplicate value: \"b\""),
            "{refusal}"
        );
    }

    #[test]
    fn rejects_names_and_labels_that_kubernetes_would_refuse() {
        let pod = json!({"metadata": {"labels": {"a": "x".repeat(64), "b".repeat(318): ""}, "generateName": "n".repeat(254)},
            "spec": {"containers": [{"name": "c".repeat(64)}]}});
        let refusal = check(&pod).unwrap_err().to_string();
        for path in [
            "metadata.labels[\"a\"]: ",
            "metadata.labels: key: ",
            "metadata.generateName: ",
            "spec.containers[0].name: ",
        ] {
            assert!(refusal.contains(path), "{path}: {refusal}");
        }
    }
}
