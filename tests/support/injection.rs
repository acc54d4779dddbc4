//! One injection with the built-in configuration.

use std::sync::LazyLock;

use pillion::inject::{Config, Injection, Outcome, Refusal, Target, inject};
use serde_json::Value;

pub static CONFIG: LazyLock<Config> = LazyLock::new(|| Config::builtin().expect("a configuration"));

/// Injects a pod on a cluster with native sidecars, or without.
pub fn injection(pod: &Value, native: bool) -> Result<Injection, Refusal> {
    let target = Target {
        pod,
        namespace: "shop",
        workload: None,
        path_env: &[],
        cluster_has_native_sidecars: native,
    };
    match inject(&CONFIG, &target)? {
        Outcome::Injected(injection) => Ok(injection),
        Outcome::Skipped { reason, .. } => panic!("skipped: {reason}"),
    }
}

/// The pod with the injection in it.
pub fn patched(pod: &Value, injection: &Injection) -> Value {
    let mut pod = pod.clone();
    json_patch::patch(&mut pod, &injection.patch).expect("the patch applies");
    pod
}
