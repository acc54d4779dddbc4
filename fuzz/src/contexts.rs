//! The fuzz target for what requests say of traces.

use pillion_cost::{Bound, Linear};
use pillion_proxy::test_util::{PassedContext, pass_context};

use crate::{
    cursor::Cursor,
    units::{KIB, MILLISECOND},
};

/// Of a request that is passed on: its fields are copied, and so is what is left of them.
const BOUND: Bound = Bound {
    peak: Linear::new(64 * KIB, 64),
    total: Linear::new(128 * KIB, 128),
    time: Linear::new(MILLISECOND, 500),
};

/// A name and a value.
type Line = (Vec<u8>, Vec<u8>);

/// Passes a request on twice: the first byte says which fields tell of traces, and the rest are lines,
/// `name: value`.
///
/// # Panics
///
/// Panics if a check fails.
pub fn contexts(data: &[u8]) {
    let mut cursor = Cursor::new(data);
    let propagation = cursor.byte();
    let lines: Vec<_> = cursor
        .rest()
        .split(|byte| *byte == b'\n')
        .filter_map(line)
        .collect();
    let pass = |lines: &[Line], span| {
        let passed = BOUND.hold("a request", data.len(), || {
            pass_context(propagation, lines, span)
        });
        passed.expect("numbers that are not 0")
    };
    let first = pass(&lines, 0x0123_4567_89ab_cdef);
    let second = pass(&first.lines, 7);
    check(propagation, &lines, &first);
    check(propagation, &first.lines, &second);
    // Whoever reads it continues it.
    assert_eq!(second.trace, first.trace);
    assert_eq!(second.parent, Some(first.span));
    assert_eq!(second.is_sampled, first.is_sampled);
    let states = [&first, &second].map(|passed| values(&passed.lines, "tracestate"));
    assert_eq!(states[0], states[1]);
}

/// A line whose name is a token, without the bytes that no value has.
fn line(text: &[u8]) -> Option<Line> {
    let at = text.iter().position(|byte| *byte == b':')?;
    let (name, value) = (&text[..at], text[at + 1..].trim_ascii());
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-';
    let value = value
        .iter()
        .copied()
        .filter(|byte| !matches!(byte, b'\r' | 0));
    (!name.is_empty() && name.iter().all(is_token)).then(|| (name.to_vec(), value.collect()))
}

/// The values of a name, which may have come in any case.
fn values<'a>(lines: &'a [Line], name: &str) -> Vec<&'a [u8]> {
    let lines = lines.iter();
    let lines = lines.filter(|(other, _)| other.eq_ignore_ascii_case(name.as_bytes()));
    lines.map(|(_, value)| &value[..]).collect()
}

/// Checks with eyes of our own what servers get of a request that came with these lines.
fn check(propagation: u8, came: &[Line], passed: &PassedContext) {
    let (writes_b3, writes_w3c) = match propagation % 3 {
        0 => (true, false),
        1 => (true, true),
        _ => (false, true),
    };
    let has = |name| !values(came, name).is_empty();
    if writes_b3 {
        // What came in one field alone goes on in one field alone.
        let singles = values(&passed.lines, "b3");
        assert_eq!(singles.len(), usize::from(has("b3")));
        for single in &singles {
            check_single(single, passed);
        }
        if singles.is_empty() || has("x-b3-traceid") {
            check_several(passed);
        }
    }
    if writes_w3c {
        check_trace_parent(passed);
        let states = values(&passed.lines, "tracestate");
        assert!(states.len() < 2);
        assert!(
            states.is_empty() || has("traceparent"),
            "a state of nothing"
        );
    }
}

/// The trace's number as B3 has it.
fn trace_digits(passed: &PassedContext) -> String {
    match passed.trace >> 64 {
        0 => format!("{:016x}", passed.trace),
        _ => format!("{:032x}", passed.trace),
    }
}

/// `TRACE-SPAN-SAMPLED-PARENT`, of which the last part may be missing.
fn check_single(single: &[u8], passed: &PassedContext) {
    let text = String::from_utf8(single.to_vec()).expect("digits");
    let start = format!("{}-{:016x}-", trace_digits(passed), passed.span);
    let rest = text.strip_prefix(&start).expect("the context");
    let (decision, parent) = rest.split_at(1);
    let is_sampled = matches!(decision, "1" | "d");
    assert!(is_sampled || decision == "0", "{text}");
    assert_eq!(is_sampled, passed.is_sampled, "{text}");
    let expected = passed.parent.map(|parent| format!("-{parent:016x}"));
    assert_eq!(parent, expected.unwrap_or_default(), "{text}");
}

fn check_several(passed: &PassedContext) {
    let values = |name| values(&passed.lines, name);
    assert_eq!(values("x-b3-traceid"), [trace_digits(passed).as_bytes()]);
    let span = format!("{:016x}", passed.span);
    assert_eq!(values("x-b3-spanid"), [span.as_bytes()]);
    let sampled = if passed.is_sampled { b"1" } else { b"0" };
    assert_eq!(values("x-b3-sampled"), [sampled]);
    let parent = passed.parent.map(|parent| format!("{parent:016x}"));
    let parent = parent.as_ref().map(String::as_bytes);
    assert_eq!(values("x-b3-parentspanid"), Vec::from_iter(parent));
}

fn check_trace_parent(passed: &PassedContext) {
    let parents = values(&passed.lines, "traceparent");
    assert_eq!(parents.len(), 1);
    let text = String::from_utf8(parents[0].to_vec()).expect("digits");
    let start = format!("00-{:032x}-{:016x}-0", passed.trace, passed.span);
    let flags = text.strip_prefix(&start).expect("the context");
    let flags = flags.parse::<u8>().expect("flags");
    assert_eq!(flags & 1 == 1, passed.is_sampled);
}
