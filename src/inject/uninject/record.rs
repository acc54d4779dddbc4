//! The record that an injection leaves on the pod.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::overrides::Overrides;
use super::{annotations_mut, restore, stubs, take_back};
use crate::inject::annotations::STATUS;
use crate::inject::status::Status;
use crate::inject::steps::Steps;
use crate::inject::{Refusal, patch, sizes};

/// Writes the record of an injection onto the pod: the last step before the
/// patch is made of the two. Returns the pod, and the names of the containers that
/// the injection added or put elsewhere.
///
/// # Errors
///
/// When the record is longer than what annotations may hold.
pub(in crate::inject) fn record(
    original: &Value,
    mut edited: Value,
    mut status: Status,
    steps: &Steps,
) -> Result<(Value, Vec<String>), Refusal> {
    // The trial below takes back a pod as it will be, which has the record.
    annotate(&mut edited, String::new());
    status.labels = Some(added(original, &edited, "labels"));
    status.annotations = Some(added(original, &edited, "annotations"));

    let mut undone = stubs::stubbed(&edited, &status);
    let overrides = Overrides::of(&edited, &status).unwrap_or_default();
    take_back(&mut undone, &status, overrides);
    let ours: HashSet<&str> = status.names_of_containers().collect();
    let rest = patch::diff(&ours, &undone, original, steps)?;
    if !rest.is_empty() {
        sizes::check_record(&rest)?;
        status.restore = Some(restore::guarded(rest, undone, steps)?);
    }
    write(&mut edited, &status)?;
    let ours = status.names_of_containers().map(str::to_owned).collect();
    Ok((edited, ours))
}

fn write(pod: &mut Value, status: &Status) -> Result<(), Refusal> {
    annotate(pod, sizes::record(status)?);
    Ok(())
}

fn annotate(pod: &mut Value, record: String) {
    if let Some(annotations) = annotations_mut(pod) {
        annotations.insert(STATUS.to_owned(), Value::String(record));
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
