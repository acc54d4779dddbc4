//! Applying an injection to a pod, as the API server does.

use pillion_inject::{self as inject, Config, Outcome, Target};
use serde_json::Value;

/// Returns the injected pod; `None` if it is not injected.
pub(crate) fn injected(config: &Config, pod: &Value) -> Option<Value> {
    let target = Target {
        pod,
        namespace: "shop",
        workload: None,
        path_env: &[],
        cluster_has_native_sidecars: true,
    };
    let Ok(Outcome::Injected(injection)) = inject::inject(config, &target) else {
        return None;
    };
    let mut patched = pod.clone();
    json_patch::patch(&mut patched, &injection.patch).expect("a patch that applies");
    Some(patched)
}
