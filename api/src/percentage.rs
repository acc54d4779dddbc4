//! Shares of requests.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

/// From 0 to 100 percent, in steps of 0.01: Envoy is no more exact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "f64")]
pub struct Percentage(u16);

/// Why a number is no percentage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a number from 0 to 100")]
pub struct PercentageError;

/// How many steps a percent has.
const STEPS: f64 = 100.0;

impl Percentage {
    /// All requests.
    pub const ALL: Self = Self(10_000);
    /// One request of a hundred.
    pub const ONE: Self = Self(100);

    /// As a number from 0 to 100.
    #[must_use]
    pub fn percent(self) -> f64 {
        f64::from(self.0) / STEPS
    }
}

impl TryFrom<f64> for Percentage {
    type Error = PercentageError;

    fn try_from(percent: f64) -> Result<Self, PercentageError> {
        if !(0.0..=100.0).contains(&percent) {
            return Err(PercentageError);
        }
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is from 0 to 10,000"
        )]
        Ok(Self((percent * STEPS).round() as u16))
    }
}

impl JsonSchema for Percentage {
    fn schema_name() -> Cow<'static, str> {
        "Percentage".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "number", "minimum": 0, "maximum": 100 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_rounded_to_a_hundredth() {
        for (given, kept) in [
            (0.0, 0.0),
            (1.0, 1.0),
            (0.29, 0.29),
            (99.999, 100.0),
            (0.004, 0.0),
            (100.0, 100.0),
        ] {
            let read = Percentage::try_from(given).unwrap().percent();
            assert!((read - kept).abs() < 1e-9, "{given}: {read}");
        }
        for bad in [-0.01, 100.01, f64::NAN, f64::INFINITY] {
            assert_eq!(Percentage::try_from(bad), Err(PercentageError), "{bad}");
        }
        assert_eq!(Percentage::try_from(1.0), Ok(Percentage::ONE));
        assert_eq!(Percentage::try_from(100.0), Ok(Percentage::ALL));
    }
}
