//! Templates laid over each other and over a pod.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::{
    draft::Draft,
    merge::{decoded_container, merge, merge_container},
    pod,
};

/// Lays one template over the templates before it. A container keeps the list
/// in which it came first, so that a template that patches `istio-proxy` need
/// not know whether the sidecar is native.
pub(super) fn combine(base: &mut Draft, over: Draft) {
    base.labels.extend(over.labels);
    base.annotations.extend(over.annotations);
    for container in over.init_containers {
        match base.container_mut(pod::name(&container)) {
            Some(found) => merge_container(found, container),
            None => base.init_containers.push(decoded_container(container)),
        }
    }
    for container in over.containers {
        match base.container_mut(pod::name(&container)) {
            Some(found) => merge_container(found, container),
            None => base.containers.push(decoded_container(container)),
        }
    }
    merge(&mut base.rest, over.rest);
}

/// Lays the templates over a pod. Where the user has a container of the same
/// name, the user's fields win, and the container goes where the template has it.
///
/// Returns the user's own parts by their list, for `proxy.istio.io/overrides`.
pub(super) fn apply(draft: &mut Draft, template: Draft) -> Map<String, Value> {
    let mut overrides = Map::new();
    draft.labels.extend(template.labels);
    draft.annotations.extend(template.annotations);
    let init: Vec<_> = template
        .init_containers
        .into_iter()
        .map(|container| with_users_part(draft, container, &mut overrides))
        .collect();
    let containers: Vec<_> = template
        .containers
        .into_iter()
        .map(|container| with_users_part(draft, container, &mut overrides))
        .collect();
    draft.init_containers.extend(init);
    draft.containers.extend(containers);
    merge(&mut draft.rest, template.rest);
    overrides
}

/// A warning for each volume of the user's that gives way to another one.
pub(super) fn replaced_volumes(draft: &Draft, template: &Draft) -> Vec<String> {
    // Of the user's volumes of one name the last is the one that counts.
    let users: HashMap<&str, &Value> = pod::array(&draft.rest["spec"]["volumes"])
        .iter()
        .map(|volume| (pod::name(volume), volume))
        .collect();
    let is_replaced = |volume: &&Value| {
        users
            .get(pod::name(volume))
            .is_some_and(|own| own != volume)
    };
    let warning = |volume: &Value| {
        format!(
            "the pod's volume {:?} is replaced by the injection's of that name, also where the app mounts it; give \
             it another name",
            pod::name(volume)
        )
    };
    pod::array(&template.rest["spec"]["volumes"])
        .iter()
        .filter(is_replaced)
        .map(warning)
        .collect()
}

/// A warning for each container that waits for the injection's image, where the
/// injection has no such container for this pod.
pub(super) fn left_without_image(draft: &Draft) -> Vec<String> {
    let warning = |container: &Value| {
        format!(
            "container {:?} has no image: the injection has no such container for this pod",
            pod::name(container)
        )
    };
    let is_left = |container: &&Value| {
        pod::OWN_CONTAINERS.contains(&pod::name(container)) && pod::has_no_image(container)
    };
    let containers = draft.init_containers.iter().chain(&draft.containers);
    containers.filter(is_left).map(warning).collect()
}

fn with_users_part(
    draft: &mut Draft,
    mut container: Value,
    overrides: &mut Map<String, Value>,
) -> Value {
    let name = pod::name(&container).to_owned();
    let list = if draft
        .init_containers
        .iter()
        .any(|own| pod::name(own) == name)
    {
        "initContainers"
    } else {
        "containers"
    };
    let Some(users) = draft.take_container(&name) else {
        return container;
    };
    let mut users = decoded_container(users);
    if pod::has_no_image(&users)
        && let Some(fields) = users.as_object_mut()
    {
        fields.remove("image");
    }
    if let Value::Array(parts) = overrides
        .entry(list)
        .or_insert_with(|| Value::Array(Vec::new()))
    {
        parts.push(users.clone());
    }
    merge_container(&mut container, users);
    container
}
