//! Resources and their versions.

use std::{collections::BTreeMap, fmt::Write as _, sync::Arc};

use aws_lc_rs::digest::{Context, SHA256};
use pillion_envoy_api::Any;

/// A named part of a configuration: a listener, a cluster, … A clone shares the bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// Its name, which is unique among the resources of its type.
    pub name: Arc<str>,
    /// Its version: equal content has equal versions, on all servers.
    pub version: Arc<str>,
    /// Its type, and the encoded message.
    pub body: Any,
}

impl Resource {
    /// A resource whose version is made from its type, name and bytes. Equal messages need
    /// equal bytes, which the types of `pillion_envoy_api` give.
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>, body: Any) -> Self {
        let name = name.into();
        let version = version([body.type_url.as_bytes(), name.as_bytes(), &body.value]);
        Self {
            name,
            version: version.into(),
            body,
        }
    }
}

/// All resources of one type, by name, as one client may see them.
pub type Resources = Arc<BTreeMap<Arc<str>, Arc<Resource>>>;

/// Collects resources by their names. Of two with one name, the second stays.
#[must_use]
pub fn resources(all: impl IntoIterator<Item = Resource>) -> Resources {
    let by_name = |resource: Resource| (resource.name.clone(), Arc::new(resource));
    Arc::new(all.into_iter().map(by_name).collect())
}

/// A hash of these parts, with their lengths: 32 hexadecimal digits.
pub(crate) fn version<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut hash = Context::new(&SHA256);
    for part in parts {
        hash.update(&(part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    // Half of the hash: it has to differ from the version before it, no more.
    let hash = hash.finish();
    let half = hash.as_ref().iter().take(16);
    half.fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(name: &str, value: &'static [u8]) -> Resource {
        Resource::new(
            name,
            Any {
                type_url: "t/a.B".to_owned(),
                value: value.into(),
            },
        )
    }

    #[test]
    fn equal_resources_have_equal_versions() {
        assert_eq!(resource("a", b"1").version, resource("a", b"1").version);
    }

    /// All replicas, of this version of the program and of the next ones, agree on it.
    #[test]
    fn versions_stay_what_they_are() {
        let version = &*resource("a", b"1").version;
        assert_eq!(version, "2c9fc66c533f16f7092a72e26d0b4678");
    }

    #[test]
    fn a_change_of_any_part_changes_the_version() {
        let version = resource("a", b"1").version;
        assert_ne!(version, resource("b", b"1").version);
        assert_ne!(version, resource("a", b"2").version);
        // The bytes are the same, in other parts.
        assert_ne!(resource("ab", b"c").version, resource("a", b"bc").version);
    }
}
