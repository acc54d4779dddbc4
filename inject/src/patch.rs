//! The difference of two pods as a JSON Patch (RFC 6902).
//!
//! The patch is kept small: the API server applies it, the audit log keeps it, and
//! people read it. A list is edited in place and not index by index from the first
//! difference on: an init container added at the front is one `add`.

mod list;

use std::collections::HashSet;

use json_patch::jsonptr::PointerBuf;
use json_patch::{AddOperation, Patch, PatchOperation, RemoveOperation, ReplaceOperation};
use serde_json::{Map, Value};

use crate::steps::{OutOfSteps, Steps};

/// The operations that turn `original` into `edited`.
///
/// No operation moves a container that is not named in `movable`: such a container
/// need not be whole. Those that both pods have must have the same order in both.
pub(crate) fn diff(
    movable: &HashSet<&str>,
    original: &Value,
    edited: &Value,
    steps: &Steps,
) -> Result<Patch, OutOfSteps> {
    let mut differ = Differ {
        movable,
        steps,
        path: PointerBuf::new(),
        operations: Vec::new(),
    };
    differ.value("", original, edited)?;
    Ok(Patch(differ.operations))
}

/// The state of the comparison: where it is, and the operations so far.
struct Differ<'a> {
    movable: &'a HashSet<&'a str>,
    steps: &'a Steps,
    path: PointerBuf,
    operations: Vec<PatchOperation>,
}

impl Differ<'_> {
    /// Compares two values. `field` is the name of the nearest object member above
    /// them, which decides how the elements of a list are identified.
    fn value(&mut self, field: &str, original: &Value, edited: &Value) -> Result<(), OutOfSteps> {
        self.steps.take(1)?;
        match (original, edited) {
            (Value::Object(original), Value::Object(edited)) => self.object(original, edited),
            (Value::Array(original), Value::Array(edited)) => self.list(field, original, edited),
            _ => {
                if original != edited {
                    self.scalar(original, edited);
                }
                Ok(())
            }
        }
    }

    fn scalar(&mut self, original: &Value, edited: &Value) {
        // Some implementations take a null member for a missing one, which they
        // refuse to replace; `add` overwrites in either view. In a list,
        // where `add` inserts, this is not reached: see `list`.
        if original.is_null() && !self.path.is_root() {
            self.add(edited);
        } else {
            self.replace(edited);
        }
    }

    fn object(
        &mut self,
        original: &Map<String, Value>,
        edited: &Map<String, Value>,
    ) -> Result<(), OutOfSteps> {
        self.steps.take(original.len() + edited.len())?;
        for (name, value) in original {
            self.path.push_back(name);
            match edited.get(name) {
                Some(now) => self.value(name, value, now)?,
                None => self.remove(),
            }
            self.path.pop_back();
        }
        for (name, value) in edited {
            if !original.contains_key(name) {
                self.path.push_back(name);
                self.add(value);
                self.path.pop_back();
            }
        }
        Ok(())
    }

    fn list(
        &mut self,
        field: &str,
        original: &[Value],
        edited: &[Value],
    ) -> Result<(), OutOfSteps> {
        self.steps.take(original.len() + edited.len())?;
        let script = list::Script::between(field, self.movable, original, edited);
        for index in script.removed {
            self.at(index, Self::remove);
        }
        for index in script.added {
            self.at(index, |differ| differ.add(&edited[index]));
        }
        for index in script.replaced {
            self.at(index, |differ| differ.replace(&edited[index]));
        }
        for (before, index) in script.kept {
            self.at(index, |differ| {
                differ.value(field, &original[before], &edited[index])
            })?;
        }
        Ok(())
    }

    fn at<T>(&mut self, index: usize, step: impl FnOnce(&mut Self) -> T) -> T {
        self.path.push_back(index);
        let outcome = step(self);
        self.path.pop_back();
        outcome
    }

    fn add(&mut self, value: &Value) {
        self.operations.push(PatchOperation::Add(AddOperation {
            path: self.path.clone(),
            value: value.clone(),
        }));
    }

    fn remove(&mut self) {
        self.operations
            .push(PatchOperation::Remove(RemoveOperation {
                path: self.path.clone(),
            }));
    }

    fn replace(&mut self, value: &Value) {
        self.operations
            .push(PatchOperation::Replace(ReplaceOperation {
                path: self.path.clone(),
                value: value.clone(),
            }));
    }
}

#[cfg(test)]
mod tests;
