//! What the configuration says of all pods.

/// What happens to a pod that does not say itself whether to inject it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Policy {
    /// It is injected.
    Enabled,
    /// It is left alone.
    Disabled,
}

/// Whether sidecars are native (init containers with `restartPolicy: Always`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NativeSidecars {
    /// Where the cluster runs them.
    Auto,
    /// Always.
    Enabled,
    /// Never: classic sidecars among the containers.
    Disabled,
}
