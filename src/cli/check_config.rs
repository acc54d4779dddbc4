//! `pillion injector --check FILE`: a configuration looked at before it is applied.

use anyhow::{Context, bail};
use serde_json::Value;

use super::{documents, manifest, workload};
use crate::{
    inject::{Config, ConfigError, Sources},
    yaml,
};

/// Checks the ConfigMaps in a manifest: `istio-sidecar-injector` with the keys
/// `config` and `values`, and `istio` with the key `mesh`, with or without a
/// revision behind their names. The built-in defaults stand for what is missing.
///
/// # Errors
///
/// Every fault found, each on a line of its own.
pub fn check(file: &str) -> anyhow::Result<()> {
    let text = manifest::read(file)?;
    let mut found = Found::default();
    for (index, document) in documents::split(&text).into_iter().enumerate() {
        let object =
            yaml::parse(document).with_context(|| format!("{file}: document {}", index + 1))?;
        found.take(object);
    }
    if found.config.is_none() && found.values.is_none() && found.mesh.is_none() {
        bail!(
            "{file}: there is nothing to check; a ConfigMap is wanted whose data has the key config, values or mesh"
        );
    }
    if !found.missing.is_empty() {
        bail!(
            "{file}: {}",
            found.missing.join(&format!("\nerror: {file}: "))
        );
    }
    match found.check() {
        Ok(()) => {
            println!("{file}: the configuration is valid");
            Ok(())
        }
        Err(error) => bail!(
            "{file}: {}",
            error.faults.join(&format!("\nerror: {file}: "))
        ),
    }
}

/// The keys that the injector reads of a ConfigMap.
fn keys_of(name: &str) -> &'static [&'static str] {
    const INJECTOR: &str = "istio-sidecar-injector";
    match name.strip_prefix(INJECTOR) {
        Some(revision) if revision.is_empty() || revision.starts_with('-') => &["config", "values"],
        _ if name == "istio" => &["mesh"],
        _ => &[],
    }
}

#[derive(Default)]
struct Found {
    config: Option<String>,
    values: Option<String>,
    mesh: Option<String>,
    /// Keys that a ConfigMap of this name has to have, and has not.
    missing: Vec<String>,
}

impl Found {
    fn take(&mut self, mut object: Value) {
        if let Some(items) = workload::items_mut(&mut object) {
            for item in std::mem::take(items) {
                self.take(item);
            }
            return;
        }
        if object["kind"] != "ConfigMap" {
            return;
        }
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        for key in keys_of(name) {
            if !object["data"][key].is_string() {
                self.missing
                    .push(format!("the ConfigMap {name} has no key {key}"));
            }
        }
        let key = |name: &str| object["data"][name].as_str().map(str::to_owned);
        self.config = key("config").or(self.config.take());
        self.values = key("values").or(self.values.take());
        self.mesh = key("mesh").or(self.mesh.take());
    }

    fn check(&self) -> Result<(), ConfigError> {
        let builtin = Config::builtin_sources()?;
        let or = |found: &Option<String>, default: &str| {
            found.clone().unwrap_or_else(|| default.to_owned())
        };
        Config::parse(&Sources {
            config: &or(&self.config, &builtin.config),
            values: &or(&self.values, &builtin.values),
            mesh: &or(&self.mesh, &builtin.mesh),
        })
        .map(drop)
    }
}
