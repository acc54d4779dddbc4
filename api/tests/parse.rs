//! What is said of objects that can't work.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod parse {
    pub mod destination_rule;
    pub mod gateway;
    pub mod peer_authentication;
    pub mod service_entry;
    pub mod structure;
    pub mod telemetry;
    pub mod virtual_service;
}

use pillion_api::{AnyObject, Kind, Warning};
use serde_json::{Value, json};

/// Parses an object whose spec is written in YAML.
fn read(kind: Kind, spec: &str) -> Result<(AnyObject, Vec<Warning>), Vec<String>> {
    let spec: Value = serde_saphyr::from_str(spec).unwrap();
    let object = json!({
        "apiVersion": format!("{}/v1", kind.group()),
        "kind": kind.name(),
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": spec,
    });
    pillion_api::parse(kind, object)
        .map_err(|faults| faults.iter().map(ToString::to_string).collect())
}

/// The faults of such an object.
fn faults(kind: Kind, spec: &str) -> Vec<String> {
    read(kind, spec).err().unwrap_or_default()
}

/// The warnings of such an object, which has to be accepted.
fn warnings(kind: Kind, spec: &str) -> Vec<String> {
    read(kind, spec)
        .unwrap_or_else(|faults| panic!("{faults:?}"))
        .1
        .iter()
        .map(ToString::to_string)
        .collect()
}

/// The only fault of such an object.
fn fault(kind: Kind, spec: &str) -> String {
    let faults = faults(kind, spec);
    let [fault] = faults.as_slice() else {
        panic!("{faults:?}");
    };
    fault.clone()
}
