//! Messages in which everything occurs that a message may have, and some of what it may not.

use std::{iter, slice};

use prost::encoding::{WireType, encode_key, encode_varint};
use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};

use super::all;

/// Where choices come from. When it has run out, each choice is the first one.
struct Choices<'a>(slice::Iter<'a, u32>);

impl Choices<'_> {
    fn number(&mut self) -> u64 {
        self.0.next().copied().unwrap_or_default().into()
    }

    fn below(&mut self, count: usize) -> usize {
        usize::try_from(self.number()).unwrap() % count
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 1
    }
}

/// A message by these choices.
pub fn of_message(message: &MessageDescriptor, choices: &[u32]) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_message(&mut bytes, message, &mut Choices(choices.iter()), 0);
    bytes
}

/// Messages that have nothing but this field.
pub fn of_field(field: &FieldDescriptor) -> Vec<Vec<u8>> {
    (0..24)
        .map(|seed| {
            let mut bytes = Vec::new();
            write_field(&mut bytes, field, &mut Choices(choices(seed).iter()), 0);
            bytes
        })
        .collect()
}

/// The choices that a number stands for: all the first ones for 0.
pub fn choices(seed: u32) -> Vec<u32> {
    let mut state = u64::from(seed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u32
    };
    iter::repeat_with(next).take(400).collect()
}

fn write_message(
    bytes: &mut Vec<u8>,
    message: &MessageDescriptor,
    choices: &mut Choices<'_>,
    depth: usize,
) {
    if message.full_name() == "google.protobuf.Any" {
        return write_any(bytes, choices, depth);
    }
    let fields: Vec<_> = message.fields().collect();
    for _ in 0..choices.below(12) {
        if fields.is_empty() || choices.one_in(12) {
            write_unknown(bytes, choices);
            continue;
        }
        let field = &fields[choices.below(fields.len())];
        for _ in 0..=choices.below(2) {
            write_field(bytes, field, choices, depth);
        }
    }
}

fn write_any(bytes: &mut Vec<u8>, choices: &mut Choices<'_>, depth: usize) {
    let all = all();
    let message = &all[choices.below(all.len())];
    let mut value = Vec::new();
    if depth < 6 {
        write_message(&mut value, message, choices, depth + 1);
    }
    if choices.one_in(8) {
        value.push(0x0a);
    }
    let name = match choices.below(8) {
        1 => "some.Message",
        _ => message.full_name(),
    };
    write_bytes(bytes, 1, format!("type.googleapis.com/{name}").as_bytes());
    write_bytes(bytes, 2, &value);
}

fn write_unknown(bytes: &mut Vec<u8>, choices: &mut Choices<'_>) {
    let number = 900 + u32::try_from(choices.below(40)).unwrap();
    match choices.below(10) {
        0..5 => write_number(bytes, number, WireType::Varint, choices),
        5 => write_number(bytes, number, WireType::ThirtyTwoBit, choices),
        6 => write_number(bytes, number, WireType::SixtyFourBit, choices),
        7 | 8 => write_bytes(bytes, number, b"unknown"),
        _ => {
            encode_key(number, WireType::StartGroup, bytes);
            write_number(bytes, 1, WireType::Varint, choices);
            encode_key(number, WireType::EndGroup, bytes);
        }
    }
}

fn write_field(
    bytes: &mut Vec<u8>,
    field: &FieldDescriptor,
    choices: &mut Choices<'_>,
    depth: usize,
) {
    let (number, kind) = (field.number(), field.kind());
    if choices.one_in(80) {
        let wrong = match kind.wire_type() {
            WireType::Varint => WireType::ThirtyTwoBit,
            _ => WireType::Varint,
        };
        return write_number(bytes, number, wrong, choices);
    }
    match kind {
        Kind::Message(inner) => {
            let mut value = Vec::new();
            if depth < 6 {
                write_message(&mut value, &inner, choices, depth + 1);
            }
            write_bytes(bytes, number, &value);
        }
        Kind::String | Kind::Bytes => {
            let texts = [&b""[..], b"a", b"b", "zw\u{f6}lf".as_bytes(), b"\"\\\n"];
            let text = match choices.one_in(80) {
                true => b"\xff",
                false => texts[choices.below(texts.len())],
            };
            write_bytes(bytes, number, text);
        }
        numbers => {
            let wire_type = numbers.wire_type();
            if field.is_list() && choices.one_in(2) {
                let mut packed = Vec::new();
                for _ in 0..choices.below(4) {
                    write_value(&mut packed, wire_type, choices);
                }
                if choices.one_in(40) {
                    packed.push(0xff);
                }
                write_bytes(bytes, number, &packed);
            } else {
                write_number(bytes, number, wire_type, choices);
            }
        }
    }
}

fn write_bytes(bytes: &mut Vec<u8>, number: u32, value: &[u8]) {
    encode_key(number, WireType::LengthDelimited, bytes);
    encode_varint(value.len() as u64, bytes);
    bytes.extend(value);
}

fn write_number(bytes: &mut Vec<u8>, number: u32, wire_type: WireType, choices: &mut Choices<'_>) {
    encode_key(number, wire_type, bytes);
    write_value(bytes, wire_type, choices);
}

fn write_value(bytes: &mut Vec<u8>, wire_type: WireType, choices: &mut Choices<'_>) {
    // Beside the usual numbers: those that 32 bits have no place for, negative ones, and floating
    // point's own.
    let number = match choices.below(12) {
        0 => 0,
        1 => 1,
        2..5 => choices.below(16) as u64,
        5 => choices.number(),
        6 => choices.number() << 32,
        7 => u64::MAX - choices.below(2) as u64,
        8 => f32::NAN.to_bits().into(),
        9 => f64::NEG_INFINITY.to_bits(),
        10 => (-0.0_f64).to_bits(),
        _ => 1.5_f64.to_bits() | u64::from(1.5_f32.to_bits()),
    };
    match wire_type {
        WireType::ThirtyTwoBit => bytes.extend(&number.to_le_bytes()[..4]),
        WireType::SixtyFourBit => bytes.extend(number.to_le_bytes()),
        _ => encode_varint(number, bytes),
    }
}
