//! Reading a pod's JSON without giving it a type.
//!
//! A pod read into a struct loses the fields that the struct lacks. Here the
//! pod stays a [`Value`]; these are the few places that the injector looks at.

use serde_json::Value;

/// The name of the proxy's container.
pub(super) const PROXY: &str = "istio-proxy";
/// The name of the container that sets up traffic capture.
pub(super) const INIT: &str = "istio-init";
/// The name that Istio's CNI mode gives the init container.
pub(super) const VALIDATION: &str = "istio-validation";

/// The names of the containers that an injection adds.
pub(super) const OWN_CONTAINERS: [&str; 3] = [INIT, VALIDATION, PROXY];

/// The two lists of containers that an injection reaches.
pub(super) const CONTAINER_LISTS: [&str; 2] = ["initContainers", "containers"];

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

/// The start of a text of the user's, for a message.
pub(super) fn short(text: &str) -> &str {
    &text[..text.floor_char_boundary(80)]
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
