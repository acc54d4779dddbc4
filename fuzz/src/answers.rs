//! The fuzz target for what collectors of spans answer.

use pillion_cost::{Bound, Linear};
use pillion_proxy::test_util::{AnsweredLine, CollectorAnswer, NotTaken, read_answer};

use crate::{
    cursor::Cursor,
    units::{KIB, MILLISECOND},
};

/// Of one answer. A field has a place of its own in a map, and a detail of gRPC's status is a message,
/// each of two bytes or three.
pub(crate) const BOUND: Bound = Bound {
    peak: Linear::new(64 * KIB, 256),
    total: Linear::new(128 * KIB, 512),
    time: Linear::new(MILLISECOND, 1000),
};

/// The longest text of the log.
const LONGEST_REASON: usize = 200;

/// Reads an answer: the first bytes say which protocol it is, whether there are trailers, how often the
/// body is repeated, and the status; then there are lines of the head up to a zero byte, those of the
/// trailers likewise, and the body.
///
/// # Panics
///
/// Panics if a check fails.
pub fn answers(data: &[u8]) {
    let mut cursor = Cursor::new(data);
    let (protocol, shape) = (cursor.byte(), cursor.byte());
    let status = u16::from_be_bytes([cursor.byte(), cursor.byte()]);
    let head = lines(cursor.until(0));
    let trailers = (shape & 1 == 1).then(|| lines(cursor.until(0)));
    let answer = CollectorAnswer {
        status: 100 + status % 900,
        head,
        body: cursor.rest().repeat(1 << ((shape >> 1) % 5)),
        trailers,
    };
    let length = data.len() + answer.body.len();
    let read = BOUND.hold("an answer", length, || read_answer(protocol, &answer));
    check(protocol, &answer, &read);
}

/// Lines `name: value` that are proper fields.
fn lines(text: &[u8]) -> Vec<AnsweredLine> {
    text.split(|byte| *byte == b'\n').filter_map(line).collect()
}

fn line(text: &[u8]) -> Option<AnsweredLine> {
    let at = text.iter().position(|byte| *byte == b':')?;
    let (name, value) = (&text[..at], text[at + 1..].trim_ascii());
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-';
    let is_line = !name.is_empty()
        && name.iter().all(is_name)
        && value.iter().all(|byte| matches!(byte, b' '..=b'~'));
    is_line.then(|| (name.to_ascii_lowercase(), value.to_vec()))
}

/// Checks with eyes of our own what became of a report.
fn check(protocol: u8, answer: &CollectorAnswer, read: &Result<u64, NotTaken>) {
    if let Err(NotTaken { why, .. }) = read {
        assert!((1..LONGEST_REASON).contains(&why.len()), "{why}");
    }
    let may_pass = |read: &Result<u64, NotTaken>| match read {
        Ok(rejected) => panic!("it is taken, but for {rejected}"),
        Err(failure) => failure.may_pass,
    };
    if !(200..300).contains(&answer.status) {
        let is_later = matches!(answer.status, 429 | 502 | 503 | 504);
        assert_eq!(may_pass(read), is_later);
        return;
    }
    let message = match protocol % 3 {
        0 => {
            assert_eq!(*read, Ok(0));
            return;
        }
        1 => &answer.body[..],
        _ => {
            let fields = answer.trailers.as_ref().unwrap_or(&answer.head);
            match grpc_status(fields) {
                Some(0) => {}
                // It depends on the details.
                Some(8) if find(fields, "grpc-status-details-bin").is_some() => {
                    may_pass(read);
                    return;
                }
                other => {
                    let is_later = matches!(other, Some(1 | 4 | 10 | 14));
                    assert_eq!(may_pass(read), is_later, "{other:?}");
                    return;
                }
            }
            match &answer.body[..] {
                // Not compressed, and whatever its length is.
                [0, _, _, _, _, message @ ..] => message,
                _ => &[],
            }
        }
    };
    // We are not sure of what is not plain.
    if let Some(expected) = rejected_spans(message) {
        assert_eq!(*read, Ok(expected));
    }
}

fn find<'a>(fields: &'a [AnsweredLine], name: &str) -> Option<&'a [u8]> {
    let mut fields = fields.iter();
    let (_, value) = fields.find(|(other, _)| other == name.as_bytes())?;
    Some(value)
}

fn grpc_status(fields: &[AnsweredLine]) -> Option<u32> {
    let value = find(fields, "grpc-status")?;
    std::str::from_utf8(value).ok()?.parse().ok()
}

/// A field of protobuf.
enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    Other,
}

/// How many spans a plain message of OpenTelemetry's rejects: its first field is a message, whose first
/// one is a number, and the second one a text.
fn rejected_spans(message: &[u8]) -> Option<u64> {
    let mut rejected = 0;
    for (number, value) in fields(message)? {
        let partial = match (number, value) {
            (1, Value::Bytes(partial)) => partial,
            (1, _) => return None,
            _ => continue,
        };
        for (number, value) in fields(partial)? {
            match (number, value) {
                (1, Value::Number(number)) => rejected = number,
                (2, Value::Bytes(text)) if std::str::from_utf8(text).is_ok() => {}
                (1 | 2, _) => return None,
                _ => {}
            }
        }
    }
    // It is a number with a sign.
    Some(if rejected >> 63 == 0 { rejected } else { 0 })
}

/// The fields of a message, with their numbers, unless there are groups.
fn fields(mut message: &[u8]) -> Option<Vec<(u64, Value<'_>)>> {
    let mut fields = Vec::new();
    while !message.is_empty() {
        let key = varint(&mut message)?;
        let number = key >> 3;
        if number == 0 || key > u64::from(u32::MAX) {
            return None;
        }
        let value = match key & 7 {
            0 => Value::Number(varint(&mut message)?),
            1 => take(&mut message, 8).map(|_| Value::Other)?,
            2 => {
                let length = usize::try_from(varint(&mut message)?).ok()?;
                Value::Bytes(take(&mut message, length)?)
            }
            5 => take(&mut message, 4).map(|_| Value::Other)?,
            _ => return None,
        };
        fields.push((number, value));
    }
    Some(fields)
}

fn take<'a>(message: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, rest) = message.split_at_checked(length)?;
    *message = rest;
    Some(taken)
}

fn varint(message: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let byte = take(message, 1)?[0];
        let bits = u64::from(byte & 0x7f);
        if shift == 63 && bits > 1 {
            return None;
        }
        number |= bits << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}
