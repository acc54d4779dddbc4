//! The difference of two pods as a JSON Patch (RFC 6902).
//!
//! Small on purpose: the API server applies it, the audit log keeps it, and
//! people read it. A list is edited in place, never index by index from the
//! first difference on: an init container put in front is one `add`.

mod list;

use json_patch::jsonptr::PointerBuf;
use json_patch::{AddOperation, Patch, PatchOperation, RemoveOperation, ReplaceOperation};
use serde_json::{Map, Value};

/// The operations that make `edited` of `original`.
pub(super) fn diff(original: &Value, edited: &Value) -> Patch {
    let mut differ = Differ::default();
    differ.value("", original, edited);
    Patch(differ.operations)
}

/// The walk: where it is, and what it found.
#[derive(Default)]
struct Differ {
    path: PointerBuf,
    operations: Vec<PatchOperation>,
}

impl Differ {
    /// `field` is the name of the nearest object member on the way here: it
    /// says by what a list's elements are told apart.
    fn value(&mut self, field: &str, original: &Value, edited: &Value) {
        match (original, edited) {
            (Value::Object(original), Value::Object(edited)) => self.object(original, edited),
            (Value::Array(original), Value::Array(edited)) => self.list(field, original, edited),
            _ if original == edited => {}
            // Some appliers hold a null member for a missing one, which they
            // refuse to replace; `add` overwrites in either view. In a list,
            // where `add` inserts, this is not reached: see `list`.
            (Value::Null, _) if !self.path.is_root() => self.add(edited),
            _ => self.replace(edited),
        }
    }

    fn object(&mut self, original: &Map<String, Value>, edited: &Map<String, Value>) {
        for (name, value) in original {
            self.path.push_back(name);
            match edited.get(name) {
                Some(now) => self.value(name, value, now),
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
    }

    fn list(&mut self, field: &str, original: &[Value], edited: &[Value]) {
        let script = list::Script::between(field, original, edited);
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
                differ.value(field, &original[before], &edited[index]);
            });
        }
    }

    fn at(&mut self, index: usize, step: impl FnOnce(&mut Self)) {
        self.path.push_back(index);
        step(self);
        self.path.pop_back();
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
