//! What a proxy is.

/// What a proxy is: it is the first part of its node's id, as in Istio.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Beside an application, whose captured traffic it carries.
    Sidecar,
    /// At an edge of the mesh, on ports that the configuration names.
    Gateway,
}
