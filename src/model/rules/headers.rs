//! Operations on headers, from Istio's `headers`.

use std::{collections::BTreeMap, sync::Arc};

use pillion_api as api;

use crate::model::routes::{HeaderOperation, HeaderOperations};

/// What a rule, or a destination, does to headers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::model) struct HeaderChanges {
    /// To the request's.
    pub request: HeaderOperations,
    /// To the response's.
    pub response: HeaderOperations,
    /// What `Host` becomes.
    pub authority: Option<Arc<str>>,
}

impl HeaderChanges {
    /// Reads `headers`. A `host` of the request that is set, or else added, is a rewrite of
    /// `Host`; other pseudo-headers are left out, as in Istio.
    pub fn new(headers: Option<&api::Headers>) -> Self {
        let request = headers.and_then(|headers| headers.request.as_ref());
        let response = headers.and_then(|headers| headers.response.as_ref());
        let authority = request.and_then(|operations| {
            let in_map = |map: &BTreeMap<String, String>| {
                let mut entries = map.iter();
                let found = entries.find(|(name, _)| is_authority(name));
                found.map(|(_, value)| Arc::from(value.as_str()))
            };
            in_map(&operations.set).or_else(|| in_map(&operations.add))
        });
        Self {
            request: request.map(operations).unwrap_or_default(),
            response: response.map(operations).unwrap_or_default(),
            authority,
        }
    }
}

fn operations(operations: &api::HeaderOperations) -> HeaderOperations {
    let write = |map: &BTreeMap<String, String>, append| {
        let entries = map.iter().filter(|(name, _)| is_plain(name));
        let entries = entries.map(|(name, value)| HeaderOperation {
            name: name.to_ascii_lowercase().into(),
            value: value.as_str().into(),
            append,
        });
        entries.collect::<Vec<_>>()
    };
    let mut all = write(&operations.set, false);
    all.extend(write(&operations.add, true));
    let remove = operations.remove.iter().filter(|name| is_plain(name));
    HeaderOperations {
        remove: remove
            .map(|name| name.to_ascii_lowercase().into())
            .collect(),
        write: all,
    }
}

fn is_authority(name: &str) -> bool {
    name.eq_ignore_ascii_case("host") || name.eq_ignore_ascii_case(":authority")
}

fn is_plain(name: &str) -> bool {
    !name.starts_with(':') && !is_authority(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes(json: serde_json::Value) -> HeaderChanges {
        HeaderChanges::new(Some(&serde_json::from_value(json).unwrap()))
    }

    #[test]
    fn what_is_set_comes_before_what_is_added_by_name() {
        let changes = changes(serde_json::json!({ "request": {
            "set": { "x-b": "2", "X-A": "1" }, "add": { "a": "3" }, "remove": ["X-C"],
        }}));
        let request = changes.request.write.iter();
        let request: Vec<_> = request
            .map(|to| (&*to.name, &*to.value, to.append))
            .collect();
        assert_eq!(
            request,
            [("x-a", "1", false), ("x-b", "2", false), ("a", "3", true)]
        );
        assert_eq!(&*changes.request.remove[0], "x-c");
        assert!(changes.response.is_empty());
    }

    #[test]
    fn a_host_that_is_set_is_a_rewrite() {
        let changes = changes(serde_json::json!({ "request": {
            "set": { "Host": "a", ":path": "/" }, "add": { ":authority": "b" },
        }}));
        assert_eq!(changes.authority.as_deref(), Some("a"));
        assert!(changes.request.is_empty());
    }
}
