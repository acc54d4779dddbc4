//! Compiles the templates of the key `config`.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    config::templates::{MAX_TEMPLATES, Templates},
    fault::Fault,
    template::{Template, compile},
    yaml,
};

/// Compiles every template and checks that aliases and defaults name templates.
pub(super) fn compile_all(
    sources: &BTreeMap<String, Value>,
    aliases: BTreeMap<String, Vec<String>>,
    mut defaults: Vec<String>,
    faults: &mut Vec<Fault>,
) -> Templates {
    let mut by_name = BTreeMap::new();
    for (name, source) in sources {
        match compile_one(source) {
            Ok(template) => {
                by_name.insert(name.clone(), template);
            }
            Err(found) => {
                let found = found.into_iter();
                faults.extend(found.map(|fault| fault.in_document(&format!("templates.{name}"))));
            }
        }
    }
    if defaults.is_empty() {
        defaults.push("sidecar".to_owned());
    }
    let templates = Templates {
        by_name,
        aliases,
        defaults,
    };
    if faults.is_empty() {
        check_names(&templates, faults);
    }
    templates
}

fn check_names(templates: &Templates, faults: &mut Vec<Fault>) {
    let unknown = |name: &str| format!("there is no template {name:?}");
    for name in templates.aliases.values().flatten() {
        if !templates.by_name.contains_key(name) {
            faults.push(Fault::at("aliases", unknown(name)));
        }
    }
    for (alias, names) in &templates.aliases {
        if names.len() > MAX_TEMPLATES {
            let message = format!(
                "{} templates, and a pod may have {MAX_TEMPLATES}",
                names.len()
            );
            faults.push(Fault::at(format!("aliases.{alias}"), message));
        }
    }
    for name in &templates.defaults {
        if !templates.has(name) {
            faults.push(Fault::at("defaultTemplates", unknown(name)));
        }
    }
    // All names are known by now, so only their number can be wrong.
    if faults.is_empty() && templates.select(None).is_err() {
        faults.push(Fault::at(
            "defaultTemplates",
            format!("more than the {MAX_TEMPLATES} templates that a pod may have"),
        ));
    }
}

/// A template is a mapping, or, as in Istio's ConfigMap, the text of one.
fn compile_one(source: &Value) -> Result<Template, Vec<Fault>> {
    let parsed;
    let tree = match source {
        Value::String(text) => {
            parsed = yaml::parse_bounded(text, yaml::CONFIGURATION).map_err(|error| {
                let fault = Fault::new(error.to_string());
                vec![with_go_template_hint(fault, text)]
            })?;
            &parsed
        }
        tree => tree,
    };
    let Some(fields) = tree.as_object() else {
        let message = "must be a mapping with metadata and spec";
        return Err(vec![Fault::new(message)]);
    };
    let is_known = |field: &str| matches!(field, "metadata" | "spec");
    if let Some(field) = fields.keys().find(|field| !is_known(field)) {
        let message = format!("unknown field {field:?}; a template has metadata and spec");
        return Err(vec![Fault::new(message)]);
    }
    compile(tree).map_err(|faults| match source {
        Value::String(text) => faults
            .into_iter()
            .map(|fault| with_go_template_hint(fault, text))
            .collect(),
        _ => faults,
    })
}

/// What only Go's templates, which are Istio's, have.
const GO_TEMPLATE_MARKS: [&str; 7] = [
    "{{-",
    "{{ .",
    ".ObjectMeta",
    ".DeploymentMeta",
    ".ProxyConfig",
    ".MeshConfig",
    ".Values",
];

fn with_go_template_hint(mut fault: Fault, template: &str) -> Fault {
    if GO_TEMPLATE_MARKS.iter().any(|mark| template.contains(mark)) {
        fault.message.push_str(
            "\nThis looks like a Go template, as Istio has them; Pillion's are described in docs/templates.md",
        );
    }
    fault
}
