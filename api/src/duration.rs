//! Durations in the syntax of Go's `time.ParseDuration`, as Istio writes them.

use std::{borrow::Cow, fmt, str::FromStr, time};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

/// A length of time: `1h30m`, `2.5s`, `100ms`. Never negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct Duration(pub time::Duration);

/// Why a text is no duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// It has no number with a unit, or something that is neither.
    #[error(
        "a duration is a number with a unit (h, m, s, ms, us or ns), for example 1.5s or 1h30m"
    )]
    Syntax,
    /// It is below zero.
    #[error("a duration must not be negative")]
    Negative,
    /// It does not fit into 63 bits of nanoseconds, Go's limit (some 292 years).
    #[error("a duration must be less than 292 years")]
    TooLong,
}

/// The longest text read: Go has no limit, but nothing sensible is longer.
const LONGEST: usize = 128;
/// The most digits after a point that count; more of them are less than a nanosecond.
const FRACTION_DIGITS: usize = 15;

impl FromStr for Duration {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Self, DurationError> {
        let unsigned = text.strip_prefix('+').unwrap_or(text);
        if let Some(rest) = text.strip_prefix('-') {
            return if rest == "0" {
                Ok(Self::default())
            } else {
                Err(DurationError::Negative)
            };
        }
        if unsigned == "0" {
            return Ok(Self::default());
        }
        if unsigned.is_empty() || unsigned.len() > LONGEST {
            return Err(DurationError::Syntax);
        }
        let mut total: u128 = 0;
        let mut rest = unsigned;
        while !rest.is_empty() {
            let (nanoseconds, after) = term(rest)?;
            total += nanoseconds;
            rest = after;
        }
        let nanoseconds = i64::try_from(total).map_err(|_| DurationError::TooLong)?;
        Ok(Self(time::Duration::from_nanos(nanoseconds.unsigned_abs())))
    }
}

/// Reads one number with its unit: its nanoseconds, and what follows it.
fn term(text: &str) -> Result<(u128, &str), DurationError> {
    let (whole, rest) = digits(text);
    let (fraction, rest) = match rest.strip_prefix('.') {
        Some(rest) => digits(rest),
        None => ("", rest),
    };
    if whole.is_empty() && fraction.is_empty() {
        return Err(DurationError::Syntax);
    }
    let end = rest
        .find(|c: char| c.is_ascii_digit() || c == '.')
        .unwrap_or(rest.len());
    let (unit, rest) = rest.split_at(end);
    let unit: u128 = match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return Err(DurationError::Syntax),
    };
    let whole: u64 = if whole.is_empty() {
        0
    } else {
        whole.parse().map_err(|_| DurationError::TooLong)?
    };
    let fraction = &fraction[..fraction.len().min(FRACTION_DIGITS)];
    let numerator: u128 = if fraction.is_empty() {
        0
    } else {
        fraction.parse().map_err(|_| DurationError::Syntax)?
    };
    let denominator = 10_u128.pow(u32::try_from(fraction.len()).unwrap_or(0));
    Ok((
        u128::from(whole) * unit + numerator * unit / denominator,
        rest,
    ))
}

/// Splits off the ASCII digits at the start of `text`.
fn digits(text: &str) -> (&str, &str) {
    text.split_at(
        text.find(|c: char| !c.is_ascii_digit())
            .unwrap_or(text.len()),
    )
}

impl TryFrom<String> for Duration {
    type Error = DurationError;

    fn try_from(text: String) -> Result<Self, DurationError> {
        text.parse()
    }
}

impl fmt::Display for Duration {
    /// In seconds, with as many decimals as it takes: `0.1s`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanoseconds = format!("{:09}", self.0.subsec_nanos());
        let fraction = nanoseconds.trim_end_matches('0');
        let point = if fraction.is_empty() { "" } else { "." };
        write!(formatter, "{}{point}{fraction}s", self.0.as_secs())
    }
}

impl JsonSchema for Duration {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<String, DurationError> {
        text.parse::<Duration>()
            .map(|duration| duration.to_string())
    }

    #[test]
    fn reads_go_syntax() {
        for (text, seconds) in [
            ("7s", "7s"),
            ("1h30m", "5400s"),
            ("1.5s", "1.5s"),
            ("100ms", "0.1s"),
            ("0", "0s"),
            (".5m", "30s"),
            ("1.s", "1s"),
            ("+2s", "2s"),
            ("3us", "0.000003s"),
            ("3µs", "0.000003s"),
            ("1m1ns", "60.000000001s"),
            ("0.0000000001s", "0s"),
            ("1.9999999999999999999999999s", "1.999999999s"),
        ] {
            assert_eq!(parsed(text), Ok(seconds.to_owned()), "{text}");
        }
    }

    #[test]
    fn refuses_what_go_refuses() {
        for text in ["", "5", "s", ".s", "1 s", "1d", "1s ", "1S", "1..5s", "１s"] {
            assert_eq!(parsed(text), Err(DurationError::Syntax), "{text}");
        }
        assert_eq!(parsed("-1s"), Err(DurationError::Negative));
        assert_eq!(parsed("2562048h"), Err(DurationError::TooLong));
        assert_eq!(parsed("99999999999999999999h"), Err(DurationError::TooLong));
        assert_eq!(parsed(&"1s".repeat(100)), Err(DurationError::Syntax));
    }
}
