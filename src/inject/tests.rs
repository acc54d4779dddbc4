//! Whole injections with the built-in configuration.

use serde_json::json;

use super::*;

fn target(pod: &Value) -> Target<'_> {
    Target {
        pod,
        namespace: "default",
        workload: None,
        path_env: &[],
        cluster_has_native_sidecars: true,
    }
}

fn injected(pod: &Value) -> Value {
    let config = Config::builtin().unwrap();
    match inject(&config, &target(pod)) {
        Ok(Outcome::Injected(injection)) => {
            let mut pod = pod.clone();
            json_patch::patch(&mut pod, &injection.patch).unwrap();
            pod
        }
        other => panic!("not injected: {other:?}"),
    }
}

#[test]
fn shows_an_injected_pod() {
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "web-"},
        "spec": {"containers": [{"name": "app", "image": "app:1", "ports": [{"containerPort": 80}],
            "readinessProbe": {"httpGet": {"port": 80, "path": "/"}}}]}});
    println!("{}", crate::yaml::to_string(&injected(&pod)).unwrap());
}
