//! Tags that are added to spans.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;

use crate::NotBuilt;

/// Where the value of a tag comes from.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "Fields")]
pub enum CustomTag {
    /// It is always this text.
    Literal(String),
    /// A variable of the proxy's environment.
    Environment(Source),
    /// A header of the request.
    Header(Source),
}

/// What a value is read from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Source {
    /// The name of the variable or header.
    pub name: String,
    /// The value where there is none. Without a default, spans then have no such tag.
    pub default_value: String,
}

/// A text that is given.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
struct Literal {
    /// The tag's value.
    value: String,
}

/// The fields as they are written; exactly one of them.
#[derive(Deserialize, JsonSchema)]
struct Fields {
    /// A text.
    literal: Option<Literal>,
    /// A variable of the proxy's environment.
    environment: Option<Source>,
    /// A header of the request.
    header: Option<Source>,
    /// A text with the access log's operators.
    #[allow(dead_code, reason = "it is refused before it is read")]
    formatter: Option<NotBuilt>,
}

impl TryFrom<Fields> for CustomTag {
    type Error = &'static str;

    fn try_from(fields: Fields) -> Result<Self, Self::Error> {
        match (fields.literal, fields.environment, fields.header) {
            (Some(literal), None, None) => Ok(Self::Literal(literal.value)),
            (None, Some(source), None) => Ok(Self::Environment(source)),
            (None, None, Some(source)) => Ok(Self::Header(source)),
            _ => Err("exactly one of literal, environment and header must be set"),
        }
    }
}

impl JsonSchema for CustomTag {
    fn schema_name() -> Cow<'static, str> {
        "CustomTag".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Fields::json_schema(generator)
    }
}
