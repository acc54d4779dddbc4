//! `pillion injector --check FILE`: validates a configuration before it is applied.

use std::collections::BTreeMap;

use anyhow::{Context, bail};
use serde_json::Value;

use super::{documents, manifest, output, workload};
use pillion_inject::{Config, ConfigError, Fault, Sources};

const INJECTOR: &str = "istio-sidecar-injector";
const MESH: &str = "istio";

/// Checks the ConfigMaps in a manifest: `istio-sidecar-injector` with the keys
/// `config` and `values`, and `istio` with the key `mesh`, with or without
/// `-REVISION` at the end of their names. Each revision is checked separately, and
/// the built-in defaults replace a ConfigMap that the manifest does not contain.
///
/// # Errors
///
/// Returns every error found, each on a line of its own. What only has no effect is printed.
pub fn check(file: &str) -> anyhow::Result<()> {
    let text = manifest::read(file)?;
    let mut found = Found::default();
    for (index, document) in documents::split(&text).into_iter().enumerate() {
        let object = document
            .parse()
            .with_context(|| format!("{file}: document {}", index + 1))?;
        found.take(object);
    }
    if found.revisions.is_empty() {
        bail!(
            "{file}: nothing to check: the file must contain a ConfigMap named {INJECTOR} (keys config and values) \
             or {MESH} (key mesh), optionally with -REVISION appended to the name"
        );
    }
    let (warnings, faults) = found.check();
    if faults.is_empty() {
        let warnings = warnings.iter();
        let warnings: String = warnings
            .map(|warning| format!("{file}: warning: {warning}\n"))
            .collect();
        let text = format!("{warnings}{file}: the configuration is valid\n");
        return output::write(None, &text);
    }
    bail!("{file}: {}", faults.join(&format!("\nerror: {file}: ")))
}

/// The ConfigMaps found, by namespace and revision.
#[derive(Default)]
struct Found {
    revisions: BTreeMap<(String, String), Revision>,
}

/// The data of one revision's ConfigMaps; `None` for one that was not found.
#[derive(Default)]
struct Revision {
    injector: Option<Value>,
    mesh: Option<Value>,
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
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let metadata = &object["metadata"];
        let (namespace, name) = (text(&metadata["namespace"]), text(&metadata["name"]));
        let data = object["data"].take();
        if let Some(revision) = revision_of(&name, INJECTOR) {
            let place = (namespace, revision.to_owned());
            self.revisions.entry(place).or_default().injector = Some(data);
        } else if let Some(revision) = revision_of(&name, MESH)
            // Other ConfigMaps of Istio have this prefix, too: istio-ca-root-cert.
            && (revision.is_empty() || data["mesh"].is_string())
        {
            let place = (namespace, revision.to_owned());
            self.revisions.entry(place).or_default().mesh = Some(data);
        }
    }

    /// The warnings and the faults of all revisions.
    fn check(&self) -> (Vec<String>, Vec<String>) {
        let (mut warnings, mut faults) = (Vec::new(), Vec::new());
        for ((_, name), revision) in &self.revisions {
            let (texts, found) = match revision.check() {
                Ok(found) => (&mut warnings, found),
                Err(error) => (&mut faults, error.faults),
            };
            texts.extend(found.into_iter().map(|fault| match name.as_str() {
                "" => fault.to_string(),
                name => format!("revision {name}: {fault}"),
            }));
        }
        (warnings, faults)
    }
}

impl Revision {
    /// The warnings of a configuration that can be used.
    fn check(&self) -> Result<Vec<Fault>, ConfigError> {
        let builtin = Config::builtin_sources()?;
        let mut missing = Vec::new();
        let mut text = |name: &str, data: &Option<Value>, key: &str, default: String| match data {
            None => default,
            Some(data) => match data[key].as_str() {
                Some(text) => text.to_owned(),
                None => {
                    missing.push(Fault::new(format!("the ConfigMap {name} has no key {key}")));
                    default
                }
            },
        };
        let config = text(INJECTOR, &self.injector, "config", builtin.config);
        let values = text(INJECTOR, &self.injector, "values", builtin.values);
        let mesh = text(MESH, &self.mesh, "mesh", builtin.mesh);
        if !missing.is_empty() {
            return Err(ConfigError { faults: missing });
        }
        Config::parse(&Sources {
            config: &config,
            values: &values,
            mesh: &mesh,
        })
        .map(|config| config.warnings())
    }
}

/// The revision at the end of a ConfigMap's name; empty if the name has none.
fn revision_of<'a>(name: &'a str, prefix: &str) -> Option<&'a str> {
    match name.strip_prefix(prefix)? {
        "" => Some(""),
        rest => rest
            .strip_prefix('-')
            .filter(|revision| !revision.is_empty()),
    }
}
