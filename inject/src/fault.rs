//! What is wrong with a configuration.

use std::fmt;

/// The key of a ConfigMap that a part of the configuration is read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ConfigKey {
    /// `config` of the ConfigMap `istio-sidecar-injector`.
    Config,
    /// `values` of the ConfigMap `istio-sidecar-injector`.
    Values,
    /// `mesh` of the ConfigMap `istio`.
    Mesh,
}

impl ConfigKey {
    /// The key's name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Values => "values",
            Self::Mesh => "mesh",
        }
    }
}

/// One fault of a configuration, with its place. Its text is
/// `KEY: PATH: MESSAGE`, without the parts that are not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The key that the fault is in; `None` where it concerns no key, or not one alone.
    pub key: Option<ConfigKey>,
    /// The path of the field below the key, for example
    /// `templates.sidecar: spec.containers[0].image`; empty for the key as a whole.
    pub path: String,
    /// What is wrong there.
    pub message: String,
}

impl Fault {
    /// A fault that concerns a text as a whole.
    pub fn new(message: impl Into<String>) -> Self {
        Self::at("", message)
    }

    /// A fault of one field.
    pub fn at(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            key: None,
            path: path.into(),
            message: message.into(),
        }
    }

    /// The same fault, seen from the document that has this key.
    pub(crate) fn in_key(self, key: ConfigKey) -> Self {
        Self {
            key: Some(key),
            ..self
        }
    }

    /// The same fault, seen from the mapping that has the faulty one as its field.
    pub(crate) fn in_field(self, field: &str) -> Self {
        self.below(field, ".")
    }

    /// The same fault, seen from the document that holds the faulty one.
    pub(crate) fn in_document(self, name: &str) -> Self {
        self.below(name, ": ")
    }

    fn below(mut self, parent: &str, separator: &str) -> Self {
        if !self.path.is_empty() {
            self.path.insert_str(0, separator);
        }
        self.path.insert_str(0, parent);
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(key) = self.key {
            write!(f, "{}: ", key.as_str())?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

impl<E: fmt::Display> From<serde_path_to_error::Error<E>> for Fault {
    fn from(error: serde_path_to_error::Error<E>) -> Self {
        let has_path = error.path().iter().next().is_some();
        let path = has_path.then(|| error.path().to_string());
        Self::at(path.unwrap_or_default(), error.into_inner().to_string())
    }
}

/// A configuration that can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", lines(.faults))]
pub struct ConfigError {
    /// Every fault that was found.
    pub faults: Vec<Fault>,
}

fn lines(faults: &[Fault]) -> String {
    let lines: Vec<_> = faults.iter().map(Fault::to_string).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_its_place_from_the_outside_in() {
        let fault = Fault::at("b[0]", "wrong").in_field("a");
        assert_eq!(fault.to_string(), "a.b[0]: wrong");
        let fault = fault.in_document("templates.x").in_key(ConfigKey::Config);
        assert_eq!(fault.to_string(), "config: templates.x: a.b[0]: wrong");
        let fault = Fault::new("wrong");
        assert_eq!(fault.to_string(), "wrong");
        assert_eq!(fault.in_field("a").to_string(), "a: wrong");
    }
}
