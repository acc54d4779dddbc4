//! Reading an object: its structure, its types, and whether it can work.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{
    fault::{Fault, Warning},
    findings::Findings,
    misplaced,
    object::{AnyObject, Kind, Metadata, Object},
    path::{Segment, shortened},
    structure, validation,
};

/// Reads an object of the given kind and any of its versions.
///
/// The value should come from a bounded number of bytes; it is walked once, and what is told of
/// it is bounded. `status` is not looked at, and of `metadata` only what [`Metadata`] has.
///
/// # Errors
///
/// All that is wrong with the object (up to 20 faults): fields that do not exist or stand in the
/// wrong place, values of wrong types, what can't work, and what is not built yet.
pub fn parse(kind: Kind, mut value: Value) -> Result<(AnyObject, Vec<Warning>), Vec<Fault>> {
    let mut findings = Findings::default();
    let Some((metadata, mut spec)) = envelope(&mut findings, kind, &mut value) else {
        return Err(faults(findings));
    };
    findings.at("spec", |findings| {
        if kind == Kind::Gateway {
            validation::refuse_tls_at_gateways(findings, &mut spec);
        }
        structure::check(findings, kind, &mut spec);
    });
    if findings.is_faulty() {
        return Err(faults(findings));
    }
    let object = match kind {
        Kind::VirtualService => typed(&mut findings, metadata, spec, validation::virtual_service)
            .map(AnyObject::VirtualService),
        Kind::DestinationRule => typed(&mut findings, metadata, spec, validation::destination_rule)
            .map(AnyObject::DestinationRule),
        Kind::Gateway => {
            typed(&mut findings, metadata, spec, validation::gateway).map(AnyObject::Gateway)
        }
        Kind::ServiceEntry => typed(&mut findings, metadata, spec, validation::service_entry)
            .map(AnyObject::ServiceEntry),
        Kind::Telemetry => {
            typed(&mut findings, metadata, spec, validation::telemetry).map(AnyObject::Telemetry)
        }
        Kind::PeerAuthentication => {
            let validate = validation::peer_authentication;
            typed(&mut findings, metadata, spec, validate).map(AnyObject::PeerAuthentication)
        }
    };
    match (findings.finish(), object) {
        (Ok(warnings), Some(object)) => Ok((object, warnings)),
        (Ok(_), None) => Err(vec![Fault {
            path: "spec".to_owned(),
            message: "can't be read".to_owned(),
        }]),
        (Err(faults), _) => Err(faults),
    }
}

/// The faults found so far.
fn faults(findings: Findings) -> Vec<Fault> {
    findings.finish().err().unwrap_or_default()
}

/// Takes an object's metadata and spec out of it.
fn envelope(findings: &mut Findings, kind: Kind, value: &mut Value) -> Option<(Metadata, Value)> {
    let Value::Object(object) = value else {
        findings.at("spec", |findings| {
            findings.fault(format!("this is no object of the kind {}", kind.name()));
        });
        return None;
    };
    for (field, wanted) in [
        ("kind", vec![kind.name().to_owned()]),
        ("apiVersion", versions(kind)),
    ] {
        let says = object
            .get(field)
            .and_then(Value::as_str)
            .unwrap_or_default();
        if !wanted.iter().any(|wanted| wanted == says) {
            let message = format!("must be {}, not {:?}", wanted.join(" or "), shortened(says));
            findings.at(field, |findings| findings.fault(message));
        }
    }
    let spec = match object.remove("spec") {
        None | Some(Value::Null) => Value::Object(serde_json::Map::new()),
        Some(spec) => spec,
    };
    let mut metadata = object
        .remove("metadata")
        .filter(|metadata| !metadata.is_null())
        .unwrap_or_else(|| Value::Object(serde_json::Map::new()));
    let known = serde_json::Map::from_iter(
        ["apiVersion", "kind", "metadata", "spec", "status"]
            .map(|name| (name.to_owned(), Value::Null)),
    );
    for name in object.keys().filter(|name| !known.contains_key(*name)) {
        findings.at(name.as_str(), |findings| {
            findings.fault_with(|path| misplaced::hint(kind, path, &known, name));
        });
    }
    if let Value::Object(fields) = &mut metadata {
        fields.retain(|_, value| !value.is_null());
    }
    let metadata = match serde_path_to_error::deserialize::<_, Metadata>(metadata) {
        Ok(metadata) => metadata,
        Err(error) => {
            let message: String = error.to_string().chars().take(200).collect();
            findings.at("metadata", |findings| findings.fault(message));
            return None;
        }
    };
    Some((metadata, spec))
}

/// The values that `apiVersion` may have.
fn versions(kind: Kind) -> Vec<String> {
    let versions = kind.versions().iter();
    versions
        .map(|version| format!("{}/{version}", kind.group()))
        .collect()
}

/// Reads a spec whose structure is right, and validates it.
fn typed<S: DeserializeOwned>(
    findings: &mut Findings,
    metadata: Metadata,
    spec: Value,
    validate: fn(&mut Findings, &Metadata, &S),
) -> Option<Object<S>> {
    match serde_path_to_error::deserialize::<_, S>(spec) {
        Ok(spec) => {
            findings.at("spec", |findings| validate(findings, &metadata, &spec));
            Some(Object { metadata, spec })
        }
        // What the schema can't say: a duration's syntax, for one.
        Err(error) => {
            let path: String = format!("spec.{}", error.path()).chars().take(200).collect();
            let message: String = error.inner().to_string().chars().take(200).collect();
            findings.at(Segment::Field(path), |findings| findings.fault(message));
            None
        }
    }
}
