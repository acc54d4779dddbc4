//! Reading a pod's JSON without giving it a type.
//!
//! A pod read into a struct loses the fields that the struct lacks. Here the
//! pod stays a [`Value`]; these are the few places that the injector looks at.

use serde_json::Value;

use super::Refusal;

/// The name of the proxy's container.
pub(super) const PROXY: &str = "istio-proxy";
/// The name of the container that sets up traffic capture.
pub(super) const INIT: &str = "istio-init";
/// The name that Istio's CNI mode gives the init container.
pub(super) const VALIDATION: &str = "istio-validation";

/// The two lists of containers that an injection reaches.
pub(super) const CONTAINER_LISTS: [&str; 2] = ["initContainers", "containers"];

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

/// So many faults are named: a large pod may have one in each element.
const FAULTS_NAMED: usize = 50;

/// Checks the types of everything that is read later, and names all that are wrong.
pub(super) fn check(pod: &Value) -> Result<(), Refusal> {
    check_parts(pod, true)
}

/// The same for a fragment, which may leave out what a pod has to have.
pub(super) fn check_fragment(pod: &Value) -> Result<(), Refusal> {
    check_parts(pod, false)
}

fn check_parts(pod: &Value, is_whole: bool) -> Result<(), Refusal> {
    let mut faults = Vec::new();
    if !pod.is_object() {
        return Err(Refusal::InvalidPod(format!(
            "the pod is {}, not an object",
            kind_of(pod)
        )));
    }
    let metadata = &pod["metadata"];
    check_object("metadata", metadata, &mut faults);
    for key in ["labels", "annotations"] {
        check_strings(&format!("metadata.{key}"), &metadata[key], &mut faults);
    }
    check_list(
        "metadata.ownerReferences",
        &metadata["ownerReferences"],
        &mut faults,
    );
    let spec = &pod["spec"];
    if spec.is_object() {
        check_spec(spec, &mut faults);
    } else if is_whole || !spec.is_null() {
        faults.push(format!("spec is {}, not an object", kind_of(spec)));
    }
    if faults.is_empty() {
        return Ok(());
    }
    let more = faults.len().saturating_sub(FAULTS_NAMED);
    faults.truncate(FAULTS_NAMED);
    if more > 0 {
        faults.push(format!("and {more} more"));
    }
    Err(Refusal::InvalidPod(format!(
        "not a valid Pod: {}",
        faults.join("; ")
    )))
}

fn check_spec(spec: &Value, faults: &mut Vec<String>) {
    for key in OBJECT_LISTS {
        check_list(&format!("spec.{key}"), &spec[key], faults);
    }
    for list in CONTAINER_LISTS {
        for (index, container) in array(&spec[list]).iter().enumerate() {
            let path = format!("spec.{list}[{index}]");
            if !container["name"].is_string() {
                faults.push(format!(
                    "{path}.name is {}, not a string",
                    kind_of(&container["name"])
                ));
            }
            for key in CONTAINER_OBJECT_LISTS {
                check_list(&format!("{path}.{key}"), &container[key], faults);
            }
            for key in ["securityContext", "lifecycle", "resources"] {
                check_object(&format!("{path}.{key}"), &container[key], faults);
            }
        }
    }
    check_object("spec.securityContext", &spec["securityContext"], faults);
    if !matches!(spec["hostNetwork"], Value::Null | Value::Bool(_)) {
        faults.push(format!(
            "spec.hostNetwork is {}, not a boolean",
            kind_of(&spec["hostNetwork"])
        ));
    }
}

fn check_object(path: &str, value: &Value, faults: &mut Vec<String>) {
    if !matches!(value, Value::Null | Value::Object(_)) {
        faults.push(format!("{path} is {}, not an object", kind_of(value)));
    }
}

fn check_list(path: &str, value: &Value, faults: &mut Vec<String>) {
    match value {
        Value::Null => {}
        Value::Array(items) => faults.extend(
            items
                .iter()
                .enumerate()
                .filter(|(_, item)| !item.is_object())
                .map(|(index, item)| {
                    format!("{path}[{index}] is {}, not an object", kind_of(item))
                }),
        ),
        other => faults.push(format!("{path} is {}, not a list", kind_of(other))),
    }
}

fn check_strings(path: &str, value: &Value, faults: &mut Vec<String>) {
    match value {
        Value::Null => {}
        Value::Object(map) => faults.extend(
            map.iter()
                .filter(|(_, value)| !value.is_string())
                .map(|(key, value)| format!("{path}[{key:?}] is {}, not a string", kind_of(value))),
        ),
        other => faults.push(format!("{path} is {}, not an object", kind_of(other))),
    }
}

/// What a value is, for messages.
pub(super) fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "missing",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// A list; empty when it is missing or null.
pub(super) fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// A label of a pod.
pub(super) fn label<'a>(pod: &'a Value, key: &str) -> Option<&'a str> {
    pod["metadata"]["labels"][key].as_str()
}

/// An annotation of a pod.
pub(super) fn annotation<'a>(pod: &'a Value, key: &str) -> Option<&'a str> {
    pod["metadata"]["annotations"][key].as_str()
}

/// Whether a container is only the user's part of one, and its image comes from
/// the injection.
pub(super) fn has_no_image(container: &Value) -> bool {
    matches!(container["image"].as_str(), None | Some("" | "auto"))
}

/// The name of a container, a volume, or anything else that has one.
pub(super) fn name(object: &Value) -> &str {
    object["name"].as_str().unwrap_or_default()
}

/// Every container of a pod that the user's processes run in: not the proxy's own.
pub(super) fn app_containers(pod: &Value) -> impl Iterator<Item = &Value> {
    array(&pod["spec"]["containers"])
        .iter()
        .filter(|container| name(container) != PROXY)
}

/// The container of that name, among the init containers or the containers.
pub(super) fn find_container<'a>(pod: &'a Value, wanted: &str) -> Option<&'a Value> {
    CONTAINER_LISTS
        .iter()
        .flat_map(|list| array(&pod["spec"][*list]))
        .find(|container| name(container) == wanted)
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
        let containers = vec![json!(1); FAULTS_NAMED + 7];
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
}
