//! Reads a configuration, in Istio's layout, and tries it.

mod builtin;
mod injector;
mod mesh;
mod mesh_fields;
mod raw_values;
mod templates;
mod trial;
mod values;
mod values_validation;

use crate::{
    config::Config,
    fault::{ConfigError, ConfigKey, Fault},
    pod_plan::WholeContainers,
};

pub use self::builtin::Builtin;

/// The three texts that make a configuration. An empty one stands for the defaults,
/// but a configuration without templates is an error.
#[derive(Debug, Clone, Copy)]
pub struct Sources<'a> {
    /// Key `config` of the ConfigMap `istio-sidecar-injector` (YAML).
    pub config: &'a str,
    /// Key `values` of the ConfigMap `istio-sidecar-injector` (JSON or YAML).
    pub values: &'a str,
    /// Key `mesh` of the ConfigMap `istio` (YAML).
    pub mesh: &'a str,
}

impl Config {
    /// Reads and checks a configuration, and renders each of its templates for a
    /// plain pod, so that its faults show now and not when a pod needs it.
    ///
    /// # Errors
    ///
    /// Every fault found, so that one edit can fix them all.
    ///
    /// # Examples
    ///
    /// ```
    /// use pillion_inject::{Config, Sources};
    ///
    /// let sources = Sources {
    ///     config: "templates: {sidecar: {spec: {containers: [{name: istio-proxy, image: '{{ proxy.image }}'}]}}}",
    ///     values: "revision: canary",
    ///     mesh: "",
    /// };
    /// assert_eq!(Config::parse(&sources).unwrap().revision(), "canary");
    ///
    /// let sources = Sources { mesh: "defaultConfig: {concurency: 2}", ..sources };
    /// let error = Config::parse(&sources).unwrap_err();
    /// assert_eq!(error.to_string(), "mesh: defaultConfig.concurency: unknown field");
    /// ```
    pub fn parse(sources: &Sources<'_>) -> Result<Self, ConfigError> {
        let mut faults = Vec::new();
        let injector = injector::parse(sources.config)
            .map_err(|found| add(&mut faults, ConfigKey::Config, found));
        let values = values::parse(sources.values)
            .map_err(|found| add(&mut faults, ConfigKey::Values, found));
        let mesh =
            mesh::parse(sources.mesh).map_err(|found| add(&mut faults, ConfigKey::Mesh, found));
        let (Ok(injector), Ok((values, values_context)), Ok(mesh)) = (injector, values, mesh)
        else {
            return Err(ConfigError { faults });
        };
        let config = Self {
            whole_containers: WholeContainers::of(injector.templates.by_name.values()),
            policy: injector.policy,
            always_inject: injector.always_inject,
            never_inject: injector.never_inject,
            templates: injector.templates,
            injected_annotations: injector.injected_annotations,
            values,
            values_context,
            mesh,
        };
        add(&mut faults, ConfigKey::Config, trial::faults(&config));
        if faults.is_empty() {
            Ok(config)
        } else {
            Err(ConfigError { faults })
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
            faults: vec![Fault::at("built-in values", error.to_string())],
        })
    }
}

fn add(faults: &mut Vec<Fault>, key: ConfigKey, found: Vec<Fault>) {
    faults.extend(found.into_iter().map(|fault| fault.in_key(key)));
}

#[cfg(test)]
mod tests;
