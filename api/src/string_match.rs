//! How a text is compared with a rule's: Istio's `StringMatch`.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;

/// A condition on a text: on a path, a header, a method and so on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "Fields")]
pub enum StringMatch {
    /// `{}`: any value will do. Under `headers` it means that the header is present; elsewhere
    /// it is refused.
    #[default]
    Present,
    /// The whole text, compared byte by byte.
    Exact(String),
    /// A plain prefix: `/foo` also matches `/foobar`.
    Prefix(String),
    /// A regular expression in RE2's syntax that has to match the whole text.
    Regex(String),
}

/// The fields as they are written; at most one of them.
#[derive(Deserialize, JsonSchema)]
struct Fields {
    /// The whole text, compared byte by byte.
    exact: Option<String>,
    /// A prefix of the text, without regard to its segments.
    prefix: Option<String>,
    /// A regular expression (RE2 syntax) that has to match the whole text.
    regex: Option<String>,
}

impl TryFrom<Fields> for StringMatch {
    type Error = &'static str;

    fn try_from(fields: Fields) -> Result<Self, Self::Error> {
        match (fields.exact, fields.prefix, fields.regex) {
            (None, None, None) => Ok(Self::Present),
            (Some(text), None, None) => Ok(Self::Exact(text)),
            (None, Some(text), None) => Ok(Self::Prefix(text)),
            (None, None, Some(text)) => Ok(Self::Regex(text)),
            _ => Err("only one of exact, prefix and regex may be set"),
        }
    }
}

impl JsonSchema for StringMatch {
    fn schema_name() -> Cow<'static, str> {
        "StringMatch".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Fields::json_schema(generator)
    }
}
