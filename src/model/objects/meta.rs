//! Names, labels and ages of objects.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

use k8s_openapi::jiff::Timestamp;

/// The namespace and name of an object. Cluster-wide objects have an empty namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The namespace.
    pub namespace: Arc<str>,
    /// The name.
    pub name: Arc<str>,
}

impl Key {
    /// The key `namespace/name`.
    pub fn new(namespace: impl Into<Arc<str>>, name: impl Into<Arc<str>>) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// Labels, shared by their copies.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Labels(Arc<BTreeMap<String, String>>);

impl Labels {
    /// Whether all of these labels are among `others`, as a selector of a Service asks.
    /// True for no labels at all.
    pub fn select(&self, others: &Labels) -> bool {
        self.0
            .iter()
            .all(|(name, value)| others.get(name) == Some(value))
    }

    /// The value of a label.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The labels in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Labels {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(labels: I) -> Self {
        let labels = labels.into_iter();
        Self(Arc::new(
            labels
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
        ))
    }
}

/// The identity and age of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meta {
    /// The namespace and name.
    pub key: Key,
    /// `creationTimestamp`, in seconds since 1970.
    pub created: i64,
}

impl Meta {
    /// Istio's order of objects: the oldest first, then by name, then by namespace. Many
    /// objects are created in the same second.
    pub fn order(&self, other: &Self) -> Ordering {
        self.created
            .cmp(&other.created)
            .then_with(|| self.key.name.cmp(&other.key.name))
            .then_with(|| self.key.namespace.cmp(&other.key.namespace))
    }
}

/// An object of one of Istio's kinds.
#[derive(Clone, Debug, PartialEq)]
pub struct Object<T> {
    /// Which object it is.
    pub meta: Meta,
    /// What it says, valid.
    pub spec: T,
}

impl<T> From<pillion_api::Object<T>> for Object<T> {
    fn from(object: pillion_api::Object<T>) -> Self {
        let metadata = object.metadata;
        Self {
            meta: Meta {
                key: Key::new(metadata.namespace, metadata.name),
                created: metadata.creation_timestamp.map_or(0, Timestamp::as_second),
            },
            spec: object.spec,
        }
    }
}

/// Whether a text is an entry of `exportTo`: a namespace, `.`, `~` or `*`.
pub fn is_export(entry: &str) -> bool {
    let of_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let is_name = !entry.is_empty() && entry.len() <= 63 && entry.bytes().all(of_name);
    is_name || matches!(entry, "." | "~" | "*")
}

/// The namespaces whose clients see an object: `exportTo`, or the annotation
/// `networking.istio.io/exportTo` of a Service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ExportTo {
    /// All: `*`, or nothing given.
    #[default]
    All,
    /// Those that are named. None for `~`.
    Only(BTreeSet<Arc<str>>),
}

impl ExportTo {
    /// Reads the entries of an object in `namespace`: `*` is all namespaces and wins over
    /// the others, `.` the object's own, `~` none.
    pub fn parse<'a>(entries: impl IntoIterator<Item = &'a str>, namespace: &str) -> Self {
        let mut names = BTreeSet::new();
        let mut given = false;
        for entry in entries {
            given = true;
            match entry.trim() {
                "*" => return Self::All,
                "." => _ = names.insert(Arc::from(namespace)),
                "~" | "" => {}
                name => _ = names.insert(Arc::from(name)),
            }
        }
        if given { Self::Only(names) } else { Self::All }
    }

    /// Reads `exportTo` of an object in `namespace`, or else these entries of the mesh's.
    pub fn of(entries: &[String], default: &[Arc<str>], namespace: &str) -> Self {
        if entries.is_empty() {
            Self::parse(default.iter().map(|entry| &**entry), namespace)
        } else {
            Self::parse(entries.iter().map(String::as_str), namespace)
        }
    }

    /// Whether clients in `namespace` see the object, and no others do.
    pub fn is_only(&self, namespace: &str) -> bool {
        matches!(self, Self::Only(names) if names.len() == 1 && names.contains(namespace))
    }

    /// Whether clients in `namespace` see the object.
    pub fn includes(&self, namespace: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(names) => names.contains(namespace),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta(created: i64, namespace: &str, name: &str) -> Meta {
        Meta {
            key: Key::new(namespace, name),
            created,
        }
    }

    #[test]
    fn the_oldest_object_is_first_then_names_then_namespaces() {
        let mut metas = [
            meta(2, "a", "a"),
            meta(1, "b", "b"),
            meta(1, "z", "a"),
            meta(1, "a", "b"),
        ];
        metas.sort_by(Meta::order);
        let keys = metas.map(|meta| meta.key.to_string());
        assert_eq!(keys, ["z/a", "a/b", "b/b", "a/a"]);
    }

    #[test]
    fn an_empty_selector_selects_everything() {
        let labels: Labels = [("app", "web")].into_iter().collect();
        assert!(Labels::default().select(&labels));
        assert!(!labels.select(&Labels::default()));
    }

    #[test]
    fn exports_follow_the_entries() {
        let all = ExportTo::parse([], "a");
        assert!(all.includes("b"));
        assert!(ExportTo::parse(["a", "*"], "a").includes("b"));
        let own = ExportTo::parse(["."], "a");
        assert!(own.includes("a") && !own.includes("b"));
        assert!(!ExportTo::parse(["~"], "a").includes("a"));
        let two = ExportTo::parse([".", "c"], "a");
        assert!(two.includes("a") && two.includes("c") && !two.includes("b"));
    }
}
