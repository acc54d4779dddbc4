//! Writes the record that an injection leaves on the pod.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::{editing::annotations_mut, restore, stubs, take_back::take_back};
use crate::{
    annotations::STATUS, injection_record::InjectionRecord, patch, pod::OWN_CONTAINERS,
    refusal::Refusal, sizes, steps::Steps,
};

/// Writes the record of an injection onto the pod, as the last edit. Returns the pod,
/// and the names of the containers that the injection added or moved.
///
/// # Errors
///
/// When the record is longer than what annotations may hold.
pub(crate) fn write(
    original: &Value,
    mut edited: Value,
    mut record: InjectionRecord,
    steps: &Steps,
) -> Result<(Value, Vec<String>), Refusal> {
    // The trial below takes back a pod that has a record, as the written one will.
    annotate(&mut edited, String::new());
    record.labels = Some(added(original, &edited, "labels"));
    record.annotations = Some(added(original, &edited, "annotations"));

    let mut undone = stubs::stubbed(&edited, &record);
    let overrides = record.overrides(&edited).unwrap_or_default();
    take_back(&mut undone, &record, overrides);
    // A container of the user's own that has one of our names is put where ours would be.
    let movable: HashSet<&str> = record.container_names().chain(OWN_CONTAINERS).collect();
    let rest = patch::diff(&movable, &undone, original, steps)?;
    if !rest.is_empty() {
        sizes::check_record(&rest)?;
        record.restore = Some(restore::guarded(rest, undone, steps)?);
    }
    annotate(&mut edited, sizes::record(&record)?);
    let own_containers = record.container_names().map(str::to_owned).collect();
    Ok((edited, own_containers))
}

fn annotate(pod: &mut Value, record: String) {
    if let Some(annotations) = annotations_mut(pod) {
        annotations.insert(STATUS.to_owned(), Value::String(record));
    }
}

/// The keys of a map in the metadata that the original lacks, without the record's own.
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
