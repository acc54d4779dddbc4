//! Reading a pod's JSON without giving it a type.
//!
//! A pod read into a struct loses the fields that the struct lacks. Here the
//! pod stays a [`Value`]; these are the few places that the injector looks at.

use serde_json::Value;

/// The name of the proxy's container.
pub(crate) const PROXY: &str = "istio-proxy";
/// The name of the container that sets up traffic capture.
pub(crate) const INIT: &str = "istio-init";
/// The name that Istio's CNI mode gives the init container.
pub(crate) const VALIDATION: &str = "istio-validation";

/// The names of the containers that an injection adds.
pub(crate) const OWN_CONTAINERS: [&str; 3] = [INIT, VALIDATION, PROXY];

/// The two lists of a pod's containers that an injection edits.
pub(crate) const CONTAINER_LISTS: [&str; 2] = ["initContainers", "containers"];

/// The longest value of a label.
const MAX_LABEL_VALUE: usize = 63;

/// The type of a value, for messages.
pub(crate) fn kind_of(value: &Value) -> &'static str {
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
pub(crate) fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// A label of a pod.
pub(crate) fn label<'a>(pod: &'a Value, key: &str) -> Option<&'a str> {
    pod["metadata"]["labels"][key].as_str()
}

/// The first of these labels that is set and not empty.
pub(crate) fn first_label<'a>(pod: &'a Value, keys: &[&str]) -> Option<&'a str> {
    let mut values = keys.iter().filter_map(|key| label(pod, key));
    values.find(|value| !value.is_empty())
}

/// A text cut to what the value of a label may be: it has to begin and end with a
/// letter or digit.
pub(crate) fn label_value(text: &str) -> &str {
    let end = text
        .char_indices()
        .nth(MAX_LABEL_VALUE)
        .map_or(text.len(), |(end, _)| end);
    text[..end].trim_matches(['-', '_', '.'])
}

/// An annotation of a pod.
pub(crate) fn annotation<'a>(pod: &'a Value, key: &str) -> Option<&'a str> {
    pod["metadata"]["annotations"][key].as_str()
}

/// Whether a container is only the user's part of one, and its image comes from
/// the injection.
pub(crate) fn has_no_image(container: &Value) -> bool {
    matches!(container["image"].as_str(), None | Some("" | "auto"))
}

/// The name of a container, a volume, or anything else that has one.
pub(crate) fn name(object: &Value) -> &str {
    object["name"].as_str().unwrap_or_default()
}

/// Whether a container is one that an injection adds.
pub(crate) fn is_own(container: &Value) -> bool {
    OWN_CONTAINERS.contains(&name(container))
}

/// The names of a list's elements.
pub(crate) fn names(list: &[Value]) -> impl Iterator<Item = &str> {
    list.iter().map(name)
}

/// The element of that name.
pub(crate) fn named<'a>(list: &'a [Value], key: &str) -> Option<&'a Value> {
    list.iter().find(|element| name(element) == key)
}

/// The value of an environment variable of a container. Where a name is there more
/// than once, the last one counts, as for the kubelet.
pub(crate) fn env<'a>(container: &'a Value, key: &str) -> Option<&'a str> {
    let variable = array(&container["env"])
        .iter()
        .rfind(|variable| name(variable) == key)?;
    variable["value"].as_str()
}

/// All init containers and containers of a pod.
pub(crate) fn containers(pod: &Value) -> impl Iterator<Item = &Value> {
    CONTAINER_LISTS
        .iter()
        .flat_map(|list| array(&pod["spec"][*list]))
}

/// The pod's containers without the proxy.
pub(crate) fn app_containers(pod: &Value) -> impl Iterator<Item = &Value> {
    array(&pod["spec"]["containers"])
        .iter()
        .filter(|container| name(container) != PROXY)
}

/// The container of that name, among the init containers or the containers.
pub(crate) fn find_container<'a>(pod: &'a Value, key: &str) -> Option<&'a Value> {
    containers(pod).find(|container| name(container) == key)
}

/// Whether anything but the injection's containers runs for as long as the pod does.
/// A gateway has nothing whose traffic could be captured.
pub(crate) fn has_applications(pod: &Value) -> bool {
    let sidecars = array(&pod["spec"]["initContainers"])
        .iter()
        .filter(|container| container["restartPolicy"] == "Always");
    app_containers(pod)
        .chain(sidecars)
        .any(|container| !is_own(container))
}
