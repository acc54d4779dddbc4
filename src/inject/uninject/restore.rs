//! The steps of a record that go by place.
//!
//! Before a step that goes by an index comes a test that the element there is
//! still the same one: others may have edited the pod since.

use json_patch::jsonptr::{Pointer, PointerBuf};
use json_patch::{Patch, PatchOperation, TestOperation, patch};
use serde_json::Value;

/// Deeper than anything in a pod.
const MOST_TOKENS: usize = 64;

/// Why a record that somebody made up is not followed: an injection writes only
/// small steps, which can't grow or nest without bound, and only on the pod.
pub(super) fn check(steps: &Patch) -> Result<(), String> {
    for step in &steps.0 {
        if matches!(step, PatchOperation::Copy(_) | PatchOperation::Move(_)) {
            return Err("it copies or moves parts of the pod".to_owned());
        }
        let path = step.path();
        let is_in_pod = path
            .tokens()
            .next()
            .is_some_and(|token| matches!(token.encoded(), "metadata" | "spec"));
        if !is_in_pod || path.count() > MOST_TOKENS {
            return Err(format!("it has a step at {path:?}"));
        }
    }
    Ok(())
}

/// The steps with their tests. `undone` is what they begin with.
pub(super) fn guarded(steps: Patch, mut undone: Value) -> Patch {
    let mut before = Vec::new();
    let mut guarded = Vec::with_capacity(steps.len());
    for step in steps.0 {
        let tests = tests(&step, &undone);
        let new = tests.iter().filter(|test| !before.contains(*test));
        guarded.extend(new.cloned().map(PatchOperation::Test));
        // A step that shifts elements leaves nothing tested.
        before = if shifts(&step, &undone) {
            Vec::new()
        } else {
            tests
        };
        // What a difference is made of, it applies to; where it did not, the steps
        // behind it would only lack a test.
        let _ = patch(&mut undone, std::slice::from_ref(&step));
        guarded.push(step);
    }
    Patch(guarded)
}

/// A test of every element of a list that the step goes through, or does away with.
fn tests(step: &PatchOperation, value: &Value) -> Vec<TestOperation> {
    let mut tests = Vec::new();
    let mut place = PointerBuf::new();
    for token in step.path().tokens() {
        let is_in_list = resolve(&place, value).is_some_and(Value::is_array);
        place.push_back(token);
        let is_insertion = matches!(step, PatchOperation::Add(_)) && place.as_ptr() == step.path();
        if is_in_list
            && !is_insertion
            && let Some(element) = resolve(&place, value)
        {
            tests.push(identity(&place, element));
        }
    }
    tests
}

/// An element is told by its name, even an empty one: a container may not be whole
/// here. Or it is what it is.
fn identity(place: &Pointer, element: &Value) -> TestOperation {
    let mut path = place.to_buf();
    let name = element.get("name").filter(|name| name.is_string());
    if name.is_some() {
        path.push_back("name");
    }
    let value = name.unwrap_or(element).clone();
    TestOperation { path, value }
}

fn shifts(step: &PatchOperation, value: &Value) -> bool {
    let list = step.path().parent();
    let is_in_list = list
        .and_then(|list| resolve(list, value))
        .is_some_and(Value::is_array);
    is_in_list && !matches!(step, PatchOperation::Replace(_) | PatchOperation::Test(_))
}

fn resolve<'a>(place: &Pointer, value: &'a Value) -> Option<&'a Value> {
    place.resolve(value).ok()
}
