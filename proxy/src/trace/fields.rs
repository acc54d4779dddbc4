//! The fields of a request that tracing looks at.

use std::net::IpAddr;

use crate::{
    message::{FieldName, Fields},
    tables::AddressRange,
};

/// Their values, the first of each.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct TraceFields<'a> {
    pub request_id: Option<&'a [u8]>,
    pub client_trace_id: Option<&'a [u8]>,
    /// It has `x-envoy-force-trace`, which not everybody may send.
    pub forces: bool,
    /// What the proxy before this one calls the request.
    pub operation: Option<&'a [u8]>,
    pub b3: Option<&'a [u8]>,
    pub b3_trace_id: Option<&'a [u8]>,
    pub b3_span_id: Option<&'a [u8]>,
    pub b3_sampled: Option<&'a [u8]>,
    pub b3_flags: Option<&'a [u8]>,
    pub b3_has_parent: bool,
    pub trace_parent: Option<&'a [u8]>,
    /// There is another one, so that none counts.
    pub has_two_trace_parents: bool,
    pub has_trace_state: bool,
    /// Lines of `x-forwarded-for`, and the first of them.
    pub(super) ways: u32,
    pub(super) way: Option<&'a [u8]>,
}

impl<'a> TraceFields<'a> {
    /// Looks through the fields once.
    pub fn of(fields: &'a Fields) -> Self {
        let mut found = Self::default();
        for (known, value) in fields.iter_known() {
            let place = match known {
                FieldName::XRequestId => &mut found.request_id,
                FieldName::XClientTraceId => &mut found.client_trace_id,
                FieldName::XEnvoyDecoratorOperation => &mut found.operation,
                FieldName::B3 => &mut found.b3,
                FieldName::XB3TraceId => &mut found.b3_trace_id,
                FieldName::XB3SpanId => &mut found.b3_span_id,
                FieldName::XB3Sampled => &mut found.b3_sampled,
                FieldName::XB3Flags => &mut found.b3_flags,
                FieldName::TraceParent => {
                    found.has_two_trace_parents |= found.trace_parent.is_some();
                    &mut found.trace_parent
                }
                FieldName::XForwardedFor => {
                    found.ways += 1;
                    &mut found.way
                }
                FieldName::TraceState => {
                    found.has_trace_state = true;
                    continue;
                }
                FieldName::XB3ParentSpanId => {
                    found.b3_has_parent = true;
                    continue;
                }
                FieldName::XEnvoyForceTrace => {
                    found.forces = true;
                    continue;
                }
                _ => continue,
            };
            place.get_or_insert(value);
        }
        found
    }

    /// Whether a service asks for the request to be traced. A gateway has removed what strangers
    /// say.
    pub fn is_forced(&self, inside: &[AddressRange]) -> bool {
        self.forces && self.is_from(inside)
    }

    /// Whether the request began at one of these addresses, as Envoy finds it out: it stands alone
    /// in `x-forwarded-for`.
    fn is_from(&self, inside: &[AddressRange]) -> bool {
        let Some(way) = self.way.filter(|_| self.ways == 1) else {
            return false;
        };
        let text = str::from_utf8(way.trim_ascii()).unwrap_or_default();
        let is_in = |address: IpAddr| inside.iter().any(|range| range.contains(address));
        text.parse().is_ok_and(is_in)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(lines: &[(&str, &str)]) -> Fields {
        let mut fields = Fields::default();
        for (name, value) in lines {
            fields.push(name.as_bytes(), value.as_bytes());
        }
        fields
    }

    #[test]
    fn the_first_line_of_a_name_counts() {
        let fields = fields(&[
            ("X-B3-TraceId", "1"),
            ("x-b3-traceid", "2"),
            ("b3", "0"),
            ("x-envoy-force-trace", ""),
        ]);
        let found = TraceFields::of(&fields);
        assert_eq!(found.b3_trace_id, Some(&b"1"[..]));
        assert_eq!(found.b3, Some(&b"0"[..]));
        assert!(found.forces && !found.has_trace_state);
    }

    #[test]
    fn notices_a_second_trace_parent() {
        let fields = fields(&[("traceparent", "a"), ("traceparent", "a")]);
        assert!(TraceFields::of(&fields).has_two_trace_parents);
    }

    #[test]
    fn a_single_address_of_a_range_is_inside() {
        let ranges = [("10.0.0.0", 8), ("fd00::", 8)];
        let ranges = ranges
            .map(|(address, bits)| AddressRange::new(address.parse().unwrap(), bits).unwrap());
        let is_inside = |lines: &[(&str, &str)]| TraceFields::of(&fields(lines)).is_from(&ranges);
        for inside in ["10.1.2.3", " 10.0.0.1 ", "fd00::1"] {
            assert!(is_inside(&[("x-forwarded-for", inside)]), "{inside}");
        }
        for outside in ["8.8.8.8", "10.0.0.1,10.0.0.2", "2001:db8::1", "me", ""] {
            assert!(!is_inside(&[("x-forwarded-for", outside)]), "{outside}");
        }
        let line = ("x-forwarded-for", "10.0.0.1");
        assert!(!is_inside(&[]) && !is_inside(&[line, line]));
    }
}
