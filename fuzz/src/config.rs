//! The fuzz target for configurations.

use std::sync::LazyLock;

use pillion_cost::{Bound, Linear};
use pillion_grammar::configs::{self, Keys};
use pillion_inject::{self as inject, Builtin, Config, Sources, Target};
use serde_json::json;

use crate::units::{MIB, MILLISECOND};

/// The cost is high, because only one configuration is loaded at a time, and rarely.
pub(crate) const BOUND: Bound = Bound {
    // Fifty thousand nodes, and the copy for the templates.
    peak: Linear::new(16 * MIB, 512).at_most(128 * MIB),
    total: Linear::new(64 * MIB, 4096),
    time: Linear::new(100 * MILLISECOND, 4000).at_most(2000 * MILLISECOND),
};

static BUILTIN: LazyLock<Builtin> =
    LazyLock::new(|| Config::builtin_sources().expect("the built-in configuration"));

/// Loads a configuration: the input is the texts of its keys, separated by zero bytes, or
/// instructions for large ones. A valid configuration must be able to inject.
///
/// # Panics
///
/// Panics if a check fails.
pub fn config(data: &[u8]) {
    // No text contains this byte.
    match data.split_first() {
        Some((0xff, rest)) => check(&configs::keys(rest)),
        _ => {
            let text = String::from_utf8_lossy(data);
            let mut keys = text.split('\0').map(str::to_owned);
            let mut next = || keys.next().unwrap_or_default();
            check(&Keys {
                config: next(),
                values: next(),
                mesh: next(),
            });
        }
    }
}

fn check(keys: &Keys) {
    let length = keys.config.len() + keys.values.len() + keys.mesh.len();
    let or_builtin = |text, builtin| if str::is_empty(text) { builtin } else { text };
    let sources = Sources {
        config: or_builtin(&keys.config, &BUILTIN.config),
        values: or_builtin(&keys.values, &BUILTIN.values),
        mesh: or_builtin(&keys.mesh, &BUILTIN.mesh),
    };
    match BOUND.hold("a configuration", length, || Config::parse(&sources)) {
        Ok(config) => try_out(&config),
        Err(error) => {
            assert!(!error.faults.is_empty());
            // Errors are written to the log and to an Event.
            let message = error.to_string();
            assert!(
                message.len() <= 64 * length + 64 * 1024,
                "{}",
                message.len()
            );
        }
    }
}

/// Checks that a valid configuration decides on pods without a panic.
pub(crate) fn try_out(config: &Config) {
    for pod in [
        json!({"metadata": {"name": "a"}, "spec": {"containers": [{"name": "app", "image": "a"}]}}),
        json!({"metadata": {"name": "a", "labels": {"app": "web"}, "annotations": {"sidecar.istio.io/userVolume": "{}"}},
            "spec": {"containers": [{"name": "app", "ports": [{"containerPort": 80}]}, {"name": "istio-proxy", "image": "auto"}],
                     "volumes": [{"name": "v"}]}}),
    ] {
        for cluster_has_native_sidecars in [true, false] {
            // A refusal is a valid decision, too.
            let _ = inject::inject(
                config,
                &Target {
                    pod: &pod,
                    namespace: "shop",
                    workload: None,
                    path_env: &[],
                    cluster_has_native_sidecars,
                },
            );
        }
    }
}
