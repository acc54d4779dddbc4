//! The part of a record that is a JSON Patch.
//!
//! Before a step with an index comes a test that the element there is still the same
//! one: others may have edited the pod since.

use json_patch::jsonptr::{Pointer, PointerBuf};
use json_patch::{Patch, PatchOperation, TestOperation};
use serde_json::Value;

use crate::steps::{OutOfSteps, Steps};

/// Deeper than anything in a pod.
const MAX_TOKENS: usize = 64;
/// How many elements are shifted in the time of any other step.
const SHIFTS_PER_STEP: usize = 16;

/// Why a record is not followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Forged {
    #[error("it copies or moves parts of the pod")]
    CopiesOrMoves,
    #[error("it has a step at {0:?}")]
    OutsideOfPod(PointerBuf),
}

/// Checks a record that somebody may have made up: an injection writes only small
/// steps, which can't grow or nest without bound, and only on the pod.
pub(super) fn check(steps: &Patch) -> Result<(), Forged> {
    for step in &steps.0 {
        if matches!(step, PatchOperation::Copy(_) | PatchOperation::Move(_)) {
            return Err(Forged::CopiesOrMoves);
        }
        let path = step.path();
        let is_in_pod = path
            .tokens()
            .next()
            .is_some_and(|token| matches!(token.encoded(), "metadata" | "spec"));
        if !is_in_pod || path.count() > MAX_TOKENS {
            return Err(Forged::OutsideOfPod(path.to_buf()));
        }
    }
    Ok(())
}

/// The steps with their tests. `undone` is what they begin with.
pub(super) fn guarded(patch: Patch, mut undone: Value, steps: &Steps) -> Result<Patch, OutOfSteps> {
    let mut before = Vec::new();
    let mut guarded = Vec::with_capacity(patch.len());
    for step in patch.0 {
        steps.take(1 + shifted(&step, &undone) / SHIFTS_PER_STEP)?;
        let tests = tests(&step, &undone);
        let new = tests.iter().filter(|test| !before.contains(*test));
        guarded.extend(new.cloned().map(PatchOperation::Test));
        // A step that shifts elements leaves nothing tested.
        before = if shifted(&step, &undone) > 0 {
            Vec::new()
        } else {
            tests
        };
        // What a difference is made of, it applies to; where it did not, the steps
        // behind it would only lack a test.
        let _ = json_patch::patch(&mut undone, std::slice::from_ref(&step));
        guarded.push(step);
    }
    Ok(Patch(guarded))
}

/// A test of every list element that the step's path goes through, and of the one that
/// it removes or replaces.
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

/// A test that an element is still the same: by its name, even an empty one, because a
/// container may have been read in part; without a name, by its content.
fn identity(place: &Pointer, element: &Value) -> TestOperation {
    let mut path = place.to_buf();
    let name = element.get("name").filter(|name| name.is_string());
    if name.is_some() {
        path.push_back("name");
    }
    let value = name.unwrap_or(element).clone();
    TestOperation { path, value }
}

/// The length of the list whose elements the step shifts; 0 where it shifts none.
fn shifted(step: &PatchOperation, value: &Value) -> usize {
    if matches!(step, PatchOperation::Replace(_) | PatchOperation::Test(_)) {
        return 0;
    }
    let list = step.path().parent();
    list.and_then(|list| resolve(list, value))
        .and_then(Value::as_array)
        .map_or(0, |list| list.len().max(1))
}

fn resolve<'a>(place: &Pointer, value: &'a Value) -> Option<&'a Value> {
    place.resolve(value).ok()
}
