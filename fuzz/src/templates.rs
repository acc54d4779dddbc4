//! The fuzz target for templates.

use pillion_cost::{Bound, Linear};
use pillion_grammar::corrupted;
use pillion_inject::{self as inject, Config, Sources};
use serde_json::{Value, json};

use crate::{
    injected::injected,
    units::{MIB, MILLISECOND},
};

/// From parsing to the injection. The result of an expression is limited by the steps that
/// it may take, not by its length.
pub(crate) const BOUND: Bound = Bound {
    peak: Linear::new(64 * MIB, 4096),
    total: Linear::new(512 * MIB, 65536),
    time: Linear::new(500 * MILLISECOND, 100_000),
};

/// Loads a template and injects a pod with it: the input is the template's text, and after a
/// zero byte instructions to corrupt the pod.
///
/// # Panics
///
/// Panics if a check fails.
pub fn templates(data: &[u8]) {
    let mut parts = data.splitn(2, |byte| *byte == 0);
    let text = String::from_utf8_lossy(parts.next().unwrap_or_default());
    let pod = corrupted::pod(parts.next().unwrap_or_default());
    BOUND.hold("a template", data.len(), || check(&text, &pod));
}

fn check(text: &str, pod: &Value) {
    let config = Config::parse(&Sources {
        config: &json!({"templates": {"sidecar": text}}).to_string(),
        values: "",
        mesh: "",
    });
    let Ok(config) = config else {
        return;
    };
    if let Some(patched) = injected(&config, pod) {
        let back = inject::uninject(&patched).expect("a record that can be read");
        assert_eq!(back.as_ref(), Some(pod), "not taken back");
    }
}
