//! The templates of a configuration, and which of them a pod gets.

use std::collections::BTreeMap;

use crate::{
    annotation_fault::AnnotationFault, annotations::TEMPLATES, quote, refusal::Refusal,
    template::Template,
};

/// How many templates a pod may have; each is rendered and laid over the others.
pub(crate) const MAX_TEMPLATES: usize = 16;

/// `templates`, `aliases` and `defaultTemplates`.
#[derive(Debug)]
pub(crate) struct Templates {
    pub by_name: BTreeMap<String, Template>,
    pub aliases: BTreeMap<String, Vec<String>>,
    pub defaults: Vec<String>,
}

impl Templates {
    /// The names of all templates.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }

    /// The templates that a pod gets, each once: those of its annotation, or the
    /// default ones. Aliases are expanded one level.
    ///
    /// # Errors
    ///
    /// When a name is unknown, the annotation repeats one, or there are too many.
    pub fn select<'a>(
        &'a self,
        annotation: Option<&'a str>,
    ) -> Result<Vec<(&'a str, &'a Template)>, Refusal> {
        let requested = match annotation {
            Some(list) => annotated(list)?,
            None => self.defaults.iter().map(String::as_str).collect(),
        };
        let mut selected: Vec<(&str, &Template)> = Vec::new();
        for name in requested {
            // Aliases may have templates in common.
            for (name, template) in self.expand(name)? {
                if !selected.iter().any(|(other, _)| *other == name) {
                    selected.push((name, template));
                }
            }
            if selected.len() > MAX_TEMPLATES {
                return Err(AnnotationFault::TooManyTemplates(MAX_TEMPLATES).into());
            }
        }
        if selected.is_empty() {
            return Err(Refusal::UnknownTemplate(format!(
                "annotation {TEMPLATES:?} names no template; have {}",
                self.choice()
            )));
        }
        Ok(selected)
    }

    /// Whether there is a template or an alias of that name.
    pub fn has(&self, name: &str) -> bool {
        self.by_name.contains_key(name) || self.aliases.contains_key(name)
    }

    fn choice(&self) -> String {
        let aliases = self.aliases.keys().map(String::as_str);
        self.names().chain(aliases).collect::<Vec<_>>().join(", ")
    }

    fn expand<'a>(&'a self, name: &'a str) -> Result<Vec<(&'a str, &'a Template)>, Refusal> {
        let find = |name: &'a str| match self.by_name.get(name) {
            Some(template) => Ok((name, template)),
            None => Err(Refusal::UnknownTemplate(format!(
                "requested template {:?} not found; have {}",
                quote::start(name),
                self.choice()
            ))),
        };
        match self.aliases.get(name) {
            Some(names) => names.iter().map(|name| find(name)).collect(),
            None => Ok(vec![find(name)?]),
        }
    }
}

/// The names in the annotation.
fn annotated(list: &str) -> Result<Vec<&str>, AnnotationFault> {
    let mut names = Vec::new();
    for name in list.split(',').map(str::trim) {
        if name.is_empty() {
            continue;
        }
        if names.contains(&name) {
            return Err(AnnotationFault::RepeatedTemplate(name.to_owned()));
        }
        if names.len() == MAX_TEMPLATES {
            return Err(AnnotationFault::TooManyTemplates(MAX_TEMPLATES));
        }
        names.push(name);
    }
    Ok(names)
}
