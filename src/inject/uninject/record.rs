//! The record that an injection leaves on the pod.

use json_patch::jsonptr::{PointerBuf, Token};
use json_patch::{Patch, PatchOperation, TestOperation};
use serde_json::{Map, Value};

use super::overrides::Overrides;
use super::{annotations_mut, reduce, take_back};
use crate::inject::annotations::STATUS;
use crate::inject::status::Status;
use crate::inject::{patch, pod};

/// Writes the record of an injection onto the pod: the last step before the
/// patch is made of the two.
pub(in crate::inject) fn record(original: &Value, edited: &mut Value, mut status: Status) {
    status.labels = Some(added(original, edited, "labels"));
    status.annotations = Some(added(original, edited, "annotations"));
    write(edited, &status);

    let injected = status.container_names();
    let before = reduce::reduce(original, edited, &injected);
    let after = reduce::reduce(edited, original, &injected);
    let mut rest = difference(after, &before, &status);
    if rest.iter().any(moves_a_container) {
        // A reduced container can't be put anywhere: it isn't whole.
        rest = difference(edited.clone(), original, &status);
    }
    if !rest.is_empty() {
        status.restore = Some(guarded(rest, original));
        write(edited, &status);
    }
}

/// The steps that lead from what names give to the original.
fn difference(mut pod: Value, original: &Value, status: &Status) -> Patch {
    let overrides = Overrides::of(&pod, status).unwrap_or_default();
    take_back(&mut pod, status, overrides);
    patch::diff(&pod, original)
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

/// Whether a step puts containers into the pod, or a whole list of them.
fn moves_a_container(operation: &PatchOperation) -> bool {
    if !matches!(
        operation,
        PatchOperation::Add(_) | PatchOperation::Replace(_)
    ) {
        return false;
    }
    let mut tokens = operation.path().tokens();
    match (tokens.next(), tokens.next(), tokens.count()) {
        (None, ..) => true,
        (Some(first), None, _) => first.encoded() == "spec",
        (Some(first), Some(list), deeper) => {
            first.encoded() == "spec"
                && deeper < 2
                && pod::CONTAINER_LISTS.contains(&list.encoded())
        }
    }
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
