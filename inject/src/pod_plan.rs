//! Which parts of a pod an injection reads, so that the rest need not be built.
//!
//! Most of a large pod is the environment, the mounts and the arguments of its
//! own containers. An injection neither reads nor edits them, and a patch for the
//! pod without them is a patch for the whole pod, as long as it does not move a
//! container that was read in part ([`crate::patch::diff`]).

use serde_json::{Map, Value};

use crate::{
    json::{Account, Plan},
    pod::{CONTAINER_LISTS, OWN_CONTAINERS},
    template::Template,
};

/// The fields that an injection reads of a container that it adds nothing to.
const CONTAINER_FIELDS: [&str; 8] = [
    "name",
    "image",
    "ports",
    "readinessProbe",
    "livenessProbe",
    "startupProbe",
    "lifecycle",
    "securityContext",
];

/// The containers that are read whole, by name: a template may add to them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum WholeContainers {
    /// These, and the injection's own.
    Named(Vec<String>),
    /// All: a template computes the names of its containers.
    All,
}

impl WholeContainers {
    pub fn of<'a>(templates: impl Iterator<Item = &'a Template>) -> Self {
        let mut names = Vec::new();
        for template in templates {
            match template.container_names() {
                Some(found) => names.extend(found.into_iter().map(str::to_owned)),
                None => return Self::All,
            }
        }
        Self::Named(names)
    }

    fn has(&self, name: &str) -> bool {
        match self {
            // A few names, which most often differ in length from the one looked for.
            Self::Named(names) => {
                OWN_CONTAINERS.contains(&name) || names.iter().any(|whole| whole == name)
            }
            Self::All => true,
        }
    }
}

/// The parts of a pod that are read for its injection.
#[derive(Debug, Clone, Copy)]
pub struct PodPlan<'a> {
    whole: &'a WholeContainers,
    account: &'a Account,
    part: Part,
}

#[derive(Debug, Clone, Copy)]
enum Part {
    Pod,
    Metadata,
    Spec,
    Containers,
    Container,
    Anything,
}

impl<'a> PodPlan<'a> {
    pub(crate) fn new(whole: &'a WholeContainers, account: &'a Account) -> Self {
        Self {
            whole,
            account,
            part: Part::Pod,
        }
    }

    fn of_member(self, key: &str, read: &Map<String, Value>) -> Option<Part> {
        match self.part {
            Part::Pod => match key {
                "metadata" => Some(Part::Metadata),
                "spec" => Some(Part::Spec),
                "apiVersion" | "kind" => Some(Part::Anything),
                _ => None,
            },
            Part::Metadata => (key != "managedFields").then_some(Part::Anything),
            Part::Spec if CONTAINER_LISTS.contains(&key) => Some(Part::Containers),
            Part::Container => {
                // If the name comes late, more is read than necessary.
                let name = read.get("name").and_then(Value::as_str);
                let is_read =
                    CONTAINER_FIELDS.contains(&key) || name.is_none_or(|name| self.whole.has(name));
                is_read.then_some(Part::Anything)
            }
            Part::Spec | Part::Containers | Part::Anything => Some(Part::Anything),
        }
    }
}

impl Plan for PodPlan<'_> {
    fn account(&self) -> &Account {
        self.account
    }

    fn member(self, key: &str, read: &Map<String, Value>) -> Option<Self> {
        let part = self.of_member(key, read)?;
        Some(Self { part, ..self })
    }

    fn element(self) -> Self {
        let part = match self.part {
            Part::Containers => Part::Container,
            _ => Part::Anything,
        };
        Self { part, ..self }
    }
}
