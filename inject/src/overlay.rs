//! Templates laid over each other and over a pod.

use std::collections::HashMap;

use serde_json::Value;

use crate::{
    draft::Draft,
    merge::{decoded_container, merge, merge_container},
    overrides::Overrides,
    pod,
};

/// Lays one template over the templates before it. A container keeps the list
/// in which it came first, so that a template that patches `istio-proxy` need
/// not know whether the sidecar is native.
pub(crate) fn combine(base: &mut Draft, over: Draft) {
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
/// Returns the user's own parts, for `proxy.istio.io/overrides`.
pub(crate) fn apply(draft: &mut Draft, template: Draft) -> Overrides {
    let mut overrides = Overrides::default();
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

/// A warning for each volume of the user's that one of the injection's replaces.
pub(crate) fn replaced_volumes(draft: &Draft, template: &Draft) -> Vec<String> {
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
            "the injection's volume {0:?} replaces the pod's of that name, also where the app mounts it; give the pod's \
             volume another name",
            pod::name(volume)
        )
    };
    pod::array(&template.rest["spec"]["volumes"])
        .iter()
        .filter(is_replaced)
        .map(warning)
        .collect()
}

/// A warning for each container that is to get its image from the injection, which
/// adds no such container to this pod.
pub(crate) fn left_without_image(draft: &Draft) -> Vec<String> {
    let warning = |container: &Value| {
        format!(
            "container {:?} has no image: the injection adds no container of that name to this pod",
            pod::name(container)
        )
    };
    let is_left = |container: &&Value| pod::is_own(container) && pod::has_no_image(container);
    draft
        .all_containers()
        .filter(is_left)
        .map(warning)
        .collect()
}

fn with_users_part(draft: &mut Draft, mut container: Value, overrides: &mut Overrides) -> Value {
    let name = pod::name(&container).to_owned();
    let is_init_container = pod::named(&draft.init_containers, &name).is_some();
    let Some(users) = draft.take_container(&name) else {
        return container;
    };
    let mut users = decoded_container(users);
    if pod::has_no_image(&users)
        && let Some(fields) = users.as_object_mut()
    {
        fields.remove("image");
    }
    let list = if is_init_container {
        &mut overrides.init_containers
    } else {
        &mut overrides.containers
    };
    list.get_or_insert_default().push(users.clone());
    merge_container(&mut container, users);
    container
}
