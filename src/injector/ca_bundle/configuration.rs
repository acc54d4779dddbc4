//! The bundles of one webhook configuration: what is in them, and the patch that
//! mends them.

use json_patch::{AddOperation, Patch, PatchOperation, TestOperation, jsonptr::PointerBuf};
use k8s_openapi::{ByteString, api::admissionregistration::v1::MutatingWebhookConfiguration};
use pillion_certs::Bundle;
use serde_json::json;
use time::OffsetDateTime;

/// The injector's webhooks, by the end of their names.
const SUFFIX: &str = "sidecar-injector.istio.io";

/// What the annotations of cert-manager's cainjector begin with, by which it keeps
/// the bundles of a configuration.
const CAINJECTOR: &str = "cert-manager.io/inject-";

/// Whether somebody else keeps the bundles. Two writers of one field would take
/// turns without an end.
pub(super) fn is_kept_by_others(configuration: &MutatingWebhookConfiguration) -> bool {
    let annotations = configuration.metadata.annotations.as_ref();
    annotations.is_some_and(|all| all.keys().any(|key| key.starts_with(CAINJECTOR)))
}

/// The bundle of an injector's webhook.
#[derive(Debug)]
pub(super) struct Entry {
    /// The webhook's place in the configuration.
    index: usize,
    /// Whether something stands there, certificates or not.
    pub is_set: bool,
    pub roots: Bundle,
}

/// The bundles of the injector's webhooks. What can't be read holds nothing.
pub(super) fn entries(configuration: &MutatingWebhookConfiguration) -> impl Iterator<Item = Entry> {
    configuration
        .webhooks
        .iter()
        .flatten()
        .enumerate()
        .filter(|(_, webhook)| webhook.name.ends_with(SUFFIX))
        .map(|(index, webhook)| {
            let bytes = webhook.client_config.ca_bundle.as_ref();
            let text = bytes.and_then(|ByteString(bytes)| std::str::from_utf8(bytes).ok());
            Entry {
                index,
                is_set: bytes.is_some_and(|bytes| !bytes.0.is_empty()),
                roots: text.map(Bundle::from_pem_lossy).unwrap_or_default(),
            }
        })
}

/// The roots that are trusted beyond those wanted.
pub(super) fn surplus(configuration: &MutatingWebhookConfiguration, wanted: &Bundle) -> Bundle {
    entries(configuration)
        .map(|entry| entry.roots.without(wanted))
        .fold(Bundle::default(), Bundle::join)
}

/// The patch that adds the missing roots. Other roots stay: another replica may
/// serve with them.
pub(super) fn addition(
    configuration: &MutatingWebhookConfiguration,
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

/// The patch after which nothing is trusted but what is wanted.
pub(super) fn replacement(
    configuration: &MutatingWebhookConfiguration,
    wanted: &Bundle,
) -> Option<Patch> {
    let different = entries(configuration).filter(|entry| {
        !entry.roots.contains(wanted) || !entry.roots.clone().without(wanted).is_empty()
    });
    let changes = different.map(|entry| (entry, wanted.clone()));
    patch(configuration, changes)
}

/// The patch tests that nothing has changed since: it is made of all that is
/// trusted, and must take nothing out that another replica has just put in.
fn patch(
    configuration: &MutatingWebhookConfiguration,
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
    let version = configuration.metadata.resource_version.as_ref()?;
    let test = TestOperation {
        path: PointerBuf::from_tokens(["metadata", "resourceVersion"]),
        value: json!(version),
    };
    operations.insert(0, PatchOperation::Test(test));
    Some(Patch(operations))
}
