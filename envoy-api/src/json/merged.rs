//! How an encoded message becomes a tree: what comes more than once is merged as decoders do it.

#[cfg(test)]
mod tests;

use std::{borrow::Cow, str};

use super::tree::{Broken, MAX_VALUES, Tree, Value};
use crate::{
    schema::{Field, Kind, Label, Message},
    wire::{self, Fields, MAX_DEPTH, Malformed, WireType},
};

/// How many values were read.
#[derive(Debug, Default)]
pub(super) struct Count(usize);

impl Count {
    fn one(&mut self) -> Result<(), Broken> {
        self.0 += 1;
        if self.0 > MAX_VALUES {
            return Err(Broken::Values);
        }
        Ok(())
    }
}

impl<'a> Tree<'a> {
    /// Reads a message that is inside of so many others.
    pub(super) fn read(
        schema: &'static Message,
        message: &'a [u8],
        depth: usize,
        count: &mut Count,
    ) -> Result<Self, Broken> {
        let mut tree = Self::empty(schema);
        tree.merge(message, depth, count)?;
        Ok(tree)
    }

    fn merge(&mut self, message: &'a [u8], depth: usize, count: &mut Count) -> Result<(), Broken> {
        if depth > MAX_DEPTH {
            return Err(Malformed::Depth.into());
        }
        for field in Fields::and_groups_of(message, depth) {
            let (number, value) = field?;
            if let Some(field) = self.schema.field(number) {
                self.merge_field(field, value, depth, count)?;
            }
        }
        Ok(())
    }

    fn merge_field(
        &mut self,
        field: &'static Field,
        value: wire::Value<'a>,
        depth: usize,
        count: &mut Count,
    ) -> Result<(), Broken> {
        count.one()?;
        if matches!(field.label, Label::Oneof(_)) {
            self.fields
                .retain(|(other, _)| other.label != field.label || other.number == field.number);
        }
        let index = match self.find(field.number) {
            Ok(index) => index,
            Err(index) => {
                if self.fields.is_empty() {
                    self.fields.reserve_exact(1);
                }
                self.fields.insert(index, (field, Value::none(field)));
                index
            }
        };
        let known = &mut self.fields[index].1;
        match (known, value, packed_as(field.kind)) {
            (Value::Map(entries), wire::Value::Bytes(entry), _) => {
                push(entries, read_entry(field, entry, depth + 1, count)?);
            }
            (Value::List(values), wire::Value::Bytes(numbers), Some(wire_type)) => {
                for number in wire::packed(numbers, wire_type) {
                    count.one()?;
                    push(values, Value::number(field, number?)?);
                }
            }
            (Value::List(values), value, _) => {
                let mut one = Value::default_of(field.kind);
                one.merge(field, value, depth, count)?;
                push(values, one);
            }
            (known, value, _) => known.merge(field, value, depth, count)?,
        }
        Ok(())
    }
}

impl<'a> Value<'a> {
    /// Takes one more value of the field: messages are merged, of others the last one counts.
    fn merge(
        &mut self,
        field: &'static Field,
        value: wire::Value<'a>,
        depth: usize,
        count: &mut Count,
    ) -> Result<(), Broken> {
        match (self, value) {
            (Self::Message(tree), wire::Value::Bytes(message)) => {
                tree.merge(message, depth + 1, count)
            }
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
            (Kind::Enum(index), Varint(number)) => Self::Enum(number as i32, index),
            (Kind::Fixed32, Fixed32(number)) => Self::Uint32(number),
            (Kind::Float, Fixed32(bits)) => Self::Float(f32::from_bits(bits).into()),
            (Kind::Double, Fixed64(bits)) => Self::Float(f64::from_bits(bits)),
            _ => return Err(Broken::Kind(field.name)),
        })
    }
}

/// An entry of a map, with its key as JSON has it. It is a message that is inside of so many others.
fn read_entry<'a>(
    map: &'static Field,
    entry: &'a [u8],
    depth: usize,
    count: &mut Count,
) -> Result<(Cow<'a, str>, Value<'a>), Broken> {
    let schema = map.message().ok_or(Broken::Kind(map.name))?;
    let mut tree = Tree::read(schema, entry, depth, count)?;
    let key = match tree.take(1) {
        Some(Value::Bool(key)) => key.to_string().into(),
        Some(Value::Int32(key)) => key.to_string().into(),
        Some(Value::Uint32(key)) => key.to_string().into(),
        Some(Value::Int64(key)) => key.to_string().into(),
        Some(Value::Uint64(key)) => key.to_string().into(),
        Some(Value::Text(key)) => key.into(),
        _ => return Err(Broken::Kind(map.name)),
    };
    let value = tree.take(2).ok_or(Broken::Kind(map.name))?;
    Ok((key, value))
}

/// How numbers of a kind are written when they are packed.
fn packed_as(kind: Kind) -> Option<WireType> {
    match kind {
        Kind::Double | Kind::Fixed64 => Some(WireType::FIXED64),
        Kind::Float | Kind::Fixed32 => Some(WireType::FIXED32),
        Kind::String | Kind::Bytes | Kind::Message(_) => None,
        _ => Some(WireType::VARINT),
    }
}

/// Appends to what mostly has one value, without the place for four that it would get.
fn push<T>(values: &mut Vec<T>, value: T) {
    if values.is_empty() {
        values.reserve_exact(1);
    }
    values.push(value);
}
