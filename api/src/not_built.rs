//! Fields of Istio's API that are known here by name and not built yet.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de::IgnoredAny};

/// The key in a schema that marks such a field. It does not get into the CRDs.
pub(crate) const MARK: &str = "x-not-built";

/// The value of a field that Istio has and that is not built yet.
///
/// An object that sets one is refused with the field's path, so in an object that was parsed
/// it is absent or says what is also the default (`false`, `0`, an empty list).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NotBuilt;

impl<'de> Deserialize<'de> for NotBuilt {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Self)
    }
}

impl JsonSchema for NotBuilt {
    fn schema_name() -> Cow<'static, str> {
        "NotBuilt".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ MARK: true, "x-kubernetes-preserve-unknown-fields": true })
    }
}
