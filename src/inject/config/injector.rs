//! The key `config`: who is injected, and with which templates.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::core::Selector;
use serde::Deserialize;
use serde_json::Value;

use crate::yaml;

use super::super::{
    Refusal,
    annotations::TEMPLATES,
    checks::qualified_name,
    decision::Policy,
    pod::short,
    template::{Template, compile},
};

/// So many templates a pod may have; each is rendered and laid over the others.
const MOST_TEMPLATES: usize = 16;

/// What `templates` and `aliases` come to.
#[derive(Debug)]
pub(in crate::inject) struct Templates {
    by_name: BTreeMap<String, Template>,
    aliases: BTreeMap<String, Vec<String>>,
    defaults: Vec<String>,
}

/// The key `config`, read.
#[derive(Debug)]
pub(super) struct InjectorConfig {
    pub policy: Policy,
    pub always: Vec<Selector>,
    pub never: Vec<Selector>,
    pub injected_annotations: Vec<(String, String)>,
    pub templates: Templates,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Raw {
    #[serde(default = "enabled")]
    policy: String,
    #[serde(default)]
    always_inject_selector: Vec<LabelSelector>,
    #[serde(default)]
    never_inject_selector: Vec<LabelSelector>,
    #[serde(default)]
    injected_annotations: BTreeMap<String, String>,
    #[serde(default)]
    default_templates: Vec<String>,
    #[serde(default)]
    aliases: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    templates: BTreeMap<String, Value>,
}

fn enabled() -> String {
    "enabled".to_owned()
}

impl InjectorConfig {
    /// Reads the key.
    pub fn parse(text: &str) -> Result<Self, Vec<String>> {
        let value = yaml::parse_bounded(text, yaml::CONFIGURATION)
            .map_err(|error| vec![error.to_string()])?;
        let raw: Raw = serde_path_to_error::deserialize(without_nulls(value))
            .map_err(|error| vec![error.to_string()])?;
        let mut faults = Vec::new();
        let policy = match raw.policy.as_str() {
            "enabled" => Policy::Enabled,
            "disabled" => Policy::Disabled,
            other => {
                faults.push(format!(
                    "policy: {other:?} is neither \"enabled\" nor \"disabled\""
                ));
                Policy::Disabled
            }
        };
        for key in raw.injected_annotations.keys() {
            if let Err(wanted) = qualified_name(key) {
                faults.push(format!("injectedAnnotations: {wanted}"));
            }
        }
        let always = selectors(
            "alwaysInjectSelector",
            raw.always_inject_selector,
            &mut faults,
        );
        let never = selectors(
            "neverInjectSelector",
            raw.never_inject_selector,
            &mut faults,
        );
        let templates = Templates::new(
            &raw.templates,
            raw.aliases,
            raw.default_templates,
            &mut faults,
        );
        if faults.is_empty() {
            Ok(Self {
                policy,
                always,
                never,
                injected_annotations: raw.injected_annotations.into_iter().collect(),
                templates,
            })
        } else {
            Err(faults)
        }
    }
}

/// A key that is left empty in YAML is null; it stands for its default.
fn without_nulls(mut value: Value) -> Value {
    if let Value::Object(map) = &mut value {
        map.retain(|_, value| !value.is_null());
        value
    } else if value.is_null() {
        Value::Object(serde_json::Map::new())
    } else {
        value
    }
}

fn selectors(key: &str, raw: Vec<LabelSelector>, faults: &mut Vec<String>) -> Vec<Selector> {
    raw.into_iter()
        .enumerate()
        .filter_map(|(index, selector)| {
            Selector::try_from(selector)
                .map_err(|error| faults.push(format!("{key}[{index}]: {error}")))
                .ok()
        })
        .collect()
}

impl Templates {
    fn new(
        sources: &BTreeMap<String, Value>,
        aliases: BTreeMap<String, Vec<String>>,
        mut defaults: Vec<String>,
        faults: &mut Vec<String>,
    ) -> Self {
        let mut by_name = BTreeMap::new();
        for (name, source) in sources {
            match compile_one(source) {
                Ok(template) => {
                    by_name.insert(name.clone(), template);
                }
                Err(found) => faults.extend(
                    found
                        .into_iter()
                        .map(|fault| format!("templates.{name}: {fault}")),
                ),
            }
        }
        if defaults.is_empty() {
            defaults.push("sidecar".to_owned());
        }
        let templates = Self {
            by_name,
            aliases,
            defaults,
        };
        if faults.is_empty() {
            templates.check_names(faults);
        }
        templates
    }

    fn check_names(&self, faults: &mut Vec<String>) {
        for name in self.aliases.values().flatten() {
            if !self.by_name.contains_key(name) {
                faults.push(format!("aliases: there is no template {name:?}"));
            }
        }
        for (alias, names) in &self.aliases {
            if names.len() > MOST_TEMPLATES {
                faults.push(format!(
                    "aliases.{alias}: {} templates, and a pod may have {MOST_TEMPLATES}",
                    names.len()
                ));
            }
        }
        for name in &self.defaults {
            if let Err(unknown) = self.expand(name) {
                faults.push(format!(
                    "defaultTemplates: there is no template {unknown:?}"
                ));
            }
        }
        if faults.is_empty()
            && let Err(Refusal::InvalidAnnotations(_)) = self.select(None)
        {
            faults.push(format!(
                "defaultTemplates: more than the {MOST_TEMPLATES} templates that a pod may have"
            ));
        }
    }

    /// The names of all templates.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }

    /// All templates.
    pub fn all(&self) -> impl Iterator<Item = &Template> {
        self.by_name.values()
    }

    /// The template of that name.
    pub fn get(&self, name: &str) -> Option<&Template> {
        self.by_name.get(name)
    }

    /// The names that a pod gets, each once: those of its annotation, or the
    /// default ones; aliases are expanded one level.
    ///
    /// # Errors
    ///
    /// A name that is not there, one that the annotation repeats, and too many.
    pub fn select<'a>(&'a self, annotation: Option<&'a str>) -> Result<Vec<&'a str>, Refusal> {
        let wanted = match annotation {
            Some(list) => annotated(list)?,
            None => self.defaults.iter().map(String::as_str).collect(),
        };
        let mut names = Vec::new();
        for name in wanted {
            let expanded = self.expand(name).map_err(|unknown| {
                Refusal::UnknownTemplate(format!(
                    "requested template {:?} not found; have {}",
                    short(unknown),
                    self.choice()
                ))
            })?;
            // Aliases may have templates in common.
            for name in expanded {
                if !names.contains(&name) {
                    names.push(name);
                }
            }
            if names.len() > MOST_TEMPLATES {
                return Err(too_many());
            }
        }
        if names.is_empty() {
            return Err(Refusal::UnknownTemplate(format!(
                "annotation {TEMPLATES:?} names no template; have {}",
                self.choice()
            )));
        }
        Ok(names)
    }

    fn choice(&self) -> String {
        let aliases = self.aliases.keys().map(String::as_str);
        self.names().chain(aliases).collect::<Vec<_>>().join(", ")
    }

    fn expand<'a>(&'a self, name: &'a str) -> Result<Vec<&'a str>, &'a str> {
        if let Some(targets) = self.aliases.get(name) {
            return Ok(targets.iter().map(String::as_str).collect());
        }
        if self.by_name.contains_key(name) {
            Ok(vec![name])
        } else {
            Err(name)
        }
    }
}

/// The names in the annotation.
fn annotated(list: &str) -> Result<Vec<&str>, Refusal> {
    let mut names = Vec::new();
    for name in list.split(',').map(str::trim) {
        if name.is_empty() {
            continue;
        }
        if names.contains(&name) {
            return Err(Refusal::InvalidAnnotations(vec![format!(
                "annotation {TEMPLATES:?} names {name:?} twice; name each template once"
            )]));
        }
        if names.len() == MOST_TEMPLATES {
            return Err(too_many());
        }
        names.push(name);
    }
    Ok(names)
}

fn too_many() -> Refusal {
    Refusal::InvalidAnnotations(vec![format!(
        "annotation {TEMPLATES:?} comes to more than {MOST_TEMPLATES} templates, the most that a pod may have"
    )])
}

/// A template is a mapping, or, as in Istio's ConfigMap, the text of one.
fn compile_one(source: &Value) -> Result<Template, Vec<String>> {
    let parsed;
    let tree = match source {
        Value::String(text) => {
            parsed = yaml::parse_bounded(text, yaml::CONFIGURATION)
                .map_err(|error| vec![go_template_hint(text, &error.to_string())])?;
            &parsed
        }
        tree => tree,
    };
    if !tree.is_object() {
        return Err(vec![
            "a mapping with metadata and spec is wanted".to_owned(),
        ]);
    }
    if let Some(key) = tree
        .as_object()
        .into_iter()
        .flat_map(|map| map.keys())
        .find(|key| !matches!(key.as_str(), "metadata" | "spec"))
    {
        return Err(vec![format!(
            "{key:?} is no part of a pod template; there are metadata and spec"
        )]);
    }
    compile(tree).map_err(|faults| match source {
        Value::String(text) => faults
            .iter()
            .map(|fault| go_template_hint(text, fault))
            .collect(),
        _ => faults,
    })
}

/// What only Go's templates have, and Istio's are.
const GO: [&str; 7] = [
    "{{-",
    "{{ .",
    ".ObjectMeta",
    ".DeploymentMeta",
    ".ProxyConfig",
    ".MeshConfig",
    ".Values",
];

fn go_template_hint(text: &str, error: &str) -> String {
    if GO.iter().any(|mark| text.contains(mark)) {
        format!(
            "{error}\nThis looks like a Go template, as Istio has them; Pillion's are described in docs/templates.md"
        )
    } else {
        error.to_owned()
    }
}
