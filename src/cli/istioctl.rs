//! Commands of istioctl that are something else here.

use clap::{
    Error,
    builder::StyledStr,
    error::{ContextKind, ContextValue},
};

/// The commands, and what to do instead.
const INSTEAD: &[(&[&str], &str)] = &[
    (
        &["version"],
        "pillion --version prints this command's version; pillion proxy-status has those of the proxies",
    ),
    (
        &["analyze"],
        "rules are analysed in the cluster, and their statuses have what is found: \
         kubectl get virtualservice NAME -o yaml (docs/discovery.md)",
    ),
    (
        &["validate"],
        "the webhook validates rules: kubectl apply --dry-run=server -f FILE",
    ),
    (
        &["install", "uninstall", "upgrade", "manifest"],
        "helm does that, with the chart charts/pillion (README.md)",
    ),
    (&["secret", "secrets"], "pillion proxy-config secret POD"),
];

/// Adds to an error about a command that only istioctl has what to do instead.
pub(super) fn explain(mut error: Error) -> Error {
    let Some(ContextValue::String(name)) = error.get(ContextKind::InvalidSubcommand) else {
        return error;
    };
    let known = INSTEAD.iter().find(|(names, _)| names.contains(&&**name));
    let Some((_, instead)) = known else {
        return error;
    };
    // What is written similarly is not what was meant.
    error.remove(ContextKind::SuggestedSubcommand);
    let tips = ContextValue::StyledStrs(vec![StyledStr::from(*instead)]);
    error.insert(ContextKind::Suggested, tips);
    error
}
