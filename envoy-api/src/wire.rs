//! Encoded messages, field by field: Protocol Buffers' wire format, without copying.

use std::iter;

/// The most messages inside one another, as prost has it.
pub(crate) const MAX_DEPTH: usize = 100;

/// What is wrong with an encoded message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Malformed {
    #[error("it ends within a field")]
    Truncated,
    #[error("a number has more than 64 bits")]
    Varint,
    #[error("a field's number is zero or too large")]
    FieldNumber,
    #[error("wire type {0} is not used by proto3")]
    WireType(u64),
    #[error("messages are nested more than {MAX_DEPTH} deep")]
    Depth,
}

/// A field's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    /// A number, a boolean or an enum.
    Varint(u64),
    /// A number of four bytes.
    Fixed32(u32),
    /// A number of eight bytes.
    Fixed64(u64),
    /// A string, bytes, a message, or packed numbers.
    Bytes(&'a [u8]),
    /// A message between two marks, as proto2 had them.
    Group,
}

/// How a value is written: what a field's key says beside its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WireType(u64);

impl WireType {
    pub(crate) const VARINT: Self = Self(0);
    pub(crate) const FIXED64: Self = Self(1);
    pub(crate) const FIXED32: Self = Self(5);
}

/// The fields of an encoded message, in their order. Ends after the first error.
#[derive(Debug)]
pub(crate) struct Fields<'a> {
    rest: &'a [u8],
    /// How deep the message is, if groups may be in it.
    groups: Option<usize>,
}

impl<'a> Fields<'a> {
    /// Those of a message that has no groups.
    pub(crate) fn of(message: &'a [u8]) -> Self {
        Self {
            rest: message,
            groups: None,
        }
    }

    /// Those of a message that is so deep inside of others, and may have groups.
    pub(crate) fn and_groups_of(message: &'a [u8], depth: usize) -> Self {
        Self {
            rest: message,
            groups: Some(depth),
        }
    }

    fn field(&mut self) -> Result<(u32, Value<'a>), Malformed> {
        let (number, wire_type) = self.key()?;
        let value = match (wire_type, self.groups) {
            (3, Some(depth)) => self.group(number, depth).map(|()| Value::Group)?,
            _ => self.value(wire_type)?,
        };
        Ok((number, value))
    }

    /// A field's number, and the type of what follows.
    fn key(&mut self) -> Result<(u32, u64), Malformed> {
        let key = self.varint()?;
        // The largest number that Protocol Buffers allow has 29 bits.
        let number = u32::try_from(key >> 3)
            .ok()
            .filter(|number| (1..1 << 29).contains(number))
            .ok_or(Malformed::FieldNumber)?;
        Ok((number, key & 7))
    }

    fn value(&mut self, wire_type: u64) -> Result<Value<'a>, Malformed> {
        Ok(match wire_type {
            0 => Value::Varint(self.varint()?),
            1 => Value::Fixed64(u64::from_le_bytes(self.array()?)),
            2 => {
                let length = self.varint()?;
                let length = usize::try_from(length).map_err(|_| Malformed::Truncated)?;
                Value::Bytes(self.take(length)?)
            }
            5 => Value::Fixed32(u32::from_le_bytes(self.array()?)),
            other => return Err(Malformed::WireType(other)),
        })
    }

    /// Passes a group by, up to its end.
    fn group(&mut self, number: u32, depth: usize) -> Result<(), Malformed> {
        if depth >= MAX_DEPTH {
            return Err(Malformed::Depth);
        }
        loop {
            let (inner, wire_type) = self.key()?;
            match wire_type {
                3 => self.group(inner, depth + 1)?,
                4 if inner == number => return Ok(()),
                _ => self.value(wire_type).map(|_| ())?,
            }
        }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (array, rest) = self.rest.split_first_chunk().ok_or(Malformed::Truncated)?;
        self.rest = rest;
        Ok(*array)
    }

    fn varint(&mut self) -> Result<u64, Malformed> {
        let (number, length) = varint(self.rest)?;
        self.rest = &self.rest[length..];
        Ok(number)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self
            .rest
            .split_at_checked(length)
            .ok_or(Malformed::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }
}

/// The number at the start of these bytes, and how many of them it has.
fn varint(bytes: &[u8]) -> Result<(u64, usize), Malformed> {
    let mut number = 0;
    for (index, byte) in bytes.iter().take(10).enumerate() {
        // 64 bits have place for one bit of the tenth byte.
        if index == 9 && *byte > 1 {
            return Err(Malformed::Varint);
        }
        number |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Ok((number, index + 1));
        }
    }
    Err(Malformed::Truncated)
}

/// The numbers of a packed field. Ends after the first error.
pub(crate) fn packed(
    bytes: &[u8],
    WireType(wire_type): WireType,
) -> impl Iterator<Item = Result<Value<'_>, Malformed>> {
    let mut numbers = Fields::of(bytes);
    iter::from_fn(move || {
        if numbers.rest.is_empty() {
            return None;
        }
        let number = numbers.value(wire_type);
        if number.is_err() {
            numbers.rest = &[];
        }
        Some(number)
    })
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u32, Value<'a>), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.rest = &[];
        }
        Some(field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Vec<(u32, Value<'_>)>, Malformed> {
        Fields::of(bytes).collect()
    }

    #[test]
    fn reads_each_kind_of_field() {
        let bytes = [
            &[0x08, 0x96, 0x01][..],
            &[0x12, 0x02, b'h', b'i'],
            &[0x1d, 1, 2, 3, 4],
            &[0x21, 1, 2, 3, 4, 5, 6, 7, 8],
        ]
        .concat();
        assert_eq!(
            read(&bytes).unwrap(),
            [
                (1, Value::Varint(150)),
                (2, Value::Bytes(b"hi")),
                (3, Value::Fixed32(0x0403_0201)),
                (4, Value::Fixed64(0x0807_0605_0403_0201)),
            ]
        );
    }

    #[test]
    fn refuses_what_ends_too_soon() {
        for bytes in [
            &[0x08][..],
            &[0x08, 0x80],
            &[0x12, 3, 1],
            &[0x1d, 1],
            &[0x21],
        ] {
            assert_eq!(read(bytes), Err(Malformed::Truncated), "{bytes:?}");
        }
    }

    #[test]
    fn refuses_a_length_that_no_memory_has() {
        let mut bytes = vec![0x12];
        bytes.extend([0xff; 9]);
        bytes.push(1);
        assert_eq!(read(&bytes), Err(Malformed::Truncated));
    }

    #[test]
    fn refuses_endless_numbers_groups_and_field_zero() {
        assert_eq!(read(&[0xff; 11]), Err(Malformed::Varint));
        assert_eq!(read(&[0x0b]), Err(Malformed::WireType(3)));
        assert_eq!(read(&[0x00, 0x00]), Err(Malformed::FieldNumber));
    }

    #[test]
    fn refuses_a_number_that_has_no_place_in_64_bits() {
        let number = |last: u8| [&[0x08][..], &[0xff; 9], &[last]].concat();
        assert_eq!(read(&number(1)).unwrap(), [(1, Value::Varint(u64::MAX))]);
        assert_eq!(read(&number(2)), Err(Malformed::Varint));
    }

    #[test]
    fn passes_groups_by_where_they_may_be() {
        let read = |bytes| Fields::and_groups_of(bytes, 0).collect::<Result<Vec<_>, _>>();
        // Group 1 with a number and group 2 in it, and field 3.
        let bytes = [0x0b, 0x08, 1, 0x13, 0x14, 0x0c, 0x18, 7];
        assert_eq!(
            read(&bytes).unwrap(),
            [(1, Value::Group), (3, Value::Varint(7))]
        );
        assert_eq!(read(&bytes[..5]), Err(Malformed::Truncated));
        assert_eq!(read(&[0x0b, 0x14]), Err(Malformed::WireType(4)));
        assert_eq!(read(&[0x0b; 101]), Err(Malformed::Depth));
    }

    #[test]
    fn reads_packed_numbers() {
        let read = |bytes, wire_type| packed(bytes, wire_type).collect::<Result<Vec<_>, _>>();
        assert_eq!(
            read(&[1, 0x96, 1], WireType::VARINT).unwrap(),
            [Value::Varint(1), Value::Varint(150)]
        );
        assert_eq!(
            read(&[1, 0, 0, 0], WireType::FIXED32).unwrap(),
            [Value::Fixed32(1)]
        );
        assert_eq!(read(&[1; 12], WireType::FIXED64), Err(Malformed::Truncated));
    }
}
