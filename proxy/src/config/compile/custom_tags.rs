//! Tags that spans have by configuration.

use std::env;

use pillion_envoy_api::envoy::r#type::tracing::v3::{
    CustomTag as TagMessage,
    custom_tag::{Environment, Header, Literal, Type},
};

use super::{
    fault::{Fault, at, each},
    text::{bounded, cut},
};
use crate::tables::{CustomTag, CustomValue};

/// Of one connection manager; spans have not many more.
const MAX_TAGS: usize = 32;

/// The tags in the order in which they come. Of two with one name, the last one counts, in the place of
/// the first.
pub(super) fn custom_tags(messages: Vec<TagMessage>) -> Result<Box<[CustomTag]>, Fault> {
    let tags = each("custom_tags", MAX_TAGS, messages, custom_tag)?;
    let mut all: Vec<CustomTag> = Vec::with_capacity(tags.len());
    for tag in tags.into_iter().flatten() {
        match all.iter_mut().find(|other| other.name == tag.name) {
            Some(other) => *other = tag,
            None => all.push(tag),
        }
    }
    Ok(all.into())
}

/// `None` for one that never has a value.
fn custom_tag(message: TagMessage) -> Result<Option<CustomTag>, Fault> {
    let TagMessage { tag, r#type } = message;
    if tag.is_empty() {
        return Err(Fault::new("tag", "is empty"));
    }
    bounded("tag", &tag)?;
    let value = match r#type {
        Some(Type::Literal(Literal { value })) => literal("literal", &value)?,
        // The environment does not change.
        Some(Type::Environment(Environment {
            name,
            default_value,
        })) => of_environment(env::var(&name).ok(), &default_value)?,
        Some(Type::RequestHeader(header)) => {
            let (name, value) = header_of(header).map_err(at("request_header"))?;
            Some(CustomValue::RequestField(name, value))
        }
        Some(Type::ResponseHeader(header)) => {
            let (name, value) = header_of(header).map_err(at("response_header"))?;
            Some(CustomValue::ResponseField(name, value))
        }
        Some(Type::Metadata(_)) => return Err(Fault::unsupported("metadata")),
        Some(Type::Value(_)) => return Err(Fault::unsupported("value")),
        None => return Err(Fault::new("type", "is missing")),
    };
    Ok(value.map(|value| CustomTag {
        name: tag.into(),
        value,
    }))
}

fn literal(field: &'static str, value: &str) -> Result<Option<CustomValue>, Fault> {
    let value = bounded(field, value)?;
    Ok((!value.is_empty()).then(|| CustomValue::Literal(value.into())))
}

/// The value of a variable, of which a span would not send more than the beginning. Whoever has written
/// the configuration may not know how long it is in this pod.
fn of_environment(
    found: Option<String>,
    default_value: &str,
) -> Result<Option<CustomValue>, Fault> {
    match found.filter(|found| !found.is_empty()) {
        Some(found) => literal("environment", cut(&found)),
        None => literal("environment", default_value),
    }
}

/// The name in lower case, and what stands in for a field that is not there.
fn header_of(message: Header) -> Result<(Box<[u8]>, Box<str>), Fault> {
    let Header {
        name,
        default_value,
    } = message;
    if name.is_empty() {
        return Err(Fault::new("name", "is empty"));
    }
    let name = bounded("name", &name)?.to_ascii_lowercase();
    let value = bounded("default_value", &default_value)?;
    Ok((name.into_bytes().into(), value.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(found: Option<String>, default_value: &str) -> Option<Box<str>> {
        match of_environment(found, default_value).unwrap()? {
            CustomValue::Literal(text) => Some(text),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_long_variable_is_cut_between_two_characters() {
        let most = 8 * 1024;
        let long = format!("{}\u{20ac}{}", "x".repeat(most - 1), "y".repeat(9000));
        assert_eq!(value(Some(long), ""), Some("x".repeat(most - 1).into()));
        let whole = "x".repeat(most);
        assert_eq!(value(Some(whole.clone()), ""), Some(whole.into()));
    }

    #[test]
    fn a_default_stands_in_for_a_variable_without_a_value() {
        for found in [None, Some(String::new())] {
            assert_eq!(value(found.clone(), "d").as_deref(), Some("d"));
            assert_eq!(value(found, ""), None);
        }
        // Who has written it can shorten it.
        assert!(of_environment(None, &"x".repeat(9000)).is_err());
    }
}
