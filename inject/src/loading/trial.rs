//! Every template, tried when a configuration is loaded and not when a pod needs it.

use k8s_openapi::api::core::v1::Pod;
use serde_json::Value;

use crate::{config::Config, fault::Fault, pod, rendering, value_checks};

/// Renders each template for a plain pod, with native sidecars and with classic
/// ones, and checks the result as the API server would.
pub(super) fn faults(config: &Config) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (name, template) in &config.templates.by_name {
        for native in [true, false] {
            let rendered = rendering::try_template(config, template, native);
            if let Err(fault) = rendered.and_then(check) {
                let fault = fault.in_document(&format!("templates.{name}"));
                if !faults.contains(&fault) {
                    faults.push(fault);
                }
            }
        }
    }
    faults
}

/// Checks that a rendered template is a part of a pod. The API server would refuse
/// every pod that it is laid over, with an error that names no template.
fn check(mut rendered: Value) -> Result<(), Fault> {
    for list in pod::CONTAINER_LISTS {
        let containers = rendered["spec"][list].as_array_mut();
        for (index, container) in containers.into_iter().flatten().enumerate() {
            // Quantities may be numbers, for which the type below has no place.
            let resources = container["resources"].take();
            if let Some(fault) = value_checks::resources(&resources).into_iter().next() {
                return Err(fault.in_field(&format!("spec.{list}[{index}].resources")));
            }
        }
    }
    for key in ["labels", "annotations"] {
        let names = rendered["metadata"][key].as_object();
        for name in names.into_iter().flat_map(|map| map.keys()) {
            value_checks::qualified_name(name)
                .map_err(|invalid| Fault::at(format!("metadata.{key}"), invalid.to_string()))?;
        }
    }
    serde_path_to_error::deserialize::<_, Pod>(rendered)
        .map(drop)
        .map_err(Fault::from)
}
