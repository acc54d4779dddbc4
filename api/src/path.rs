//! The place of a field in an object.

use std::fmt;

/// The longest part of a key from outside that is repeated in a message, in characters.
const LONGEST_KEY: usize = 64;

/// One step into an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Segment {
    /// A field of a struct.
    Field(String),
    /// A key of a map.
    Key(String),
    /// An element of a list.
    Index(usize),
}

impl From<&str> for Segment {
    fn from(name: &str) -> Self {
        Self::Field(shortened(name))
    }
}

impl From<usize> for Segment {
    fn from(index: usize) -> Self {
        Self::Index(index)
    }
}

impl Segment {
    /// A key of a map.
    pub(crate) fn key(name: &str) -> Self {
        Self::Key(shortened(name))
    }
}

/// The steps from the object to a field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Path(pub(crate) Vec<Segment>);

impl fmt::Display for Path {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Field(name) if position == 0 => write!(formatter, "{name}")?,
                Segment::Field(name) => write!(formatter, ".{name}")?,
                Segment::Key(key) => write!(formatter, "[{key}]")?,
                Segment::Index(index) => write!(formatter, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// A text from outside as messages repeat it: not too long, and without control characters.
pub(crate) fn shortened(text: &str) -> String {
    let mut characters = text.chars().map(|character| {
        if character.is_control() {
            '\u{fffd}'
        } else {
            character
        }
    });
    let mut result: String = characters.by_ref().take(LONGEST_KEY).collect();
    if characters.next().is_some() {
        result.push('…');
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_like_a_path_of_kubernetes() {
        let path = Path(vec![
            "spec".into(),
            "http".into(),
            0.into(),
            "headers".into(),
            Segment::key("end-user"),
        ]);
        assert_eq!(path.to_string(), "spec.http[0].headers[end-user]");
    }

    #[test]
    fn shortens_what_comes_from_outside() {
        assert_eq!(shortened(&"é".repeat(65)), format!("{}…", "é".repeat(64)));
        assert_eq!(shortened("a\nb"), "a\u{fffd}b");
    }
}
