//! `tracestate`: what tracing systems tell each other along a trace. A proxy adds nothing to it, and
//! passes on only what is well-formed (W3C Trace Context Level 2, 3.3).

use crate::message::{FieldName, Fields};

/// Members of a list.
const MAX_MEMBERS: usize = 32;
/// Characters of a value, and of a key.
const MAX_TEXT: usize = 256;

/// Removes a state that can't be passed on, and makes one line of several. Without a context that
/// it belongs to, none can.
pub(super) fn tidy(fields: &mut Fields, has_context: bool) {
    let mut lines = 0;
    let mut members = 0;
    let mut is_valid = has_context;
    for line in fields.all(FieldName::TraceState) {
        lines += 1;
        for member in line.split(|byte| *byte == b',') {
            let member = trimmed(member);
            // Lists may have empty members.
            members += usize::from(!member.is_empty());
            is_valid &= member.is_empty() || is_member(member);
        }
    }
    if !is_valid || members > MAX_MEMBERS {
        fields.retain(|known, _, _| known != FieldName::TraceState);
    } else if lines > 1 {
        let mut text = Vec::new();
        for line in fields.all(FieldName::TraceState) {
            if !text.is_empty() && !line.is_empty() {
                text.push(b',');
            }
            text.extend_from_slice(line);
        }
        fields.set(FieldName::TraceState, &text);
    }
}

/// Without blanks and tabs around it.
fn trimmed(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

/// `KEY=VALUE`.
fn is_member(member: &[u8]) -> bool {
    let Some(at) = memchr::memchr(b'=', member) else {
        return false;
    };
    let (key, value) = (&member[..at], &member[at + 1..]);
    is_key(key) && is_value(value)
}

/// As Level 2 has it: `@` may be anywhere but at the beginning, which may be a digit.
fn is_key(key: &[u8]) -> bool {
    let is_char =
        |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*' | b'/' | b'@');
    key.len() <= MAX_TEXT
        && matches!(key, [b'a'..=b'z' | b'0'..=b'9', ..])
        && key.iter().all(is_char)
}

fn is_value(value: &[u8]) -> bool {
    let is_char = |byte: &u8| matches!(byte, b' '..=b'~') && !matches!(byte, b',' | b'=');
    (1..=MAX_TEXT).contains(&value.len()) && value.iter().all(is_char)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tidied(lines: &[&str], has_context: bool) -> Vec<String> {
        let mut fields = Fields::default();
        for line in lines {
            fields.push(b"tracestate", line.as_bytes());
        }
        tidy(&mut fields, has_context);
        let lines = fields.all(FieldName::TraceState);
        lines
            .map(|line| String::from_utf8(line.to_vec()).unwrap())
            .collect()
    }

    #[test]
    fn keeps_what_is_well_formed() {
        let long = format!("{}={}", "z".repeat(256), "v".repeat(256));
        let tenant = format!("{}@{}=1", "t".repeat(200), "v".repeat(55));
        let many: Vec<_> = (1..=32).map(|at| format!("bar{at:02}={at:02}")).collect();
        let many = many.join(",");
        for line in [
            "foo=1",
            "foo=1,bar=2",
            "foo=1 \t , \t bar=2,",
            "0f-*/_=!~ x",
            "",
            "foo@=1,bar=2",
            "foo@@bar=1",
            "foo@bar@baz=1",
            &long,
            &tenant,
            &many,
        ] {
            assert_eq!(tidied(&[line], true), [line]);
        }
    }

    #[test]
    fn drops_what_is_not() {
        let long = "z".repeat(257);
        let many = vec!["a=1"; 33].join(",");
        for line in [
            "foo",
            "foo=",
            "=1",
            "foo =1",
            "FOO=1",
            "foo.bar=1",
            "foo=bar=baz",
            "@foo=1,bar=2",
            "foo=\u{e9}",
            &format!("{long}=1"),
            &format!("a={long}"),
            &format!("{}@=1", "t".repeat(256)),
            &many,
        ] {
            assert_eq!(tidied(&[line, "ok=1"], true), [""; 0], "{line}");
        }
    }

    #[test]
    fn lines_become_one() {
        assert_eq!(tidied(&["foo=1", "", "bar=2"], true), ["foo=1,bar=2"]);
        assert_eq!(tidied(&["", "foo=1"], true), ["foo=1"]);
    }

    #[test]
    fn a_state_without_a_context_is_nobody_s() {
        assert_eq!(tidied(&["foo=1"], false), [""; 0]);
    }
}
