//! The injector's configuration: the ConfigMap keys `config` and `values`, and
//! the mesh's key `mesh`, as [`crate::loading`] reads and checks them.

pub(crate) mod capture;
pub(crate) mod fields;
pub(crate) mod guards;
pub(crate) mod mesh;
pub(crate) mod overlay;
pub(crate) mod policy;
pub(crate) mod proxy_config;
pub(crate) mod templates;
mod tracing;
pub(crate) mod values;

use kube_core::Selector;
use minijinja::Value as Context;

use self::{
    mesh::Mesh,
    policy::{NativeSidecars, Policy},
    templates::Templates,
    values::Values,
};
use crate::{
    fault::{ConfigKey, Fault},
    json::Account,
    pod_plan::{PodPlan, WholeContainers},
};

/// A configuration that has been read and checked as a whole.
#[derive(Debug)]
pub struct Config {
    pub(crate) policy: Policy,
    pub(crate) always_inject: Vec<Selector>,
    pub(crate) never_inject: Vec<Selector>,
    pub(crate) templates: Templates,
    /// Annotations that every injected pod gets.
    pub(crate) injected_annotations: Vec<(String, String)>,
    pub(crate) values: Values,
    /// All of `values`, as templates see them.
    pub(crate) values_context: Context,
    pub(crate) mesh: Mesh,
    pub(crate) whole_containers: WholeContainers,
}

impl Config {
    /// The parts of a pod that an injection by this configuration reads, for
    /// [`crate::json::read`].
    pub fn pod_plan<'a>(&'a self, account: &'a Account) -> PodPlan<'a> {
        PodPlan::new(&self.whole_containers, account)
    }

    /// Whether sidecars are native.
    #[must_use]
    pub fn native_sidecars(&self) -> NativeSidecars {
        self.values.native_sidecars
    }

    /// What has no effect and is likely a slip: fields of the mesh's configuration that
    /// Istio doesn't have, either. At most a few dozen.
    #[must_use]
    pub fn warnings(&self) -> Vec<Fault> {
        let warnings = self.mesh.warnings.iter().cloned();
        warnings
            .map(|warning| warning.in_key(ConfigKey::Mesh))
            .collect()
    }

    /// The revision that this configuration belongs to; `default` when unset.
    #[must_use]
    pub fn revision(&self) -> &str {
        &self.values.revision
    }
}
