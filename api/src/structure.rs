//! Whether an object has the fields and types of its kind.
//!
//! It is checked by the schema, before anything is read, so that all that is wrong is told at
//! once, each with its place. Serde would stop at the first, and ignore what it does not know.

use serde_json::{Map, Value};

use crate::{
    findings::Findings,
    misplaced,
    not_built::MARK,
    object::Kind,
    path::{Segment, shortened},
    schema,
};

/// Checks the spec at the place where `findings` is. Fields without a value (`null`) are removed
/// from it, because they mean the same as fields that are not there.
pub(crate) fn check(findings: &mut Findings, kind: Kind, spec: &mut Value) {
    Walk { kind, elements: 0 }.value(findings, schema::of(kind), spec);
}

/// The most elements of all lists of a spec. Three bytes, `{},`, become a struct of up to a
/// kilobyte when they are read.
const MOST_ELEMENTS: usize = 65_536;

/// A walk through a spec and its schema together.
struct Walk {
    kind: Kind,
    /// Elements of lists so far.
    elements: usize,
}

impl Walk {
    fn value(&mut self, findings: &mut Findings, schema: &Value, value: &mut Value) {
        if schema.get(MARK).is_some() {
            not_built(findings, value);
            return;
        }
        let wanted = schema
            .get("type")
            .and_then(Value::as_str)
            .unwrap_or_default();
        match (wanted, value) {
            ("object", Value::Object(fields)) => {
                match (schema.get("properties"), schema.get("additionalProperties")) {
                    (Some(Value::Object(known)), _) => self.fields(findings, known, fields),
                    (_, Some(values)) => self.map(findings, values, fields),
                    _ => {}
                }
            }
            ("array", Value::Array(elements)) => {
                let of = schema.get("items").unwrap_or(&Value::Null);
                let before = self.elements;
                self.elements = before.saturating_add(elements.len());
                if self.elements > MOST_ELEMENTS {
                    if before <= MOST_ELEMENTS {
                        findings.fault(format!(
                            "an object can't have more than {MOST_ELEMENTS} elements in all of its lists"
                        ));
                    }
                    return;
                }
                for (index, element) in elements.iter_mut().enumerate() {
                    findings.at(index, |findings| self.value(findings, of, element));
                }
            }
            ("string", Value::String(text)) => name(findings, schema, text),
            ("integer", Value::Number(number)) => integer(findings, schema, number),
            ("number", Value::Number(number)) => fraction(findings, schema, number),
            ("boolean", Value::Bool(_)) => {}
            (_, value) => findings.fault(wrong_type(schema, wanted, value)),
        }
    }

    /// The fields of a struct.
    fn fields(
        &mut self,
        findings: &mut Findings,
        known: &Map<String, Value>,
        fields: &mut Map<String, Value>,
    ) {
        fields.retain(|name, value| !value.is_null() || !known.contains_key(name));
        for (name, value) in fields {
            match known.get(name) {
                Some(schema) => findings.at(name.as_str(), |findings| {
                    self.value(findings, schema, value);
                }),
                None => findings.at(name.as_str(), |findings| {
                    findings.fault_with(|path| misplaced::hint(self.kind, path, known, name));
                }),
            }
        }
    }

    /// The values of a map, whose keys are the user's.
    fn map(&mut self, findings: &mut Findings, schema: &Value, values: &mut Map<String, Value>) {
        for (key, value) in values {
            findings.at(Segment::key(key), |findings| {
                self.value(findings, schema, value);
            });
        }
    }
}

/// A field that is not built may say what holds without it.
fn not_built(findings: &mut Findings, value: &Value) {
    let says_nothing = match value {
        Value::Null | Value::Bool(false) => true,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(elements) => elements.is_empty(),
        Value::Bool(true) | Value::Object(_) => false,
    };
    if !says_nothing {
        findings.fault(
            "this field of Istio's API is not built yet; remove it to have the rest applied",
        );
    }
}

/// One of the names that an enum has.
fn name(findings: &mut Findings, schema: &Value, text: &str) {
    let Some(names) = schema.get("enum").and_then(Value::as_array) else {
        return;
    };
    if !names.iter().any(|name| name == text) {
        let names: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
        findings.fault(format!(
            "must be one of {}, not {:?}",
            names.join(", "),
            shortened(text)
        ));
    }
}

/// An integer within the schema's limits.
fn integer(findings: &mut Findings, schema: &Value, number: &serde_json::Number) {
    let limit = |key| schema.get(key).and_then(Value::as_i64);
    let (minimum, maximum) = (
        limit("minimum").unwrap_or(0),
        limit("maximum").unwrap_or(i64::MAX),
    );
    if !number
        .as_i64()
        .is_some_and(|number| (minimum..=maximum).contains(&number))
    {
        findings.fault(format!(
            "must be a whole number from {minimum} to {maximum}, not {number}"
        ));
    }
}

/// A number within the schema's limits.
fn fraction(findings: &mut Findings, schema: &Value, number: &serde_json::Number) {
    let limit = |key| schema.get(key).and_then(Value::as_f64);
    let (minimum, maximum) = (
        limit("minimum").unwrap_or(f64::MIN),
        limit("maximum").unwrap_or(f64::MAX),
    );
    let fits = number.as_f64();
    if !fits.is_some_and(|number| (minimum..=maximum).contains(&number)) {
        findings.fault(format!(
            "must be a number from {minimum} to {maximum}, not {number}"
        ));
    }
}

/// What is told of a value of another type than the field's.
fn wrong_type(schema: &Value, wanted: &str, value: &Value) -> String {
    let is = match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    };
    match (wanted, value) {
        ("array", Value::Object(_)) => {
            "must be a list: put a `-` in front of its first field".to_owned()
        }
        ("array", _) => format!("must be a list, not {is}"),
        ("object", Value::Array(_)) => "must be an object, not a list: remove the `-`".to_owned(),
        ("object", _) => match schema.get("properties").and_then(Value::as_object) {
            Some(known) if !known.is_empty() => {
                let known: Vec<&str> = known.keys().take(8).map(String::as_str).collect();
                format!(
                    "must be an object with fields such as {}, not {is}",
                    known.join(", ")
                )
            }
            _ => format!("must be an object, not {is}"),
        },
        ("string", Value::Number(_) | Value::Bool(_)) => {
            format!("must be a text: write it in quotes, \"{value}\"")
        }
        ("string", _) => format!("must be a text, not {is}"),
        ("integer" | "number", Value::String(_)) => {
            format!("must be a number: write it without quotes, not {is}")
        }
        ("integer" | "number", _) => format!("must be a number, not {is}"),
        ("boolean", _) => format!("must be true or false, not {is}"),
        _ => format!("can't be {is}"),
    }
}
