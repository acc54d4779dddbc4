//! What a request says of its trace from here on.

use super::{b3, context::Outgoing, fields::TraceFields, w3c, w3c_state};
use crate::{message::Fields, records::TraceId, tables::Propagation};

/// What writing a context needs to know of the request as it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Came {
    b3: b3::Came,
    has_trace_state: bool,
    /// The trace that its `tracestate` is part of: that of its `traceparent`.
    trace_of_state: Option<TraceId>,
}

impl Came {
    pub fn of(fields: &TraceFields<'_>) -> Self {
        let parent = match fields.has_trace_state {
            true => w3c::read(fields).parent,
            false => None,
        };
        Self {
            b3: b3::Came::of(fields),
            has_trace_state: fields.has_trace_state,
            trace_of_state: parent.map(|parent| parent.trace),
        }
    }
}

/// Writes a context into a request's fields, in the forms that are read here.
pub(crate) fn write(
    context: &Outgoing,
    propagation: Propagation,
    came: &Came,
    fields: &mut Fields,
) {
    if propagation != Propagation::W3c {
        b3::write(context, &came.b3, fields);
    }
    if propagation == Propagation::B3 {
        return;
    }
    w3c::write(context, fields);
    if came.has_trace_state {
        // Where B3 comes first, it may be that of another trace.
        w3c_state::tidy(fields, came.trace_of_state == Some(context.trace));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{records::SpanId, trace::incoming::incoming};

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    const SPAN: &str = "b7ad6b7169203331";

    /// What servers get of a request with these fields, of those that tell of traces.
    fn passed_on(propagation: Propagation, lines: &[(&str, &str)]) -> Vec<String> {
        let mut fields = Fields::default();
        for (name, value) in lines {
            fields.push(name.as_bytes(), value.as_bytes());
        }
        let found = TraceFields::of(&fields);
        let came = Came::of(&found);
        let ids = (
            TraceId::new(0xaa << 64).unwrap(),
            SpanId::new(0xbb).unwrap(),
        );
        let context = Outgoing::new(&incoming(propagation, &found), true, ids);
        write(&context, propagation, &came, &mut fields);
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let lines = fields.iter();
        lines
            .map(|(name, value)| format!("{}: {}", text(name), text(value)))
            .collect()
    }

    #[test]
    fn begins_a_trace() {
        let expected = [
            "x-b3-traceid: 00000000000000aa0000000000000000",
            "x-b3-spanid: 00000000000000bb",
            "x-b3-sampled: 1",
        ];
        assert_eq!(passed_on(Propagation::B3, &[]), expected);
        let w3c = "traceparent: 00-00000000000000aa0000000000000000-00000000000000bb-01";
        assert_eq!(passed_on(Propagation::W3c, &[]), [w3c]);
        let both = passed_on(Propagation::B3AndW3c, &[]);
        assert_eq!(both, [&expected[..], &[w3c]].concat());
    }

    #[test]
    fn continues_a_trace_in_several_fields() {
        let lines = [
            ("X-B3-TraceId", TRACE),
            ("X-B3-ParentSpanId", "0000000000000001"),
            ("X-B3-SpanId", SPAN),
            ("X-B3-Sampled", "0"),
            ("traceparent", "not ours"),
        ];
        let expected = [
            format!("x-b3-traceid: {TRACE}"),
            format!("x-b3-parentspanid: {SPAN}"),
            "x-b3-spanid: 00000000000000bb".to_owned(),
            "x-b3-sampled: 0".to_owned(),
            "traceparent: not ours".to_owned(),
        ];
        assert_eq!(passed_on(Propagation::B3, &lines), expected);
    }

    #[test]
    fn continues_a_trace_in_one_field() {
        for (decision, kept) in [("1", "1"), ("0", "0"), ("d", "d")] {
            let b3 = format!("{TRACE}-{SPAN}-{decision}");
            let lines = passed_on(Propagation::B3, &[("b3", &b3)]);
            let single = format!("b3: {TRACE}-00000000000000bb-{kept}-{SPAN}");
            assert_eq!(lines, [single]);
        }
    }

    #[test]
    fn continues_a_trace_that_is_told_in_both_ways() {
        let b3 = format!("{TRACE}-{SPAN}-1");
        let lines = [
            ("b3", b3.as_str()),
            ("x-b3-traceid", TRACE),
            ("x-b3-spanid", SPAN),
        ];
        let lines = passed_on(Propagation::B3, &lines);
        assert_eq!(lines[0], format!("b3: {TRACE}-00000000000000bb-1-{SPAN}"));
        assert_eq!(lines[2], "x-b3-spanid: 00000000000000bb");
    }

    #[test]
    fn a_parent_that_is_nobody_s_goes() {
        let lines = [("x-b3-traceid", "x"), ("x-b3-parentspanid", SPAN)];
        let lines = passed_on(Propagation::B3, &lines);
        assert_eq!(lines.len(), 3, "{lines:?}");
    }

    #[test]
    fn a_short_number_is_a_long_one_in_the_other_form() {
        let b3 = format!("{}-{SPAN}", &TRACE[16..]);
        let lines = passed_on(Propagation::B3AndW3c, &[("b3", &b3)]);
        let zeros = "0".repeat(16);
        let expected = format!(
            "traceparent: 00-{zeros}{}-00000000000000bb-01",
            &TRACE[16..]
        );
        assert!(lines.contains(&expected), "{lines:?}");
    }

    #[test]
    fn continues_a_trace_of_w3c_with_its_state() {
        let parent = format!("00-{TRACE}-{SPAN}-02");
        let lines = [
            ("traceparent", parent.as_str()),
            ("tracestate", "a=1"),
            ("tracestate", "b=2"),
        ];
        let expected = [
            format!("traceparent: 00-{TRACE}-00000000000000bb-02"),
            "tracestate: a=1,b=2".to_owned(),
        ];
        assert_eq!(passed_on(Propagation::W3c, &lines), expected);
    }

    #[test]
    fn a_state_of_another_trace_stays_behind() {
        let b3 = format!("{TRACE}-{SPAN}-1");
        let other = format!("{}1", "0".repeat(31));
        for (trace, is_kept) in [(TRACE, true), (other.as_str(), false)] {
            let parent = format!("00-{trace}-{SPAN}-01");
            let lines = [
                ("b3", b3.as_str()),
                ("traceparent", parent.as_str()),
                ("tracestate", "a=1"),
            ];
            let lines = passed_on(Propagation::B3AndW3c, &lines);
            let parent = format!("traceparent: 00-{TRACE}-00000000000000bb-01");
            assert!(lines.contains(&parent), "{lines:?}");
            let has_state = lines.iter().any(|line| line == "tracestate: a=1");
            assert_eq!(has_state, is_kept, "{lines:?}");
        }
    }

    #[test]
    fn a_context_that_is_none_begins_anew_without_its_state() {
        let parent = format!("00-{TRACE}-{SPAN}-01");
        let lines = [
            ("traceparent", parent.as_str()),
            ("traceparent", &parent),
            ("tracestate", "a=1"),
        ];
        let expected = "traceparent: 00-00000000000000aa0000000000000000-00000000000000bb-01";
        assert_eq!(passed_on(Propagation::W3c, &lines), [expected]);
    }
}
