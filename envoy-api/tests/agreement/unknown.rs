//! What a message has that our types lack, by prost-reflect's descriptors.

use pillion_envoy_api::MAX_PATHS;
use prost::{
    bytes::Buf as _,
    encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field},
};
use prost_reflect::{Kind, MessageDescriptor};

use super::by_url;

enum Value<'a> {
    Varint(u64),
    Fixed,
    Bytes(&'a [u8]),
    Group,
}

/// The paths, if the bytes are a message.
pub fn of(message: &MessageDescriptor, bytes: &[u8]) -> Option<Vec<String>> {
    let mut found = Vec::new();
    walk(message, bytes, "", &mut found)?;
    found.truncate(MAX_PATHS);
    Some(found)
}

fn walk(
    message: &MessageDescriptor,
    bytes: &[u8],
    path: &str,
    found: &mut Vec<String>,
) -> Option<()> {
    if message.full_name() == "google.protobuf.Any" {
        return any(bytes, path, found);
    }
    let report = |found: &mut Vec<String>, name: &str| {
        let path = format!("{path}{name}");
        if !found.contains(&path) {
            found.push(path);
        }
    };
    let fields = fields(bytes)?;
    if fields
        .iter()
        .any(|(_, value)| matches!(value, Value::Group))
    {
        return None;
    }
    for (index, (number, value)) in fields.iter().enumerate() {
        let Some(field) = message.get_field(*number) else {
            report(found, &format!("#{number}"));
            continue;
        };
        match (field.kind(), value) {
            (Kind::Message(inner), Value::Bytes(bytes)) => {
                let mut name = field.name().to_owned();
                if field.is_list() || field.is_map() {
                    let before = fields[..index].iter();
                    let before = before.filter(|(other, value)| {
                        other == number && matches!(value, Value::Bytes(_))
                    });
                    name += &format!("[{}]", before.count());
                }
                walk(&inner, bytes, &format!("{path}{name}."), found)?;
            }
            (Kind::Enum(values), value) => {
                let numbers = match value {
                    Value::Varint(number) => vec![*number],
                    Value::Bytes(packed) if field.is_list() => numbers(packed)?,
                    _ => Vec::new(),
                };
                for number in numbers {
                    let number = number as i32;
                    if values.get_value(number).is_none() {
                        report(found, &format!("{}={number}", field.name()));
                    }
                }
            }
            _ => {}
        }
    }
    Some(())
}

fn any(bytes: &[u8], path: &str, found: &mut Vec<String>) -> Option<()> {
    let (mut type_url, mut message) = (&b""[..], &b""[..]);
    for (number, value) in fields(bytes)? {
        match (number, value) {
            (_, Value::Group) => return None,
            (1, Value::Bytes(bytes)) => type_url = bytes,
            (2, Value::Bytes(bytes)) => message = bytes,
            _ => {}
        }
    }
    match str::from_utf8(type_url).ok().and_then(by_url) {
        Some(inner) => walk(&inner, message, path, found),
        None => Some(()),
    }
}

/// Packed numbers, unless one is malformed.
fn numbers(mut bytes: &[u8]) -> Option<Vec<u64>> {
    let mut numbers = Vec::new();
    while !bytes.is_empty() {
        numbers.push(decode_varint(&mut bytes).ok()?);
    }
    Some(numbers)
}

/// Whether all fields can be read, and each map has nothing but entries: prost-reflect takes numbers
/// for the lengths of some, and what follows for something else. prost refuses them.
pub fn has_entries_only(message: &MessageDescriptor, bytes: &[u8]) -> bool {
    let is_good = |number, value| {
        let Some(field) = message.get_field(number) else {
            return true;
        };
        match (field.kind(), value) {
            (Kind::Message(inner), Value::Bytes(bytes)) => has_entries_only(&inner, bytes),
            _ => !field.is_map(),
        }
    };
    fields(bytes).is_some_and(|fields| {
        let mut fields = fields.into_iter();
        fields.all(|(number, value)| is_good(number, value))
    })
}

/// All fields, unless one is malformed.
fn fields(mut bytes: &[u8]) -> Option<Vec<(u32, Value<'_>)>> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let (number, wire_type) = decode_key(&mut bytes).ok()?;
        let value = match wire_type {
            WireType::Varint => Value::Varint(decode_varint(&mut bytes).ok()?),
            WireType::SixtyFourBit => {
                bytes.try_get_u64_le().ok()?;
                Value::Fixed
            }
            WireType::ThirtyTwoBit => {
                bytes.try_get_u32_le().ok()?;
                Value::Fixed
            }
            WireType::LengthDelimited => {
                let length = usize::try_from(decode_varint(&mut bytes).ok()?).ok()?;
                let (value, rest) = bytes.split_at_checked(length)?;
                bytes = rest;
                Value::Bytes(value)
            }
            WireType::StartGroup => {
                skip_field(wire_type, number, &mut bytes, DecodeContext::default()).ok()?;
                Value::Group
            }
            WireType::EndGroup => return None,
        };
        fields.push((number, value));
    }
    Some(fields)
}
