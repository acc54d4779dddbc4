//! Messages as trees, whose strings and bytes are those of the encoded message. What comes more
//! than once is merged as decoders do it.

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, str};

use crate::{
    schema::{self, Field, Kind, Label, Message},
    wire::{self, Fields, MAX_DEPTH, Malformed, WireType},
};

/// Why bytes are no message of their type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Broken {
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error("{0} is not UTF-8")]
    Utf8(&'static str),
    #[error("{0} has a value of another kind")]
    Kind(&'static str),
}

/// A message.
#[derive(Debug)]
pub(super) struct Tree<'a> {
    pub(super) schema: &'static Message,
    /// Those that were met, by number.
    fields: Vec<(&'static Field, Value<'a>)>,
}

/// The value of a field.
#[derive(Debug)]
pub(super) enum Value<'a> {
    Bool(bool),
    Int32(i32),
    Uint32(u32),
    Int64(i64),
    Uint64(u64),
    Float(f64),
    /// A number, and the enum that it is of.
    Enum(i32, u16),
    Text(&'a str),
    Bytes(&'a [u8]),
    Message(Tree<'a>),
    List(Vec<Value<'a>>),
    /// By keys as JSON has them.
    Map(BTreeMap<String, Value<'a>>),
}

impl<'a> Tree<'a> {
    /// Reads a message that is inside of so many others.
    pub(super) fn read(
        schema: &'static Message,
        message: &'a [u8],
        depth: usize,
    ) -> Result<Self, Broken> {
        let mut tree = Self::empty(schema);
        tree.merge(message, depth)?;
        Ok(tree)
    }

    fn empty(schema: &'static Message) -> Self {
        Self {
            schema,
            fields: Vec::new(),
        }
    }

    /// The fields that are set, by number.
    pub(super) fn into_fields(self) -> impl Iterator<Item = (&'static Field, Value<'a>)> {
        let fields = self.fields.into_iter();
        fields.filter(|(field, value)| match field.label {
            Label::Explicit | Label::Oneof(_) => true,
            Label::Implicit | Label::List | Label::Map => !value.is_default(),
        })
    }

    /// Takes out what a field has, or its default. There is none if there is no such field.
    pub(super) fn take(&mut self, number: u32) -> Option<Value<'a>> {
        match self.find(number) {
            Ok(index) => Some(self.fields.remove(index).1),
            Err(_) => self.schema.field(number).map(Value::none),
        }
    }

    fn find(&self, number: u32) -> Result<usize, usize> {
        self.fields
            .binary_search_by_key(&number, |(field, _)| field.number)
    }

    fn merge(&mut self, message: &'a [u8], depth: usize) -> Result<(), Broken> {
        if depth > MAX_DEPTH {
            return Err(Malformed::Depth.into());
        }
        for field in Fields::and_groups_of(message, depth) {
            let (number, value) = field?;
            if let Some(field) = self.schema.field(number) {
                self.merge_field(field, value, depth)?;
            }
        }
        Ok(())
    }

    fn merge_field(
        &mut self,
        field: &'static Field,
        value: wire::Value<'a>,
        depth: usize,
    ) -> Result<(), Broken> {
        if matches!(field.label, Label::Oneof(_)) {
            self.fields
                .retain(|(other, _)| other.label != field.label || other.number == field.number);
        }
        let index = match self.find(field.number) {
            Ok(index) => index,
            Err(index) => {
                self.fields.insert(index, (field, Value::none(field)));
                index
            }
        };
        let known = &mut self.fields[index].1;
        match (known, value, packed_as(field.kind)) {
            (Value::Map(entries), wire::Value::Bytes(entry), _) => {
                let (key, value) = read_entry(field, entry, depth)?;
                entries.insert(key, value);
            }
            (Value::List(values), wire::Value::Bytes(numbers), Some(wire_type)) => {
                for number in wire::packed(numbers, wire_type) {
                    values.push(Value::number(field, number?)?);
                }
            }
            (Value::List(values), value, _) => {
                let mut one = Value::default_of(field.kind);
                one.merge(field, value, depth)?;
                values.push(one);
            }
            (known, value, _) => known.merge(field, value, depth)?,
        }
        Ok(())
    }
}

/// An entry of a map, which is a message without depth of its own.
fn read_entry<'a>(
    map: &'static Field,
    entry: &'a [u8],
    depth: usize,
) -> Result<(String, Value<'a>), Broken> {
    let schema = map.message().ok_or(Broken::Kind(map.name))?;
    let mut tree = Tree::read(schema, entry, depth)?;
    let key = match tree.take(1) {
        Some(Value::Bool(key)) => key.to_string(),
        Some(Value::Int32(key)) => key.to_string(),
        Some(Value::Uint32(key)) => key.to_string(),
        Some(Value::Int64(key)) => key.to_string(),
        Some(Value::Uint64(key)) => key.to_string(),
        Some(Value::Text(key)) => key.to_owned(),
        _ => return Err(Broken::Kind(map.name)),
    };
    let value = tree.take(2).ok_or(Broken::Kind(map.name))?;
    Ok((key, value))
}

/// How numbers of a kind are written when they are packed.
fn packed_as(kind: Kind) -> Option<WireType> {
    match kind {
        Kind::Double | Kind::Fixed64 | Kind::Sfixed64 => Some(WireType::FIXED64),
        Kind::Float | Kind::Fixed32 | Kind::Sfixed32 => Some(WireType::FIXED32),
        Kind::String | Kind::Bytes | Kind::Message(_) => None,
        _ => Some(WireType::VARINT),
    }
}

impl<'a> Value<'a> {
    /// What a field has before anything of it was met.
    fn none(field: &Field) -> Self {
        match field.label {
            Label::List => Self::List(Vec::new()),
            Label::Map => Self::Map(BTreeMap::new()),
            _ => Self::default_of(field.kind),
        }
    }

    fn default_of(kind: Kind) -> Self {
        match kind {
            Kind::Bool => Self::Bool(false),
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Self::Int32(0),
            Kind::Uint32 | Kind::Fixed32 => Self::Uint32(0),
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Self::Int64(0),
            Kind::Uint64 | Kind::Fixed64 => Self::Uint64(0),
            Kind::Double | Kind::Float => Self::Float(0.0),
            Kind::Enum(index) => Self::Enum(0, index),
            Kind::String => Self::Text(""),
            Kind::Bytes => Self::Bytes(b""),
            Kind::Message(index) => Self::Message(Tree::empty(schema::message_at(index))),
        }
    }

    fn is_default(&self) -> bool {
        match self {
            Self::Bool(value) => !value,
            Self::Int32(value) | Self::Enum(value, _) => *value == 0,
            Self::Uint32(value) => *value == 0,
            Self::Int64(value) => *value == 0,
            Self::Uint64(value) => *value == 0,
            Self::Float(value) => *value == 0.0,
            Self::Text(value) => value.is_empty(),
            Self::Bytes(value) => value.is_empty(),
            Self::Message(_) => false,
            Self::List(values) => values.is_empty(),
            Self::Map(entries) => entries.is_empty(),
        }
    }

    /// Takes one more value of the field: messages are merged, of others the last one counts.
    fn merge(
        &mut self,
        field: &'static Field,
        value: wire::Value<'a>,
        depth: usize,
    ) -> Result<(), Broken> {
        match (self, value) {
            (Self::Message(tree), wire::Value::Bytes(message)) => tree.merge(message, depth + 1),
            (known, wire::Value::Bytes(bytes)) => {
                *known = match field.kind {
                    Kind::String => {
                        let text = str::from_utf8(bytes);
                        Self::Text(text.map_err(|_| Broken::Utf8(field.name))?)
                    }
                    Kind::Bytes => Self::Bytes(bytes),
                    _ => return Err(Broken::Kind(field.name)),
                };
                Ok(())
            }
            (known, value) => {
                *known = Self::number(field, value)?;
                Ok(())
            }
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "decoders truncate, too")]
    fn number(field: &'static Field, value: wire::Value<'_>) -> Result<Self, Broken> {
        use wire::Value::{Fixed32, Fixed64, Varint};
        Ok(match (field.kind, value) {
            (Kind::Bool, Varint(number)) => Self::Bool(number != 0),
            (Kind::Int32, Varint(number)) => Self::Int32(number as i32),
            (Kind::Uint32, Varint(number)) => Self::Uint32(number as u32),
            (Kind::Int64, Varint(number)) => Self::Int64(number.cast_signed()),
            (Kind::Uint64, Varint(number)) | (Kind::Fixed64, Fixed64(number)) => {
                Self::Uint64(number)
            }
            (Kind::Sint32, Varint(number)) => Self::Int32(zigzag(number & 0xffff_ffff) as i32),
            (Kind::Sint64, Varint(number)) => Self::Int64(zigzag(number)),
            (Kind::Enum(index), Varint(number)) => Self::Enum(number as i32, index),
            (Kind::Fixed32, Fixed32(number)) => Self::Uint32(number),
            (Kind::Sfixed32, Fixed32(number)) => Self::Int32(number.cast_signed()),
            (Kind::Sfixed64, Fixed64(number)) => Self::Int64(number.cast_signed()),
            (Kind::Float, Fixed32(bits)) => Self::Float(f32::from_bits(bits).into()),
            (Kind::Double, Fixed64(bits)) => Self::Float(f64::from_bits(bits)),
            _ => return Err(Broken::Kind(field.name)),
        })
    }
}

/// 0, -1, 1, -2 …, which are written as 0, 1, 2, 3 ….
fn zigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
}
