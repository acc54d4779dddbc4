//! The bundles of one webhook configuration: what is in them, and the patch that
//! mends them.

use json_patch::{AddOperation, Patch, PatchOperation, TestOperation, jsonptr::PointerBuf};
use k8s_openapi::{ByteString, api::admissionregistration::v1::MutatingWebhookConfiguration};
use pillion_certs::Bundle;
use serde_json::json;
use time::OffsetDateTime;

/// The injector's webhooks, by the end of their names.
const SUFFIX: &str = "sidecar-injector.istio.io";

/// The bundle of an injector's webhook.
#[derive(Debug)]
pub(super) struct Entry<'a> {
    /// The webhook's place in the configuration.
    index: usize,
    name: &'a str,
    /// Whether something stands there, certificates or not.
    pub is_set: bool,
    pub roots: Bundle,
}

/// The bundles of the injector's webhooks. What can't be read holds nothing.
pub(super) fn entries(
    configuration: &MutatingWebhookConfiguration,
) -> impl Iterator<Item = Entry<'_>> {
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
                name: &webhook.name,
                is_set: bytes.is_some_and(|bytes| !bytes.0.is_empty()),
                roots: text
                    .and_then(|text| Bundle::from_pem(text).ok())
                    .unwrap_or_default(),
            }
        })
}

/// The roots that are trusted beyond those wanted.
pub(super) fn surplus(configuration: &MutatingWebhookConfiguration, wanted: &Bundle) -> Bundle {
    entries(configuration)
        .map(|entry| entry.roots.without(wanted))
        .fold(Bundle::default(), Bundle::join)
}

/// The patch that adds what is wanting. What else is trusted stays: it may be
/// what another replica serves with.
pub(super) fn addition(
    configuration: &MutatingWebhookConfiguration,
    wanted: &Bundle,
    now: OffsetDateTime,
) -> Option<Patch> {
    let incomplete = entries(configuration).filter(|entry| !entry.roots.contains(wanted));
    patch(incomplete.map(|entry| {
        let roots = entry.roots.clone().valid_at(now);
        (entry, wanted.clone().join(roots))
    }))
}

/// The patch after which nothing is trusted but what is wanted.
pub(super) fn replacement(
    configuration: &MutatingWebhookConfiguration,
    wanted: &Bundle,
) -> Option<Patch> {
    let different = entries(configuration).filter(|entry| {
        !entry.roots.contains(wanted) || !entry.roots.clone().without(wanted).is_empty()
    });
    patch(different.map(|entry| (entry, wanted.clone())))
}

/// Each operation tests the webhook's name, for its place may have changed since.
fn patch<'a>(changes: impl Iterator<Item = (Entry<'a>, Bundle)>) -> Option<Patch> {
    let operations: Vec<_> = changes
        .flat_map(|(entry, roots)| {
            let index = entry.index.to_string();
            [
                PatchOperation::Test(TestOperation {
                    path: PointerBuf::from_tokens(["webhooks", &index, "name"]),
                    value: json!(entry.name),
                }),
                PatchOperation::Add(AddOperation {
                    path: PointerBuf::from_tokens(["webhooks", &index, "clientConfig", "caBundle"]),
                    value: json!(ByteString(roots.to_pem().into_bytes())),
                }),
            ]
        })
        .collect();
    (!operations.is_empty()).then_some(Patch(operations))
}
