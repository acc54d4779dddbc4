//! `pillion injector --check FILE`: a configuration looked at before it is applied.

use anyhow::{Context, bail};
use serde_json::Value;

use super::{documents, manifest};
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
        found.take(&object);
    }
    if found.config.is_none() && found.values.is_none() && found.mesh.is_none() {
        bail!(
            "{file}: there is nothing to check; a ConfigMap is wanted whose data has the key config, values or mesh"
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

#[derive(Default)]
struct Found {
    config: Option<String>,
    values: Option<String>,
    mesh: Option<String>,
}

impl Found {
    fn take(&mut self, object: &Value) {
        if object["kind"] != "ConfigMap" {
            return;
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
