//! The fuzz target for manifests.

use std::sync::LazyLock;

use pillion::cli;
use pillion_cost::{Bound, Linear};
use pillion_grammar::manifests as grammar;

use crate::{
    configurations,
    units::{MIB, MILLISECOND},
};

/// The cost is high, because users run the commands on their own files.
pub(crate) const BOUND: Bound = Bound {
    peak: Linear::new(4 * MIB, 1024),
    total: Linear::new(16 * MIB, 8192),
    time: Linear::new(20 * MILLISECOND, 5000),
};

type Inject = Box<dyn Fn(&str) -> Result<String, String> + Send + Sync>;

static INJECT: LazyLock<Inject> = LazyLock::new(|| {
    let inject = cli::inject_text(configurations::builtin());
    Box::new(move |text| inject(text).map_err(|error| format!("{error:#}")))
});

/// Edits a manifest with both commands: the input is the manifest, or instructions for a
/// large one.
///
/// # Panics
///
/// Panics if a check fails.
pub fn manifests(data: &[u8]) {
    // No text contains this byte.
    match data.split_first() {
        Some((0xff, rest)) => check(&grammar::manifest(rest)),
        _ => check(&String::from_utf8_lossy(data)),
    }
}

fn check(text: &str) {
    let uninject = || cli::uninject_text(text).map_err(|error| format!("{error:#}"));
    let uninjected = BOUND.hold("kube-uninject", text.len(), uninject);
    let injected = BOUND.hold("kube-inject", text.len(), || INJECT(text));
    for edited in [&uninjected, &injected].into_iter().flatten() {
        // Each command can read the other's output.
        let again = cli::uninject_text(edited);
        if let Err(error) = again {
            let error = format!("{error:#}");
            assert!(!error.contains("not YAML"), "{error}");
        }
    }
    if let (Ok(uninjected), Ok(injected)) = (&uninjected, &injected) {
        let documents = |text: &str| text.matches("\n---\n").count();
        assert_eq!(documents(uninjected), documents(injected));
    }
}
