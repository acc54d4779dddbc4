//! What a proxy carries.

/// What a proxy carries: it is the first part of its node's id, as in Istio.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A pod's own traffic, which is captured.
    Sidecar,
    /// That of others, on ports that the configuration names.
    Gateway,
}
