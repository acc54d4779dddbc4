//! Nodes and namespaces.

use std::sync::Arc;

use super::meta::Labels;

/// Where a node is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its name.
    pub name: Arc<str>,
    /// `topology.kubernetes.io/region`; empty where it is not known.
    pub region: Arc<str>,
    /// `topology.kubernetes.io/zone`; empty where it is not known.
    pub zone: Arc<str>,
}

/// A namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namespace {
    /// Its name.
    pub name: Arc<str>,
    /// Its labels.
    pub labels: Labels,
}
