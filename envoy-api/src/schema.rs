//! What this crate's messages have: their fields' names, numbers and kinds. These are tables
//! in the binary, so that a process which looks something up in them builds nothing.

/// A message.
#[derive(Debug)]
pub(crate) struct Message {
    /// Its full name.
    pub(crate) name: &'static str,
    /// By number.
    pub(crate) fields: &'static [Field],
}

/// A field of a message.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) number: u32,
    /// Its name as in Envoy's API.
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) label: Label,
}

/// What a field's values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Double,
    Float,
    Int32,
    Int64,
    Uint32,
    Uint64,
    Fixed32,
    Fixed64,
    Bool,
    String,
    Bytes,
    /// One of the messages, by its index.
    Message(u16),
    /// One of the enums, by its index.
    Enum(u16),
}

/// How many values a field has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Label {
    /// One, and none is the same as its default.
    Implicit,
    /// One or none.
    Explicit,
    /// One or none, and none if another field of the same oneof has one.
    Oneof(u8),
    /// Any number.
    List,
    /// Any number, each of them a message with a key (field 1) and a value (field 2).
    Map,
}

/// The names of an enum's numbers, by number.
type Enum = &'static [(i32, &'static str)];

/// What `tests/generated` writes.
#[allow(clippy::all, clippy::pedantic)]
mod tables {
    use super::{Enum, Field, Kind, Label, Message};

    include!("gen/schema.rs");
}

/// The message of this full name.
pub(crate) fn message(name: &str) -> Option<&'static Message> {
    let found = tables::MESSAGES.binary_search_by_key(&name, |message| message.name);
    found.ok().and_then(|index| tables::MESSAGES.get(index))
}

impl Message {
    /// The field of this number.
    pub(crate) fn field(&self, number: u32) -> Option<&'static Field> {
        let found = self
            .fields
            .binary_search_by_key(&number, |field| field.number);
        found.ok().and_then(|index| self.fields.get(index))
    }
}

impl Field {
    /// The message that its values are.
    pub(crate) fn message(&self) -> Option<&'static Message> {
        match self.kind {
            Kind::Message(index) => Some(message_at(index)),
            _ => None,
        }
    }

    /// Whether there can be several values.
    pub(crate) fn is_repeated(&self) -> bool {
        matches!(self.label, Label::List | Label::Map)
    }
}

/// The message of this index, which a [`Kind`] has.
pub(crate) fn message_at(index: u16) -> &'static Message {
    &tables::MESSAGES[usize::from(index)]
}

/// What the enum of this index, which a [`Kind`] has, calls a number.
pub(crate) fn value_name(index: u16, number: i32) -> Option<&'static str> {
    let values = tables::ENUMS[usize::from(index)];
    let found = values.binary_search_by_key(&number, |(number, _)| *number);
    let (_, name) = values.get(found.ok()?)?;
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_sorted_and_refer_to_what_is_there() {
        assert!(tables::MESSAGES.is_sorted_by(|one, next| one.name < next.name));
        for message in &tables::MESSAGES {
            let fields = message.fields;
            assert!(
                fields.is_sorted_by(|one, next| one.number < next.number),
                "{}",
                message.name
            );
            for field in fields {
                match field.kind {
                    Kind::Message(index) => assert!(!message_at(index).name.is_empty()),
                    // The first value of an enum is 0, in proto3.
                    Kind::Enum(index) => assert!(value_name(index, 0).is_some(), "{field:?}"),
                    _ => {}
                }
            }
        }
        for values in tables::ENUMS {
            assert!(values.is_sorted_by(|(one, _), (next, _)| one < next));
        }
    }

    #[test]
    fn finds_fields_by_number_and_enums_by_value() {
        let cluster = message("envoy.config.cluster.v3.Cluster").unwrap();
        let discovery = cluster.field(2).unwrap();
        assert_eq!(discovery.name, "type");
        let Kind::Enum(index) = discovery.kind else {
            panic!("{discovery:?}");
        };
        assert_eq!(value_name(index, 3), Some("EDS"));
        assert_eq!(value_name(index, 77), None);
        let timeout = cluster.field(4).unwrap().message().unwrap();
        assert_eq!(timeout.name, "google.protobuf.Duration");
        assert!(cluster.field(99_999).is_none());
        assert!(message("envoy.config.cluster.v3.Clusters").is_none());
    }

    /// Each process that reads configuration has them.
    #[test]
    fn tables_are_small() {
        assert!(size_of::<Field>() <= 32);
        assert!(size_of::<Message>() <= 32);
    }
}
