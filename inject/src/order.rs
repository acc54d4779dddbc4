//! Where the injected containers stand among the user's.

use serde_json::Value;

use crate::{draft::Draft, pod};

/// Puts the containers of an injection in their places.
///
/// - Native: capture is set up first, or `istio-validation` checks that something
///   else has, the proxy starts next, and the user's init containers run with both,
///   inside the mesh.
/// - Classic: the user's init containers run before the capture is set up, for
///   there is no proxy yet; the proxy is the last container, or the first one
///   when the others are to be held until it has started.
pub(crate) fn order(draft: &mut Draft, hold: bool) {
    let native = draft.has_native_proxy();
    let init = &mut draft.init_containers;
    if native {
        move_to_front(init, pod::PROXY);
        move_to_front(init, pod::VALIDATION);
        move_to_front(init, pod::INIT);
    } else {
        move_to_front(init, pod::VALIDATION);
        move_to_back(init, pod::INIT);
        if hold {
            move_to_front(&mut draft.containers, pod::PROXY);
        } else {
            move_to_back(&mut draft.containers, pod::PROXY);
        }
    }
}

fn take(list: &mut Vec<Value>, name: &str) -> Option<Value> {
    let index = list
        .iter()
        .position(|container| pod::name(container) == name)?;
    Some(list.remove(index))
}

fn move_to_front(list: &mut Vec<Value>, name: &str) {
    if let Some(container) = take(list, name) {
        list.insert(0, container);
    }
}

fn move_to_back(list: &mut Vec<Value>, name: &str) {
    if let Some(container) = take(list, name) {
        list.push(container);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ordered(init: &[&str], containers: &[&str], hold: bool) -> (Vec<String>, Vec<String>) {
        let list = |names: &[&str]| -> Value {
            names.iter().map(|name| json!({ "name": name })).collect()
        };
        let mut draft = Draft::new(
            json!({"spec": {"initContainers": list(init), "containers": list(containers)}}),
        );
        order(&mut draft, hold);
        let names = |list: &[Value]| pod::names(list).map(str::to_owned).collect();
        (names(&draft.init_containers), names(&draft.containers))
    }

    #[test]
    fn native_starts_the_proxy_before_the_users_init_containers() {
        let (init, containers) = ordered(&["setup", "istio-init", "istio-proxy"], &["app"], true);
        assert_eq!(init, ["istio-init", "istio-proxy", "setup"]);
        assert_eq!(containers, ["app"]);
        let (init, _) = ordered(&["setup", "istio-validation", "istio-proxy"], &[], true);
        assert_eq!(init, ["istio-validation", "istio-proxy", "setup"]);
    }

    #[test]
    fn classic_captures_after_the_users_init_containers() {
        let (init, containers) = ordered(&["istio-init", "setup"], &["istio-proxy", "app"], false);
        assert_eq!(init, ["setup", "istio-init"]);
        assert_eq!(containers, ["app", "istio-proxy"]);
    }

    #[test]
    fn classic_with_hold_starts_the_proxy_first() {
        let (_, containers) = ordered(&["istio-init"], &["app", "istio-proxy"], true);
        assert_eq!(containers, ["istio-proxy", "app"]);
    }
}
