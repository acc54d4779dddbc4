//! B3, Zipkin's context, in several fields or in one.

use super::{
    context::{Incoming, Outgoing, Parent},
    fields::TraceFields,
    hex,
};
use crate::{
    message::{FieldName, Fields},
    records::{SpanId, TraceId},
};

/// The longest single field: `TRACE-SPAN-SAMPLED-PARENT`.
const LONGEST: usize = 32 + 1 + 16 + 1 + 1 + 1 + 16;

/// Reads a context. One in a single field comes before one in several, as in Envoy.
pub(super) fn read(fields: &TraceFields<'_>) -> Incoming {
    match fields.b3 {
        Some(b3) => single(b3).map(Incoming::from).unwrap_or_default(),
        None => several(fields),
    }
}

/// What a single field says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Single {
    parent: Option<Parent>,
    said: Option<Said>,
}

/// What was decided before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    NotSampled,
    Sampled,
    /// Someone debugs, and wants the spans whatever the share is.
    Debugged,
}

impl From<Single> for Incoming {
    fn from(single: Single) -> Self {
        Self {
            parent: single.parent,
            is_sampled: single.said.map(|said| said != Said::NotSampled),
        }
    }
}

/// `TRACE-SPAN`, `TRACE-SPAN-SAMPLED`, `TRACE-SPAN-SAMPLED-PARENT`, or `SAMPLED` alone.
fn single(text: &[u8]) -> Option<Single> {
    if let [digit] = text {
        return Some(Single {
            parent: None,
            said: Some(said(*digit)?),
        });
    }
    let mut parts = text.split(|byte| *byte == b'-');
    let (trace, span) = (parts.next()?, parts.next()?);
    if ![16, 32].contains(&trace.len()) || span.len() != 16 {
        return None;
    }
    let parent = parent(trace, span)?;
    let said = match parts.next() {
        None => None,
        Some([digit]) => Some(said(*digit)?),
        Some(_) => return None,
    };
    if let Some(grandparent) = parts.next() {
        hex::number(grandparent).filter(|_| grandparent.len() == 16)?;
    }
    let is_over = parts.next().is_none();
    is_over.then_some(Single {
        parent: Some(parent),
        said,
    })
}

fn said(digit: u8) -> Option<Said> {
    match digit {
        b'0' => Some(Said::NotSampled),
        b'1' => Some(Said::Sampled),
        b'd' => Some(Said::Debugged),
        _ => None,
    }
}

fn several(fields: &TraceFields<'_>) -> Incoming {
    let parent = || parent(fields.b3_trace_id?, fields.b3_span_id?);
    let is_debugged = fields.b3_flags == Some(b"1");
    let said = fields.b3_sampled.map(|said| matches!(said, b"1" | b"true"));
    Incoming {
        parent: parent(),
        is_sampled: is_debugged.then_some(true).or(said),
    }
}

fn parent(trace: &[u8], span: &[u8]) -> Option<Parent> {
    Some(Parent {
        trace: TraceId::new(hex::wide_number(trace)?)?,
        span: SpanId::new(hex::number(span)?)?,
        is_random: false,
    })
}

/// Writes a context in the form that the request has, and otherwise into several fields. Of both,
/// Envoy would leave the second as it is.
pub(super) fn write(context: &Outgoing, came: &Came, fields: &mut Fields) {
    if let Some(is_debugged) = came.single {
        write_single(context, is_debugged, fields);
    }
    if came.single.is_none() || came.has_several {
        write_several(context, came.has_parent, fields);
    }
}

fn write_several(context: &Outgoing, had_parent: bool, fields: &mut Fields) {
    let (trace, span) = (context.trace.hex(), context.span.hex());
    fields.set(FieldName::XB3TraceId, trace.as_bytes());
    fields.set(FieldName::XB3SpanId, span.as_bytes());
    match context.parent {
        Some(parent) => fields.set(FieldName::XB3ParentSpanId, parent.hex().as_bytes()),
        None if had_parent => {
            fields.retain(|known, _, _| known != FieldName::XB3ParentSpanId);
        }
        None => {}
    }
    let decision: &[u8] = if context.is_sampled { b"1" } else { b"0" };
    fields.set(FieldName::XB3Sampled, decision);
}

fn write_single(context: &Outgoing, is_debugged: bool, fields: &mut Fields) {
    let decision: &[u8] = match (context.is_sampled, is_debugged) {
        (true, true) => b"d",
        (true, false) => b"1",
        (false, _) => b"0",
    };
    let (mut text, mut end) = ([b'-'; LONGEST], 0);
    let mut add = |part: &[u8]| {
        // A dash stands between two parts.
        let start = if end == 0 { 0 } else { end + 1 };
        end = start + part.len();
        text[start..end].copy_from_slice(part);
    };
    add(context.trace.hex().as_bytes());
    add(context.span.hex().as_bytes());
    add(decision);
    if let Some(parent) = context.parent {
        add(parent.hex().as_bytes());
    }
    fields.set(FieldName::B3, &text[..end]);
}

/// What a request had before a context is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Came {
    /// The single field, and whether it can be read and says that someone debugs.
    single: Option<bool>,
    has_several: bool,
    has_parent: bool,
}

impl Came {
    pub fn of(fields: &TraceFields<'_>) -> Self {
        let is_debugged = |b3: &[u8]| single(b3).is_some_and(|it| it.said == Some(Said::Debugged));
        Self {
            single: fields.b3.map(is_debugged),
            has_several: fields.b3_trace_id.is_some(),
            has_parent: fields.b3_has_parent,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    const SPAN: &str = "b7ad6b7169203331";

    fn of_single(text: &str) -> Incoming {
        read(&TraceFields {
            b3: Some(text.as_bytes()),
            ..TraceFields::default()
        })
    }

    #[test]
    fn reads_a_single_field() {
        for (rest, is_sampled) in [
            ("", None),
            ("-0", Some(false)),
            ("-1", Some(true)),
            ("-d", Some(true)),
            ("-1-00000000000000aa", Some(true)),
        ] {
            for trace in [TRACE, &TRACE[16..]] {
                let read = of_single(&format!("{trace}-{SPAN}{rest}"));
                let parent = read.parent.unwrap();
                assert_eq!(read.is_sampled, is_sampled, "{rest}");
                assert_eq!(parent.trace.hex().as_bytes(), trace.as_bytes());
                assert_eq!(parent.span.hex().as_bytes(), SPAN.as_bytes());
            }
        }
    }

    #[test]
    fn reads_a_decision_without_a_trace() {
        for (text, is_sampled) in [("0", false), ("1", true), ("d", true)] {
            let read = of_single(text);
            assert_eq!((read.parent, read.is_sampled), (None, Some(is_sampled)));
        }
    }

    #[test]
    fn a_single_field_of_another_form_says_nothing() {
        for text in [
            "",
            "2",
            "-",
            TRACE,
            &format!("{TRACE}-"),
            &format!("{TRACE}-{SPAN}-"),
            &format!("{TRACE}-{SPAN}-2"),
            &format!("{TRACE}-{SPAN}-1-"),
            &format!("{TRACE}-{SPAN}-1-{SPAN}-"),
            &format!("{TRACE}-{SPAN}-{SPAN}"),
            &format!("{TRACE}0-{SPAN}"),
            &format!("{TRACE}-{SPAN}0"),
            &format!("{}-{SPAN}", "g".repeat(32)),
            &format!("{}-{SPAN}", "0".repeat(32)),
            &format!("{TRACE}-{}", "0".repeat(16)),
        ] {
            assert_eq!(of_single(text), Incoming::default(), "{text}");
        }
    }

    #[test]
    fn only_a_field_that_can_be_read_says_that_someone_debugs() {
        let ids = (TraceId::new(1).unwrap(), SpanId::new(2).unwrap());
        for (b3, is_sampled, decision) in [
            ("d", true, "d"),
            ("d", false, "0"),
            ("x-d", true, "1"),
            ("x-d", false, "0"),
            ("1", true, "1"),
        ] {
            let came = Came::of(&TraceFields {
                b3: Some(b3.as_bytes()),
                ..TraceFields::default()
            });
            let context = Outgoing::new(&Incoming::default(), is_sampled, ids);
            let mut fields = Fields::default();
            write(&context, &came, &mut fields);
            let expected = format!("0000000000000001-0000000000000002-{decision}");
            assert_eq!(
                fields.get(FieldName::B3),
                Some(expected.as_bytes()),
                "{b3}, {is_sampled}"
            );
        }
    }

    fn of_several(lines: &[(&str, &str)]) -> Incoming {
        let mut fields = Fields::default();
        for (name, value) in lines {
            fields.push(name.as_bytes(), value.as_bytes());
        }
        read(&TraceFields::of(&fields))
    }

    #[test]
    fn reads_several_fields() {
        let ids = [("x-b3-traceid", TRACE), ("x-b3-spanid", SPAN)];
        assert_eq!(of_several(&ids).is_sampled, None);
        assert!(of_several(&ids).parent.is_some());
        for (name, value, is_sampled) in [
            ("x-b3-sampled", "1", true),
            ("x-b3-sampled", "true", true),
            ("x-b3-sampled", "0", false),
            ("x-b3-sampled", "no", false),
            ("x-b3-flags", "1", true),
        ] {
            let read = of_several(&[ids[0], ids[1], (name, value)]);
            assert!(read.parent.is_some());
            assert_eq!(read.is_sampled, Some(is_sampled), "{name}: {value}");
            let alone = of_several(&[(name, value)]);
            assert_eq!((alone.parent, alone.is_sampled), (None, Some(is_sampled)));
        }
    }

    #[test]
    fn one_number_without_the_other_is_no_context() {
        for lines in [
            [("x-b3-traceid", TRACE), ("x-b3-spanid", "x")],
            [("x-b3-traceid", TRACE), ("x-b3-spanid", "0")],
            [("x-b3-traceid", ""), ("x-b3-spanid", SPAN)],
            [("x-b3-traceid", TRACE), ("accept", "*/*")],
        ] {
            assert_eq!(of_several(&lines), Incoming::default(), "{lines:?}");
        }
    }
}
