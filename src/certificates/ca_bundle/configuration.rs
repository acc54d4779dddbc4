//! The bundles of one webhook configuration: what is in them, and the patch that
//! mends them.

use json_patch::{AddOperation, Patch, PatchOperation, TestOperation, jsonptr::PointerBuf};
use k8s_openapi::ByteString;
use pillion_certs::Bundle;
use serde_json::json;
use time::OffsetDateTime;

use super::kind::Kind;

/// The prefix of the annotations that make cert-manager's cainjector manage the bundles
/// of a configuration.
const CAINJECTOR: &str = "cert-manager.io/inject-";

/// Whether somebody else manages the bundles. Two writers of one field would overwrite
/// each other endlessly.
pub(super) fn is_kept_by_others<K: Kind>(configuration: &K) -> bool {
    let annotations = configuration.meta().annotations.as_ref();
    annotations.is_some_and(|all| all.keys().any(|key| key.starts_with(CAINJECTOR)))
}

/// The bundle of one of the role's webhooks.
#[derive(Debug)]
pub(super) struct Entry {
    /// The webhook's index in the configuration.
    index: usize,
    /// Whether the bundle has any content, certificates or not.
    pub is_set: bool,
    pub roots: Bundle,
}

/// Returns the bundles of the role's webhooks. One that can't be read is treated as
/// empty.
pub(super) fn entries<K: Kind>(configuration: &K) -> impl Iterator<Item = Entry> {
    configuration
        .webhooks()
        .enumerate()
        .filter(|(_, (name, _))| name.ends_with(K::SUFFIX))
        .map(|(index, (_, client_config))| {
            let bytes = client_config.ca_bundle.as_ref();
            let text = bytes.and_then(|ByteString(bytes)| std::str::from_utf8(bytes).ok());
            Entry {
                index,
                is_set: bytes.is_some_and(|bytes| !bytes.0.is_empty()),
                roots: text.map(Bundle::from_pem_lossy).unwrap_or_default(),
            }
        })
}

/// Returns the trusted roots that are not wanted.
pub(super) fn surplus<K: Kind>(configuration: &K, wanted: &Bundle) -> Bundle {
    entries(configuration)
        .map(|entry| entry.roots.without(wanted))
        .fold(Bundle::default(), Bundle::join)
}

/// Returns the patch that adds the missing roots. It keeps other roots, because another
/// replica may use them.
pub(super) fn addition<K: Kind>(
    configuration: &K,
    wanted: &Bundle,
    now: OffsetDateTime,
) -> Option<Patch> {
    let incomplete = entries(configuration).filter(|entry| !entry.roots.contains(wanted));
    let changes = incomplete.map(|entry| {
        let roots = entry.roots.clone().valid_at(now);
        (entry, wanted.clone().join(roots))
    });
    patch(configuration, changes)
}

/// Returns the patch after which only the wanted roots are trusted.
pub(super) fn replacement<K: Kind>(configuration: &K, wanted: &Bundle) -> Option<Patch> {
    let different = entries(configuration).filter(|entry| {
        !entry.roots.contains(wanted) || !entry.roots.clone().without(wanted).is_empty()
    });
    let changes = different.map(|entry| (entry, wanted.clone()));
    patch(configuration, changes)
}

/// Creates a patch that sets whole bundles. It tests that the configuration has not changed,
/// so that it does not remove a root that another replica has just added.
fn patch<K: Kind>(
    configuration: &K,
    changes: impl Iterator<Item = (Entry, Bundle)>,
) -> Option<Patch> {
    let mut operations: Vec<_> = changes
        .map(|(entry, roots)| {
            let index = entry.index.to_string();
            PatchOperation::Add(AddOperation {
                path: PointerBuf::from_tokens(["webhooks", &index, "clientConfig", "caBundle"]),
                value: json!(ByteString(roots.to_pem().into_bytes())),
            })
        })
        .collect();
    if operations.is_empty() {
        return None;
    }
    let version = configuration.meta().resource_version.as_ref()?;
    let test = TestOperation {
        path: PointerBuf::from_tokens(["metadata", "resourceVersion"]),
        value: json!(version),
    };
    operations.insert(0, PatchOperation::Test(test));
    Some(Patch(operations))
}
