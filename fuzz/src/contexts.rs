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
    let pass = |lines: &[_], span| {
        let passed = BOUND.hold("a request", data.len(), || {
            pass_context(propagation, lines, span)
        });
        passed.expect("numbers that are not 0")
    };
    let first = pass(&lines, 0x0123_4567_89ab_cdef);
    let second = pass(&first.lines, 7);
    for passed in [&first, &second] {
        check(propagation, passed);
    }
    // Whoever reads it continues it.
    assert_eq!(second.trace, first.trace);
    assert_eq!(second.parent, Some(first.span));
    assert_eq!(second.is_sampled, first.is_sampled);
}

/// A line whose name is a token, without the bytes that no value has.
fn line(text: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let at = text.iter().position(|byte| *byte == b':')?;
    let (name, value) = (&text[..at], text[at + 1..].trim_ascii());
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-';
    let value = value
        .iter()
        .copied()
        .filter(|byte| !matches!(byte, b'\r' | 0));
    (!name.is_empty() && name.iter().all(is_token)).then(|| (name.to_vec(), value.collect()))
}

/// Checks with eyes of our own what servers get.
fn check(propagation: u8, passed: &PassedContext) {
    let values = |name: &str| -> Vec<&[u8]> {
        let lines = passed.lines.iter();
        let lines = lines.filter(|(other, _)| other == name.as_bytes());
        lines.map(|(_, value)| &value[..]).collect()
    };
    let (writes_b3, writes_w3c) = (propagation % 3 < 2, propagation % 3 > 0);
    if writes_b3 {
        let trace = match passed.trace >> 64 {
            0 => format!("{:016x}", passed.trace),
            _ => format!("{:032x}", passed.trace),
        };
        assert_eq!(values("x-b3-traceid"), [trace.as_bytes()]);
        assert_eq!(
            values("x-b3-spanid"),
            [format!("{:016x}", passed.span).as_bytes()]
        );
        let sampled = if passed.is_sampled { b"1" } else { b"0" };
        assert_eq!(values("x-b3-sampled"), [sampled]);
        let parent = passed
            .parent
            .map(|parent| format!("{parent:016x}").into_bytes());
        assert_eq!(
            values("x-b3-parentspanid"),
            Vec::from_iter(parent.as_deref())
        );
        assert!(values("b3").len() < 2);
    }
    if writes_w3c {
        let parents = values("traceparent");
        assert_eq!(parents.len(), 1);
        let text = String::from_utf8(parents[0].to_vec()).expect("digits");
        let start = format!("00-{:032x}-{:016x}-0", passed.trace, passed.span);
        let flags = text
            .strip_prefix(&start)
            .expect("the context")
            .parse::<u8>();
        assert_eq!(flags.expect("flags") & 1 == 1, passed.is_sampled);
        assert!(values("tracestate").len() < 2);
    }
}
