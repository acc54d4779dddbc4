//! Every template, tried when a configuration is loaded and not when a pod needs it.

use k8s_openapi::api::core::v1::Pod;
use serde_json::Value;

use super::{Config, ConfigError};
use crate::{checks, pipeline, pod};

/// Renders each template for a plain pod, with native sidecars and with classic
/// ones, and checks what comes out as the API server would.
pub(super) fn try_templates(config: &Config) -> Result<(), ConfigError> {
    let mut faults = Vec::new();
    for name in config.templates.names() {
        for native in [true, false] {
            let fault = pipeline::try_template(config, name, native).and_then(check);
            if let Err(fault) = fault {
                let fault = format!("config: templates.{name}: {fault}");
                if !faults.contains(&fault) {
                    faults.push(fault);
                }
            }
        }
    }
    if faults.is_empty() {
        Ok(())
    } else {
        Err(ConfigError { faults })
    }
}

/// Whether a rendered template is a part of a pod. The API server would refuse
/// every pod that it is laid over, with an error that names no template.
fn check(mut rendered: Value) -> Result<(), String> {
    for list in pod::CONTAINER_LISTS {
        let containers = rendered["spec"][list].as_array_mut();
        for (index, container) in containers.into_iter().flatten().enumerate() {
            // Quantities may be numbers, for which the type below has no place.
            let resources = container["resources"].take();
            if let Some(fault) = checks::resources(&resources).first() {
                return Err(format!("spec.{list}[{index}].resources.{fault}"));
            }
        }
    }
    for key in ["labels", "annotations"] {
        for name in rendered["metadata"][key]
            .as_object()
            .into_iter()
            .flat_map(|map| map.keys())
        {
            checks::qualified_name(name).map_err(|wanted| format!("metadata.{key}: {wanted}"))?;
        }
    }
    serde_path_to_error::deserialize::<_, Pod>(rendered)
        .map(drop)
        .map_err(|error| error.to_string())
}
