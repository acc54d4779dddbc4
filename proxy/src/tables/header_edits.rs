//! What routes change of the fields of requests and responses.

use std::sync::Arc;

use crate::message::{FieldName, Fields, is_token};

/// What is done with a field that may be there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EditAction {
    /// Another line is added.
    Append,
    /// It is added if there is none.
    AddIfAbsent,
    /// It becomes the only one.
    Set,
    /// It becomes the only one if there is one.
    SetIfPresent,
}

/// A field to write.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Edit {
    name: Box<[u8]>,
    value: Box<[u8]>,
    action: EditAction,
}

/// What one level of the configuration changes: first it removes, then it writes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct HeaderEdits {
    remove: Vec<Box<[u8]>>,
    write: Vec<Edit>,
}

/// Why a field can't be changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadEdit {
    /// It says where the message goes, or how long it is.
    #[error("the header {0} can't be changed by a route: it belongs to the connection")]
    Reserved(String),
    /// The name is not a token (RFC 9110, 5.1).
    #[error("{0:?} is not the name of a header")]
    Name(String),
    /// The value has a control character in it, or spaces around it.
    #[error("the value of the header {0} has a control character in it, or spaces around it")]
    Value(String),
}

impl HeaderEdits {
    /// Whether nothing is changed.
    pub fn is_empty(&self) -> bool {
        self.remove.is_empty() && self.write.is_empty()
    }

    /// Removes all lines of a field.
    ///
    /// # Errors
    ///
    /// When there can't be such a field, or it belongs to the connection.
    pub fn remove(&mut self, name: &str) -> Result<(), BadEdit> {
        self.remove.push(checked_name(name)?);
        Ok(())
    }

    /// Writes a field. The value is written as it is: Envoy's command operators (`%…%`) are
    /// for whoever compiles the configuration.
    ///
    /// # Errors
    ///
    /// When there can't be such a field, or it belongs to the connection.
    pub fn write(&mut self, name: &str, value: &str, action: EditAction) -> Result<(), BadEdit> {
        let checked = checked_name(name)?;
        let is_control = |byte: u8| matches!(byte, 0..=8 | 10..=31 | 127);
        if value.bytes().any(is_control) || value.trim_matches([' ', '\t']) != value {
            return Err(BadEdit::Value(name.to_owned()));
        }
        self.write.push(Edit {
            name: checked,
            value: value.as_bytes().into(),
            action,
        });
        Ok(())
    }

    /// Changes the fields of a message.
    pub fn apply(&self, fields: &mut Fields) {
        for name in &self.remove {
            fields.retain(|_, other, _| *other != **name);
        }
        for Edit {
            name,
            value,
            action,
        } in &self.write
        {
            let is_present = || fields.find(name).is_some();
            match action {
                EditAction::AddIfAbsent if is_present() => continue,
                EditAction::SetIfPresent if !is_present() => continue,
                EditAction::Set | EditAction::SetIfPresent => {
                    fields.retain(|_, other, _| *other != **name);
                }
                EditAction::Append | EditAction::AddIfAbsent => {}
            }
            fields.push(name, value);
        }
    }
}

/// What the levels of the configuration change, in their order: Envoy begins with the most
/// special one (the weighted cluster, the route, the virtual host, the table).
#[derive(Debug, Clone, Default)]
pub(crate) struct HeaderLevels(Option<Arc<[Arc<HeaderEdits>]>>);

impl HeaderLevels {
    /// These, in that order.
    pub fn new(levels: impl IntoIterator<Item = Arc<HeaderEdits>>) -> Self {
        let levels: Arc<[_]> = levels
            .into_iter()
            .filter(|level| !level.is_empty())
            .collect();
        Self((!levels.is_empty()).then_some(levels))
    }

    /// Changes the fields of a message.
    pub fn apply(&self, fields: &mut Fields) {
        for level in self.0.iter().flat_map(|levels| levels.iter()) {
            level.apply(fields);
        }
    }
}

fn checked_name(name: &str) -> Result<Box<[u8]>, BadEdit> {
    let lower = name.to_ascii_lowercase();
    if lower.starts_with(':') || FieldName::of(lower.as_bytes()).is_reserved() {
        return Err(BadEdit::Reserved(name.to_owned()));
    }
    if !is_token(lower.as_bytes()) {
        return Err(BadEdit::Name(name.to_owned()));
    }
    Ok(lower.into_bytes().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(list: &[(&str, &str)]) -> Fields {
        let mut fields = Fields::default();
        for (name, value) in list {
            fields.push(name.as_bytes(), value.as_bytes());
        }
        fields
    }

    fn list(fields: &Fields) -> Vec<String> {
        let text = |text: &[u8]| String::from_utf8_lossy(text).into_owned();
        let line = |(name, value)| format!("{}: {}", text(name), text(value));
        fields.iter().map(line).collect()
    }

    #[test]
    fn removes_and_then_writes() {
        let mut edits = HeaderEdits::default();
        edits.write("X-A", "3", EditAction::Append).unwrap();
        edits.write("x-b", "new", EditAction::Set).unwrap();
        edits.write("x-c", "no", EditAction::AddIfAbsent).unwrap();
        edits.write("x-d", "yes", EditAction::AddIfAbsent).unwrap();
        edits.write("x-e", "no", EditAction::SetIfPresent).unwrap();
        edits.write("x-c", "yes", EditAction::SetIfPresent).unwrap();
        edits.remove("X-A").unwrap();
        let mut fields = fields(&[("x-a", "1"), ("x-b", "1"), ("x-b", "2"), ("x-c", "1")]);
        edits.apply(&mut fields);
        let expected = ["x-a: 3", "x-b: new", "x-d: yes", "x-c: yes"];
        assert_eq!(list(&fields), expected);
    }

    #[test]
    fn levels_are_applied_in_their_order() {
        let level = |value| {
            let mut edits = HeaderEdits::default();
            edits.write("x", value, EditAction::Append).unwrap();
            Arc::new(edits)
        };
        let levels = HeaderLevels::new([level("weight"), Arc::default(), level("route")]);
        let mut fields = Fields::default();
        levels.apply(&mut fields);
        assert_eq!(list(&fields), ["x: weight", "x: route"]);
        assert_eq!(levels.0.map(|levels| levels.len()), Some(2));
    }

    #[test]
    fn refuses_what_frames_messages() {
        let mut edits = HeaderEdits::default();
        for name in [
            "Content-Length",
            "transfer-encoding",
            "connection",
            ":path",
            "host",
            "te",
        ] {
            let reserved = BadEdit::Reserved(name.to_owned());
            assert_eq!(edits.remove(name), Err(reserved.clone()));
            assert_eq!(edits.write(name, "1", EditAction::Set), Err(reserved));
        }
        for name in ["", "a b", "a:"] {
            assert_eq!(edits.remove(name), Err(BadEdit::Name(name.to_owned())));
        }
        for value in ["a\r\nb: c", "a\0", " a"] {
            let bad = BadEdit::Value("x".to_owned());
            assert_eq!(edits.write("x", value, EditAction::Append), Err(bad));
        }
        assert!(edits.is_empty());
    }
}
