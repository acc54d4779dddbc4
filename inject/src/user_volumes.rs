//! The annotations `sidecar.istio.io/userVolume` and `userVolumeMount`.

use std::collections::HashSet;

use serde_json::Value;

use crate::{
    json::{self, Account, Everything},
    pod, quote,
    value_checks::Invalid,
};

/// Bytes of memory for the volumes or mounts of an annotation once they are read: four
/// times what 256 of them usually take.
const MAX_MEMORY: usize = 1024 * 1024;
/// How many volumes, and how many mounts, a pod may add by annotation.
const MAX_VOLUMES: usize = 256;

/// Reads an annotation of volumes or mounts: a JSON object with the fields of each
/// by its name, or a JSON list of objects with names. `None` for anything else.
pub(crate) fn parse(text: &str) -> Option<Vec<Value>> {
    let has_name = |item: &Value| item["name"].as_str().is_some_and(|name| !name.is_empty());
    let account = Account::new(MAX_MEMORY);
    let value = json::read(text.as_bytes(), Everything(&account)).ok()?;
    match value {
        _ if account.is_exceeded() => None,
        Value::Array(items) => items.iter().all(has_name).then_some(items),
        Value::Object(map) => map
            .into_iter()
            .map(|(name, mut object)| {
                object
                    .as_object_mut()?
                    .insert("name".to_owned(), name.into());
                Some(object)
            })
            .collect(),
        _ => None,
    }
}

/// Checks an annotation of volumes.
pub(crate) fn check_volumes(value: &str) -> Result<(), Invalid> {
    let volumes = parse_bounded(value, "volumes")?;
    let mut names = HashSet::new();
    match volumes
        .iter()
        .map(pod::name)
        .find(|name| !names.insert(*name))
    {
        None => Ok(()),
        Some(name) => {
            let name = quote::excerpt(name, quote::VALUE);
            Err(format!("duplicate volume {name:?}").into())
        }
    }
}

/// Checks an annotation of mounts. One volume may be mounted more than once.
pub(crate) fn check_mounts(value: &str) -> Result<(), Invalid> {
    parse_bounded(value, "volume mounts").map(drop)
}

fn parse_bounded(text: &str, what: &str) -> Result<Vec<Value>, Invalid> {
    let objects = parse(text).ok_or(Invalid::new(
        "must be a JSON object that maps each volume's name to its fields, or a JSON list of objects that each have the \
         volume's name",
    ))?;
    match objects.len() {
        count if count > MAX_VOLUMES => {
            Err(format!("{count} {what}, and at most {MAX_VOLUMES} are taken").into())
        }
        _ => Ok(objects),
    }
}
