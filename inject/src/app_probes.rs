//! How the app's probes and hooks are led through the proxy: which there are, and
//! under which paths the proxy's status port knows them.

/// The fields of a container that hold a probe, and the last segment of its path.
pub(crate) const PROBES: [(&str, &str); 3] = [
    ("readinessProbe", "readyz"),
    ("livenessProbe", "livez"),
    ("startupProbe", "startupz"),
];

/// The same for the hooks in a container's `lifecycle`.
pub(crate) const HOOKS: [(&str, &str); 2] = [("preStop", "prestopz"), ("postStart", "poststartz")];

/// The handlers that are led through the proxy; `exec` and `sleep` stay.
pub(crate) const HANDLERS: [&str; 3] = ["httpGet", "tcpSocket", "grpc"];

/// The fields of an `httpGet` that the rewritten one keeps.
pub(crate) const KEPT_FIELDS: [&str; 2] = ["host", "httpHeaders"];

/// The path of a container's probe on the status port.
pub(crate) fn probe_path(container: &str, segment: &str) -> String {
    format!("/app-health/{container}/{segment}")
}

/// The path of a container's hook on the status port.
pub(crate) fn hook_path(container: &str, segment: &str) -> String {
    format!("/app-lifecycle/{container}/{segment}")
}
