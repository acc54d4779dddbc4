//! The messages of `echo.proto` in protobuf's encoding.

use super::{Code, Status};

/// `EchoRequest`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// What comes back.
    pub message: String,
    /// How often, of a server stream.
    pub count: u32,
    /// How long each answer waits.
    pub delay_ms: u32,
    /// The status to end with.
    pub code: u32,
}

/// `EchoReply`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    pub message: String,
    pub instance: String,
    pub version: String,
}

impl Request {
    /// Reads one; fields that it doesn't know are skipped.
    pub fn decode(bytes: &[u8]) -> Result<Self, Status> {
        let mut request = Self::default();
        each_field(bytes, |number, value| {
            match (number, value) {
                (1, Value::Bytes(bytes)) => request.message = text(bytes)?,
                (2, Value::Number(count)) => request.count = truncated(count),
                (3, Value::Number(delay)) => request.delay_ms = truncated(delay),
                (4, Value::Number(code)) => request.code = truncated(code),
                _ => {}
            }
            Some(())
        })?;
        Ok(request)
    }

    /// Writes it.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_text(&mut out, 1, &self.message);
        put_number(&mut out, 2, self.count);
        put_number(&mut out, 3, self.delay_ms);
        put_number(&mut out, 4, self.code);
        out
    }
}

impl Reply {
    /// Reads one; fields that it doesn't know are skipped.
    pub fn decode(bytes: &[u8]) -> Result<Self, Status> {
        let mut reply = Self::default();
        each_field(bytes, |number, value| {
            match (number, value) {
                (1, Value::Bytes(bytes)) => reply.message = text(bytes)?,
                (2, Value::Bytes(bytes)) => reply.instance = text(bytes)?,
                (3, Value::Bytes(bytes)) => reply.version = text(bytes)?,
                _ => {}
            }
            Some(())
        })?;
        Ok(reply)
    }

    /// Writes it.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_text(&mut out, 1, &self.message);
        put_text(&mut out, 2, &self.instance);
        put_text(&mut out, 3, &self.version);
        out
    }
}

/// `HealthCheckResponse` with `SERVING`.
pub const SERVING: [u8; 2] = [8, 1];

enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    Fixed,
}

fn text(bytes: &[u8]) -> Option<String> {
    std::str::from_utf8(bytes).ok().map(str::to_owned)
}

/// As protobuf reads a number that is too large for its field.
fn truncated(number: u64) -> u32 {
    u32::try_from(number & u64::from(u32::MAX)).unwrap_or(u32::MAX)
}

/// Calls `take` with each field; it says none for a value that the field can't have.
fn each_field(
    bytes: &[u8],
    mut take: impl FnMut(u64, Value<'_>) -> Option<()>,
) -> Result<(), Status> {
    let mut rest = bytes;
    while !rest.is_empty() {
        field(&mut rest)
            .and_then(|(number, value)| take(number, value))
            .ok_or_else(|| {
                Status::new(
                    Code::InvalidArgument,
                    "the message is not one of echo.proto",
                )
            })?;
    }
    Ok(())
}

fn field<'a>(rest: &mut &'a [u8]) -> Option<(u64, Value<'a>)> {
    let tag = varint(rest)?;
    let value = match tag & 7 {
        0 => Value::Number(varint(rest)?),
        1 => rest.split_off(..8).map(|_| Value::Fixed)?,
        2 => {
            let length = usize::try_from(varint(rest)?).ok()?;
            Value::Bytes(rest.split_off(..length)?)
        }
        5 => rest.split_off(..4).map(|_| Value::Fixed)?,
        _ => return None,
    };
    (tag >> 3 > 0).then_some((tag >> 3, value))
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let byte = *rest.split_off_first()?;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn put_text(out: &mut Vec<u8>, field: u64, text: &str) {
    if !text.is_empty() {
        put_varint(out, field << 3 | 2);
        put_varint(out, text.len() as u64);
        out.extend_from_slice(text.as_bytes());
    }
}

fn put_number(out: &mut Vec<u8>, field: u64, number: u32) {
    if number != 0 {
        put_varint(out, field << 3);
        put_varint(out, number.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_what_protobuf_writes() {
        let request = Request {
            message: "hi".to_owned(),
            count: 300,
            ..Request::default()
        };
        assert_eq!(request.encode(), [0x0a, 2, b'h', b'i', 0x10, 0xac, 0x02]);
    }

    #[test]
    fn reads_what_it_writes() {
        let request = Request {
            message: "é".repeat(100),
            count: u32::MAX,
            delay_ms: 1,
            code: 14,
        };
        assert_eq!(Request::decode(&request.encode()), Ok(request));
        let reply = Reply {
            message: "a".to_owned(),
            instance: String::new(),
            version: "v1".to_owned(),
        };
        assert_eq!(Reply::decode(&reply.encode()), Ok(reply));
    }

    #[test]
    fn skips_fields_that_it_does_not_know() {
        let bytes = [
            0x78, 1, 0x7a, 1, 0, 0x79, 0, 0, 0, 0, 0, 0, 0, 0, 0x7d, 0, 0, 0, 0, 0x10, 3,
        ];
        assert_eq!(Request::decode(&bytes).unwrap().count, 3);
    }

    #[test]
    fn rejects_what_is_no_message() {
        for bytes in [
            &[0x0a][..],
            &[0x0a, 5, b'a'],
            &[0x0a, 1, 0xff],
            &[0x10],
            &[0x10, 0xff],
            &[0x0b],
            &[0x02, 0],
            &[0x80; 11],
        ] {
            assert!(Request::decode(bytes).is_err(), "{bytes:?}");
        }
    }
}
