//! Whole injections with the built-in configuration.

mod gateway;
mod guards;
mod sidecar;
mod unsupported;
mod users_part;

use std::sync::LazyLock;

use serde_json::{Value, json};

use super::*;

static BUILTIN: LazyLock<Config> = LazyLock::new(|| Config::builtin().unwrap());

fn target(pod: &Value) -> Target<'_> {
    Target {
        pod,
        namespace: "shop",
        workload: None,
        path_env: &[],
        cluster_has_native_sidecars: true,
    }
}

/// A configuration with the built-in templates and these values over the built-in ones.
fn configured(values: &Value, mesh: &str) -> Config {
    let config = json!({"templates": {
        "sidecar": include_str!("../../charts/pillion/files/sidecar.yaml"),
        "gateway": include_str!("../../charts/pillion/files/gateway.yaml"),
    }});
    Config::parse(&Sources {
        config: &config.to_string(),
        values: &values.to_string(),
        mesh,
    })
    .unwrap()
}

/// The pod after its injection, and the warnings.
fn inject_with(config: &Config, target: &Target<'_>) -> (Value, Vec<String>) {
    match inject(config, target) {
        Ok(Outcome::Injected(injection)) => {
            let mut pod = target.pod.clone();
            json_patch::patch(&mut pod, &injection.patch).unwrap();
            (pod, injection.warnings)
        }
        other => panic!("not injected: {other:?}"),
    }
}

fn injected(pod: &Value) -> Value {
    inject_with(&BUILTIN, &target(pod)).0
}

fn refused(pod: &Value) -> Refusal {
    inject(&BUILTIN, &target(pod)).unwrap_err()
}

/// A pod of one container, as a ReplicaSet of the Deployment `web` makes it.
fn web(annotations: Value, app: Value) -> Value {
    let mut container = json!({"name": "app", "image": "app:1"});
    merge::merge_container(&mut container, app);
    json!({"metadata": {"generateName": "web-5d8f-", "labels": {"app": "web", "version": "v2", "pod-template-hash": "5d8f"},
            "annotations": annotations, "ownerReferences": [
                {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-5d8f", "controller": true}]},
        "spec": {"containers": [container]}})
}

fn names(list: &Value) -> Vec<&str> {
    pod::names(pod::array(list)).collect()
}

fn container<'a>(pod: &'a Value, name: &str) -> &'a Value {
    pod::find_container(pod, name).unwrap()
}

fn env<'a>(container: &'a Value, name: &str) -> Option<&'a str> {
    let variable = pod::array(&container["env"])
        .iter()
        .find(|variable| pod::name(variable) == name)?;
    variable["value"].as_str()
}

fn arguments(container: &Value) -> Vec<&str> {
    pod::array(&container["args"])
        .iter()
        .filter_map(Value::as_str)
        .collect()
}
