//! The record that an injection leaves on the pod.

use json_patch::jsonptr::{PointerBuf, Token};
use json_patch::{Patch, PatchOperation, TestOperation};
use serde_json::{Map, Value};

use super::overrides::Overrides;
use super::{annotations_mut, stubs, take_back};
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
        status.restore = Some(guarded(rest, original));
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

/// Steps inside an element of a list go by its index: before them, a test that
/// the element is still the same one.
fn guarded(rest: Patch, original: &Value) -> Patch {
    let mut last = None;
    let mut steps = Vec::with_capacity(rest.len());
    for step in rest.0 {
        if let Some(guard) = guard(&step, original)
            && last.as_ref() != Some(&guard)
        {
            steps.push(PatchOperation::Test(guard.clone()));
            last = Some(guard);
        }
        steps.push(step);
    }
    Patch(steps)
}

fn guard(step: &PatchOperation, original: &Value) -> Option<TestOperation> {
    let tokens: Vec<_> = step.path().tokens().collect();
    let [spec, list, index, _, ..] = tokens.as_slice() else {
        return None;
    };
    let path = PointerBuf::from_tokens([spec, list, index, &Token::new("name")]);
    let name = path
        .resolve(original)
        .ok()
        .filter(|name| name.is_string())?;
    Some(TestOperation {
        value: name.clone(),
        path,
    })
}
