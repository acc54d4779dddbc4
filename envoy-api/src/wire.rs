//! Encoded messages, field by field: Protocol Buffers' wire format, without copying.

/// What is wrong with an encoded message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Malformed {
    #[error("it ends within a field")]
    Truncated,
    #[error("a number has more than ten bytes")]
    Varint,
    #[error("a field's number is zero or too large")]
    FieldNumber,
    #[error("wire type {0} is not used by proto3")]
    WireType(u64),
}

/// A field's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    /// A number, a boolean or an enum.
    Varint(u64),
    /// A number of four or eight bytes.
    Fixed,
    /// A string, bytes, a message, or packed numbers.
    Bytes(&'a [u8]),
}

/// The fields of an encoded message, in their order. Ends after the first error.
#[derive(Debug)]
pub(crate) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(crate) fn of(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    fn field(&mut self) -> Result<(u32, Value<'a>), Malformed> {
        let key = self.varint()?;
        // The largest number that Protocol Buffers allow has 29 bits.
        let number = u32::try_from(key >> 3)
            .ok()
            .filter(|number| (1..1 << 29).contains(number))
            .ok_or(Malformed::FieldNumber)?;
        let value = match key & 7 {
            0 => Value::Varint(self.varint()?),
            1 => self.take(8).map(|_| Value::Fixed)?,
            2 => {
                let length = self.varint()?;
                let length = usize::try_from(length).map_err(|_| Malformed::Truncated)?;
                Value::Bytes(self.take(length)?)
            }
            5 => self.take(4).map(|_| Value::Fixed)?,
            other => return Err(Malformed::WireType(other)),
        };
        Ok((number, value))
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
        // Of the tenth byte, one bit counts; the others are dropped, as decoders do.
        number |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Ok((number, index + 1));
        }
    }
    Err(if bytes.len() < 10 {
        Malformed::Truncated
    } else {
        Malformed::Varint
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
                (3, Value::Fixed),
                (4, Value::Fixed),
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
}
