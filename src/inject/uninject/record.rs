//! The record that an injection leaves on the pod.

use json_patch::Patch;
use serde_json::{Map, Value};

use super::overrides::Overrides;
use super::{annotations_mut, restore, stubs, take_back};
use crate::inject::annotations::STATUS;
use crate::inject::patch;
use crate::inject::status::Status;

/// Writes the record of an injection onto the pod: the last step before the
/// patch is made of the two. Returns what names could not tell.
pub(in crate::inject) fn record(
    original: &Value,
    edited: &mut Value,
    mut status: Status,
) -> Option<Patch> {
    status.labels = Some(added(original, edited, "labels"));
    status.annotations = Some(added(original, edited, "annotations"));

    let mut undone = stubs::stubbed(edited, &status);
    let overrides = Overrides::of(edited, &status).unwrap_or_default();
    take_back(&mut undone, &status, overrides);
    let rest = patch::diff(&undone, original);
    if !rest.is_empty() {
        status.restore = Some(restore::guarded(rest, undone));
    }
    write(edited, &status);
    status.restore
}

fn write(pod: &mut Value, status: &Status) {
    // Names and JSON values: nothing here that JSON can't hold.
    let text = serde_json::to_string(status).unwrap_or_default();
    if let Some(annotations) = annotations_mut(pod) {
        annotations.insert(STATUS.to_owned(), Value::String(text));
    }
}

/// The keys of a map in the metadata that the original lacks. The status itself
/// is not among them.
fn added(original: &Value, edited: &Value, map: &str) -> Vec<String> {
    let had = &original["metadata"][map];
    edited["metadata"][map]
        .as_object()
        .into_iter()
        .flat_map(Map::keys)
        .filter(|key| *key != STATUS && had.get(key).is_none())
        .cloned()
        .collect()
}
