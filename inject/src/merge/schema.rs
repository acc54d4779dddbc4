//! The parts of a pod that the merge treats specially: the lists with merge keys, and
//! the unions. Everything else merges by the plain rule (objects by field, the rest
//! replaced), and so do the fields of later Kubernetes versions.

use std::borrow::Cow;

use serde_json::Value;

/// How a value merges.
#[derive(Clone, Copy)]
pub(super) enum Shape {
    /// An object, field by field.
    Object(&'static Fields),
    /// A list whose elements are merged by key.
    Keyed(Keys, &'static Shape),
    /// A list of scalars without duplicates.
    Set,
    /// Replaced whole, even where it is an object.
    Whole,
}

/// The fields of an object that don't merge by the plain rule.
pub(super) struct Fields {
    special: &'static [(&'static str, Shape)],
    /// Members of which at most one is set.
    pub(super) union: &'static [&'static str],
}

impl Fields {
    pub(super) fn shape_of(&self, name: &str) -> Shape {
        self.special
            .iter()
            .find(|(special, _)| *special == name)
            .map_or(PLAIN, |(_, shape)| *shape)
    }
}

/// The merge keys of a list, each with the value that the API server gives it
/// where it is not set.
#[derive(Clone, Copy)]
pub(super) struct Keys(&'static [(&'static str, Option<&'static str>)]);

impl Keys {
    /// The key of an element; `None` if it has none and is merged with no other.
    pub(super) fn of(self, element: &Value) -> Option<Cow<'_, str>> {
        if let [(name, _)] = self.0
            && let Some(Value::String(text)) = element.get(name)
        {
            return Some(Cow::Borrowed(text));
        }
        let mut key = String::new();
        for (name, default) in self.0 {
            match (element.get(name), default) {
                (None | Some(Value::Null), None) => return None,
                (None | Some(Value::Null), Some(default)) => key.push_str(default),
                (Some(Value::String(text)), _) => key.push_str(text),
                (Some(other), _) => key.push_str(&other.to_string()),
            }
            key.push('\0');
        }
        if self.0.len() == 1 {
            key.pop();
        }
        Some(Cow::Owned(key))
    }
}

const BY_NAME: Keys = Keys(&[("name", None)]);
const BY_PORT: Keys = Keys(&[("containerPort", None), ("protocol", Some("TCP"))]);
const BY_TOPOLOGY: Keys = Keys(&[("topologyKey", None), ("whenUnsatisfiable", None)]);

/// Objects by field, everything else replaced.
pub(super) const PLAIN: Shape = Shape::Object(&Fields {
    special: &[],
    union: &[],
});

pub(super) const POD: Shape = Shape::Object(&Fields {
    special: &[
        ("metadata", Shape::Object(&METADATA)),
        ("spec", Shape::Object(&SPEC)),
    ],
    union: &[],
});

const METADATA: Fields = Fields {
    special: &[
        ("finalizers", Shape::Set),
        (
            "ownerReferences",
            Shape::Keyed(Keys(&[("uid", None)]), &PLAIN),
        ),
    ],
    union: &[],
};

const SPEC: Fields = Fields {
    special: &[
        ("containers", CONTAINERS),
        ("initContainers", CONTAINERS),
        ("ephemeralContainers", CONTAINERS),
        // A volume or a claim has one source; two merged would have both.
        ("volumes", Shape::Keyed(BY_NAME, &Shape::Whole)),
        ("resourceClaims", Shape::Keyed(BY_NAME, &Shape::Whole)),
        ("imagePullSecrets", Shape::Keyed(BY_NAME, &PLAIN)),
        ("hostAliases", Shape::Keyed(Keys(&[("ip", None)]), &PLAIN)),
        (
            "topologySpreadConstraints",
            Shape::Keyed(BY_TOPOLOGY, &PLAIN),
        ),
        ("schedulingGates", Shape::Keyed(BY_NAME, &PLAIN)),
        ("securityContext", Shape::Object(&POD_SECURITY_CONTEXT)),
    ],
    union: &[],
};

/// The API replaces all sysctls; a template that needs one would remove the user's.
const POD_SECURITY_CONTEXT: Fields = Fields {
    special: &[("sysctls", Shape::Keyed(BY_NAME, &PLAIN))],
    union: &[],
};

const CONTAINERS: Shape = Shape::Keyed(BY_NAME, &CONTAINER);

pub(super) const CONTAINER: Shape = Shape::Object(&Fields {
    special: &[
        ("env", Shape::Keyed(BY_NAME, &Shape::Object(&ENV_VAR))),
        ("ports", Shape::Keyed(BY_PORT, &PLAIN)),
        (
            "volumeMounts",
            Shape::Keyed(Keys(&[("mountPath", None)]), &PLAIN),
        ),
        (
            "volumeDevices",
            Shape::Keyed(Keys(&[("devicePath", None)]), &PLAIN),
        ),
        ("livenessProbe", HANDLER),
        ("readinessProbe", HANDLER),
        ("startupProbe", HANDLER),
        ("lifecycle", Shape::Object(&LIFECYCLE)),
    ],
    union: &[],
});

const LIFECYCLE: Fields = Fields {
    special: &[("postStart", HANDLER), ("preStop", HANDLER)],
    union: &[],
};

/// A probe or a lifecycle hook: its handler is a union, its timings are not.
const HANDLER: Shape = Shape::Object(&Fields {
    special: &[],
    union: &["exec", "httpGet", "tcpSocket", "grpc", "sleep"],
});

const ENV_VAR: Fields = Fields {
    special: &[("valueFrom", Shape::Object(&ENV_SOURCE))],
    union: &["value", "valueFrom"],
};

const ENV_SOURCE: Fields = Fields {
    special: &[],
    union: &[
        "fieldRef",
        "resourceFieldRef",
        "configMapKeyRef",
        "secretKeyRef",
        "fileKeyRef",
    ],
};
