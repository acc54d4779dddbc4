//! One injection with the built-in configuration, without the guard that refuses
//! an init container of the pod's own: what a pod may bring is to be merged, and
//! to come back.

#![allow(clippy::expect_used, clippy::panic)]

use std::sync::LazyLock;

use crate::{Config, Guard, Injection, Outcome, Refusal, Sources, Target, inject};
use serde_json::Value;

/// The configuration.
pub static CONFIG: LazyLock<Config> = LazyLock::new(|| {
    let builtin = Config::builtin_sources().expect("a configuration");
    let mut values: Value = serde_json::from_str(&builtin.values).expect("JSON");
    let guard = Guard::InitContainerOverride.as_str();
    values["sidecarInjectorWebhook"]["guards"][guard] = false.into();
    let sources = Sources {
        config: &builtin.config,
        values: &values.to_string(),
        mesh: &builtin.mesh,
    };
    Config::parse(&sources).expect("a configuration")
});

/// Injects a pod on a cluster with native sidecars, or without.
///
/// # Errors
///
/// When the injection is refused.
///
/// # Panics
///
/// When the pod is skipped.
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
///
/// # Panics
///
/// When the patch does not apply.
#[must_use]
pub fn patched(pod: &Value, injection: &Injection) -> Value {
    let mut pod = pod.clone();
    json_patch::patch(&mut pod, &injection.patch).expect("the patch applies");
    pod
}
