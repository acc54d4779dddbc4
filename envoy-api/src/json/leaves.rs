//! What does not have a message inside: names, and well-known values.

use std::fmt;

use serde::{Serialize, Serializer};

/// A field's name in JSON: `_a` is written as `A`.
pub(super) fn name(of_field: &str) -> String {
    let mut name = String::with_capacity(of_field.len());
    let mut is_start = false;
    for character in of_field.chars() {
        if character == '_' {
            is_start = true;
        } else if is_start {
            name.push(character.to_ascii_uppercase());
            is_start = false;
        } else {
            name.push(character);
        }
    }
    name
}

/// Whether a message is one of Google's that stand for their first and only field.
pub(super) fn is_wrapper(name: &str) -> bool {
    name.strip_prefix("google.protobuf.").is_some_and(|name| {
        matches!(
            name,
            "BoolValue"
                | "BytesValue"
                | "DoubleValue"
                | "FloatValue"
                | "Int32Value"
                | "Int64Value"
                | "ListValue"
                | "StringValue"
                | "Struct"
                | "UInt32Value"
                | "UInt64Value"
        )
    })
}

/// Displayed as seconds with a fraction, and an `s`.
pub(super) struct Duration {
    pub(super) seconds: i64,
    pub(super) nanos: i32,
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seconds, nanos } = self;
        let sign = if *seconds < 0 || *nanos < 0 { "-" } else { "" };
        let fraction = format!(".{:09}", nanos.unsigned_abs());
        let fraction = fraction.trim_end_matches('0').trim_end_matches('.');
        write!(f, "{sign}{}{fraction}s", seconds.unsigned_abs())
    }
}

/// A number, or a text where JSON lacks the number.
pub(super) struct Float(pub(super) f64);

impl Serialize for Float {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(number) = *self;
        if number.is_finite() {
            serializer.serialize_f64(number)
        } else if number.is_nan() {
            serializer.serialize_str("NaN")
        } else if number > 0.0 {
            serializer.serialize_str("Infinity")
        } else {
            serializer.serialize_str("-Infinity")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_camel_case() {
        for (of_field, wanted) in [
            ("name", "name"),
            ("http2_protocol_options", "http2ProtocolOptions"),
            ("a_1b__c", "a1bC"),
            ("end_", "end"),
        ] {
            assert_eq!(name(of_field), wanted);
        }
    }

    #[test]
    fn durations_have_one_sign_and_no_zeros_at_the_end() {
        for (seconds, nanos, wanted) in [
            (0, 0, "0s"),
            (90, 0, "90s"),
            (1, 500_000_000, "1.5s"),
            (0, -1, "-0.000000001s"),
            (i64::MIN, i32::MIN, "-9223372036854775808.2147483648s"),
        ] {
            assert_eq!(Duration { seconds, nanos }.to_string(), wanted);
        }
    }

    #[test]
    fn numbers_that_json_lacks_are_texts() {
        for (number, wanted) in [
            (0.5, "0.5"),
            (f64::NAN, "\"NaN\""),
            (f64::INFINITY, "\"Infinity\""),
            (f64::NEG_INFINITY, "\"-Infinity\""),
        ] {
            assert_eq!(serde_json::to_string(&Float(number)).unwrap(), wanted);
        }
    }
}
