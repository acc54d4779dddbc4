//! W3C's context, `traceparent`, whose rules for readers are strict: a sender of a later version
//! may say more than this one knows.

use super::{
    context::{Incoming, Outgoing, Parent},
    fields::TraceFields,
    hex,
};
use crate::{
    message::{FieldName, Fields},
    records::{SpanId, TraceId},
};

/// `00-TRACE-SPAN-FLAGS`, with 32, 16 and 2 digits.
const LENGTH: usize = 55;
const SAMPLED: u64 = 1;
const RANDOM: u64 = 2;

/// Reads a context. Of two, none counts.
pub(super) fn read(fields: &TraceFields<'_>) -> Incoming {
    let text = fields
        .trace_parent
        .filter(|_| !fields.has_two_trace_parents);
    text.and_then(parse).unwrap_or_default()
}

fn parse(text: &[u8]) -> Option<Incoming> {
    let (known, rest) = text.split_at_checked(LENGTH)?;
    let version = hex::number(&known[..2])?;
    let is_read = match version {
        0 => rest.is_empty(),
        // Never given to any version.
        0xff => false,
        _ => matches!(rest, [] | [b'-', ..]),
    };
    let has_dashes = [2, 35, 52].iter().all(|at| known[*at] == b'-');
    let has_capitals = known.iter().any(u8::is_ascii_uppercase);
    if !is_read || !has_dashes || has_capitals {
        return None;
    }
    let flags = hex::number(&known[53..])?;
    Some(Incoming {
        parent: Some(Parent {
            trace: TraceId::new(hex::wide_number(&known[3..35])?)?,
            span: SpanId::new(hex::number(&known[36..52])?)?,
            is_random: flags & RANDOM != 0,
        }),
        is_sampled: Some(flags & SAMPLED != 0),
    })
}

/// Writes a context.
pub(super) fn write(context: &Outgoing, fields: &mut Fields) {
    let mut text = [b'-'; LENGTH];
    text[..2].copy_from_slice(b"00");
    // A number that came by B3 may have 64 bits.
    let (trace, mut digits) = (context.trace.hex(), [b'0'; 32]);
    let trace = trace.as_bytes();
    digits[32 - trace.len()..].copy_from_slice(trace);
    text[3..35].copy_from_slice(&digits);
    text[36..52].copy_from_slice(context.span.hex().as_bytes());
    text[53] = b'0';
    text[54] = match (context.is_random, context.is_sampled) {
        (false, false) => b'0',
        (false, true) => b'1',
        (true, false) => b'2',
        (true, true) => b'3',
    };
    fields.set(FieldName::TraceParent, &text);
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    const SPAN: &str = "b7ad6b7169203331";

    fn of(text: &str) -> Incoming {
        read(&TraceFields {
            trace_parent: Some(text.as_bytes()),
            ..TraceFields::default()
        })
    }

    #[test]
    fn reads_this_version() {
        for (flags, is_sampled, is_random) in [
            ("00", false, false),
            ("01", true, false),
            ("02", false, true),
            ("ff", true, true),
        ] {
            let read = of(&format!("00-{TRACE}-{SPAN}-{flags}"));
            let parent = read.parent.unwrap();
            assert_eq!(read.is_sampled, Some(is_sampled), "{flags}");
            assert_eq!(parent.is_random, is_random, "{flags}");
            assert_eq!(parent.trace.hex().as_bytes(), TRACE.as_bytes());
            assert_eq!(parent.span.hex().as_bytes(), SPAN.as_bytes());
        }
    }

    #[test]
    fn reads_what_it_knows_of_later_versions() {
        for text in ["cc-T-S-01", "cc-T-S-01-what-the-future-will-be-like"] {
            let text = text.replace('T', TRACE).replace('S', SPAN);
            assert!(of(&text).parent.is_some(), "{text}");
        }
    }

    #[test]
    fn anything_else_says_nothing() {
        for text in [
            "",
            "00-T-S",
            "00-T-S-1",
            "00-T-S-001",
            "00-T-S-.1",
            "00-T-S-0.",
            "00-T-S-01.",
            "00-T-S-01-what-the-future-will-be-like",
            "cc-T-S-01.what-the-future-will-be-like",
            "ff-T-S-01",
            ".0-T-S-01",
            "0.-T-S-01",
            "000-T-S-01",
            "0-T-S-01",
            "00-T0-S-01",
            "00-T-S0-01",
            "00-t-S-01",
            "00-T-s-01",
            "00_T_S_01",
        ] {
            let text = text.replace('T', TRACE).replace('S', SPAN);
            // Numbers of nothing.
            let text = text.replace('t', &"0".repeat(32));
            let text = text.replace('s', &"0".repeat(16));
            assert_eq!(of(&text), Incoming::default(), "{text}");
        }
        let capitals = format!("00-{}-{SPAN}-01", TRACE.to_ascii_uppercase());
        assert_eq!(of(&capitals), Incoming::default());
    }

    #[test]
    fn of_two_none_counts() {
        let text = format!("00-{TRACE}-{SPAN}-01");
        let read = read(&TraceFields {
            trace_parent: Some(text.as_bytes()),
            has_two_trace_parents: true,
            ..TraceFields::default()
        });
        assert_eq!(read, Incoming::default());
    }
}
