//! The injector's configuration: the ConfigMap keys `config` and `values`, and
//! the mesh's key `mesh`, in Istio's layout.

mod builtin;
mod injector;
mod mesh;
mod trial;
mod values;

use kube_core::Selector;
use minijinja::Value as Context;

pub use self::builtin::Builtin;
use self::injector::InjectorConfig;
pub(super) use self::{
    injector::Templates,
    mesh::{Mesh, ProxyConfig},
    values::{Capture, Values},
};
use crate::json::Account;

use super::{
    decision::Policy,
    reading::{PodPlan, WholeContainers},
};

/// The three texts that make a configuration.
#[derive(Debug, Clone, Copy)]
pub struct Sources<'a> {
    /// Key `config` of the ConfigMap `istio-sidecar-injector` (YAML).
    pub config: &'a str,
    /// Key `values` of the ConfigMap `istio-sidecar-injector` (JSON or YAML).
    pub values: &'a str,
    /// Key `mesh` of the ConfigMap `istio` (YAML).
    pub mesh: &'a str,
}

/// A configuration that has been read and checked whole.
#[derive(Debug)]
pub struct Config {
    pub(super) policy: Policy,
    pub(super) always: Vec<Selector>,
    pub(super) never: Vec<Selector>,
    pub(super) templates: Templates,
    /// Annotations that every injected pod gets.
    pub(super) injected_annotations: Vec<(String, String)>,
    pub(super) values: Values,
    /// `values` whole, as templates see them.
    pub(super) values_context: Context,
    pub(super) mesh: Mesh,
    whole_containers: WholeContainers,
}

/// Whether sidecars are native (init containers with `restartPolicy: Always`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NativeSidecars {
    /// As the cluster can.
    Auto,
    /// Always.
    Enabled,
    /// Never: classic sidecars among the containers.
    Disabled,
}

/// What is wrong with a configuration: every fault found, each with its key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .faults.join("\n"))]
pub struct ConfigError {
    /// One text for each fault, for example
    /// `config: templates.sidecar: spec.containers[0].image: …`.
    pub faults: Vec<String>,
}

impl Config {
    /// Reads and checks a configuration.
    ///
    /// # Errors
    ///
    /// Every fault found, so that one edit can mend them all.
    pub fn parse(sources: &Sources<'_>) -> Result<Self, ConfigError> {
        let mut faults = Vec::new();
        let injector = InjectorConfig::parse(sources.config).map_err(in_key("config", &mut faults));
        let values = Values::parse(sources.values).map_err(in_key("values", &mut faults));
        let mesh = Mesh::parse(sources.mesh).map_err(in_key("mesh", &mut faults));
        match (injector, values, mesh) {
            (Ok(injector), Ok((values, values_context)), Ok(mesh)) => {
                let whole_containers = WholeContainers::of(injector.templates.all());
                let config = Self {
                    whole_containers,
                    policy: injector.policy,
                    always: injector.always,
                    never: injector.never,
                    templates: injector.templates,
                    injected_annotations: injector.injected_annotations,
                    values,
                    values_context,
                    mesh,
                };
                trial::try_templates(&config)?;
                Ok(config)
            }
            _ => Err(ConfigError { faults }),
        }
    }

    /// The configuration that the chart's default values give.
    ///
    /// # Errors
    ///
    /// When the files that were built in are at fault; the tests of a build show it.
    pub fn builtin() -> Result<Self, ConfigError> {
        let builtin = Self::builtin_sources()?;
        Self::parse(&Sources {
            config: &builtin.config,
            values: &builtin.values,
            mesh: &builtin.mesh,
        })
    }

    /// The texts that the built-in configuration is read from.
    ///
    /// # Errors
    ///
    /// As for [`Config::builtin`].
    pub fn builtin_sources() -> Result<Builtin, ConfigError> {
        Builtin::new().map_err(|error| ConfigError {
            faults: vec![format!("built-in values: {error}")],
        })
    }

    /// The parts of a pod that an injection by this configuration reads.
    pub fn pod_plan<'a>(&'a self, account: &'a Account) -> PodPlan<'a> {
        PodPlan::new(&self.whole_containers, account)
    }

    /// Whether sidecars are native.
    #[must_use]
    pub fn native_sidecars(&self) -> NativeSidecars {
        self.values.native_sidecars
    }

    /// The revision that this configuration belongs to; `default` when unset.
    #[must_use]
    pub fn revision(&self) -> &str {
        &self.values.revision
    }
}

/// Collects the faults of one key under its name.
fn in_key(key: &str, faults: &mut Vec<String>) -> impl FnMut(Vec<String>) {
    move |found| faults.extend(found.into_iter().map(|fault| format!("{key}: {fault}")))
}

#[cfg(test)]
mod tests;
