//! What routes change of the fields of messages.

use std::sync::Arc;

use pillion_envoy_api::envoy::config::core::v3::{
    HeaderValue, HeaderValueOption, header_value_option::HeaderAppendAction,
};

use super::{
    fault::{Fault, at, at_index, at_most},
    text::bounded,
};
use crate::tables::{EditAction, HeaderEdits};

/// Fields that one level adds, or removes. A route has those of its only destination, too.
const MAX_EDITS: usize = 512;

/// The lists of one level, and their names.
pub(super) struct EditFields {
    pub add: (&'static str, Vec<HeaderValueOption>),
    pub remove: (&'static str, Vec<String>),
}

impl EditFields {
    /// Those of requests.
    pub fn request(add: Vec<HeaderValueOption>, remove: Vec<String>) -> Self {
        Self {
            add: ("request_headers_to_add", add),
            remove: ("request_headers_to_remove", remove),
        }
    }

    /// Those of responses.
    pub fn response(add: Vec<HeaderValueOption>, remove: Vec<String>) -> Self {
        Self {
            add: ("response_headers_to_add", add),
            remove: ("response_headers_to_remove", remove),
        }
    }

    /// What they say.
    pub fn compile(self) -> Result<Arc<HeaderEdits>, Fault> {
        let mut edits = HeaderEdits::default();
        let (field, names) = self.remove;
        at_most(field, MAX_EDITS, names.len())?;
        for (index, name) in names.iter().enumerate() {
            let removed = edits.remove(name);
            let removed = removed.map_err(|error| Fault::new("", error.to_string()));
            removed.map_err(at_index(field, index))?;
        }
        let (field, options) = self.add;
        at_most(field, MAX_EDITS, options.len())?;
        for (index, option) in options.into_iter().enumerate() {
            add(&mut edits, option).map_err(at_index(field, index))?;
        }
        Ok(Arc::new(edits))
    }
}

fn add(edits: &mut HeaderEdits, option: HeaderValueOption) -> Result<(), Fault> {
    let HeaderValueOption {
        header,
        append,
        append_action,
        keep_empty_value,
    } = option;
    let HeaderValue {
        key,
        value,
        raw_value,
    } = header.unwrap_or_default();
    if !raw_value.is_empty() {
        return Err(at("header")(Fault::unsupported("raw_value")));
    }
    let value = without_operators(bounded("value", &value)?).map_err(at("header"))?;
    if value.is_empty() && !keep_empty_value {
        return Ok(());
    }
    let action = match (append, HeaderAppendAction::try_from(append_action)) {
        // The older field, which Envoy still honours.
        (Some(true), _) => EditAction::Append,
        (Some(false), _) => EditAction::Set,
        (None, Ok(HeaderAppendAction::AppendIfExistsOrAdd)) => EditAction::Append,
        (None, Ok(HeaderAppendAction::AddIfAbsent)) => EditAction::AddIfAbsent,
        (None, Ok(HeaderAppendAction::OverwriteIfExistsOrAdd)) => EditAction::Set,
        (None, Ok(HeaderAppendAction::OverwriteIfExists)) => EditAction::SetIfPresent,
        (None, Err(_)) => return Err(Fault::unsupported("append_action")),
    };
    let written = edits.write(&key, &value, action);
    written.map_err(|error| Fault::new("header", error.to_string()))
}

/// A value as it is sent: `%%` is a percent sign. What Envoy would fill in is refused.
fn without_operators(value: &str) -> Result<String, Fault> {
    let mut text = String::with_capacity(value.len());
    let mut rest = value;
    while let Some((before, after)) = rest.split_once('%') {
        text.push_str(before);
        let Some(after) = after.strip_prefix('%') else {
            let operator: String = after
                .split('%')
                .next()
                .unwrap_or_default()
                .chars()
                .take(100)
                .collect();
            let reason =
                format!("%{operator}% is not supported by this proxy; %% is a percent sign");
            return Err(Fault::new("value", reason));
        };
        text.push('%');
        rest = after;
    }
    text.push_str(rest);
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn option(key: &str, value: &str) -> HeaderValueOption {
        HeaderValueOption {
            header: Some(HeaderValue {
                key: key.to_owned(),
                value: value.to_owned(),
                ..HeaderValue::default()
            }),
            ..HeaderValueOption::default()
        }
    }

    fn compiled(add: Vec<HeaderValueOption>, remove: &[&str]) -> Result<Arc<HeaderEdits>, Fault> {
        let remove = remove.iter().map(|name| (*name).to_owned()).collect();
        EditFields::request(add, remove).compile()
    }

    #[test]
    fn has_envoy_s_four_ways_of_writing() {
        let mut set = option("x-set", "100%%");
        set.append_action = HeaderAppendAction::OverwriteIfExistsOrAdd.into();
        let mut old = option("x-old", "1");
        old.append = Some(false);
        let mut expected = HeaderEdits::default();
        expected.remove("x-gone").unwrap();
        expected.write("x-set", "100%", EditAction::Set).unwrap();
        expected.write("x-old", "1", EditAction::Set).unwrap();
        expected.write("x-more", "2", EditAction::Append).unwrap();
        let edits = compiled(
            vec![set, old, option("x-more", "2"), option("x-empty", "")],
            &["x-gone"],
        );
        assert_eq!(*edits.unwrap(), expected);
    }

    #[test]
    fn refuses_what_it_can_not_write() {
        let text = |result: Result<_, Fault>| result.unwrap_err().to_string();
        let operator = compiled(vec![option("x", "a %REQ(x)% b")], &[]);
        assert_eq!(
            text(operator),
            "request_headers_to_add[0].header.value: %REQ(x)% is not supported by this proxy; %% is a percent sign"
        );
        let removed = text(compiled(vec![], &["x", "content-length"]));
        assert!(
            removed.starts_with("request_headers_to_remove[1]: "),
            "{removed}"
        );
        let added = text(compiled(vec![option("a b", "1")], &[]));
        assert!(
            added.starts_with("request_headers_to_add[0].header: "),
            "{added}"
        );
    }
}
