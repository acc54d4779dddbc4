//! What a request says of the trace that it is part of, in any of the forms.

use super::{b3, context::Incoming, fields::TraceFields, w3c};
use crate::tables::Propagation;

/// Reads it. What is not as it should be says nothing: the trace begins anew.
pub(crate) fn incoming(propagation: Propagation, fields: &TraceFields<'_>) -> Incoming {
    match propagation {
        Propagation::B3 => b3::read(fields),
        Propagation::W3c => w3c::read(fields),
        Propagation::B3AndW3c => {
            let (first, second) = (b3::read(fields), w3c::read(fields));
            Incoming {
                parent: first.parent.or(second.parent),
                is_sampled: first.is_sampled.or(second.is_sampled),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE_PARENT: &[u8] = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn each_form_is_read_where_it_is_wanted() {
        let fields = TraceFields {
            b3: Some(b"000000000000000a-000000000000000b-0"),
            trace_parent: Some(TRACE_PARENT),
            ..TraceFields::default()
        };
        let trace = |propagation| {
            let read = incoming(propagation, &fields);
            (read.parent.unwrap().trace.get(), read.is_sampled.unwrap())
        };
        let w3c = 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c;
        assert_eq!(trace(Propagation::B3), (10, false));
        assert_eq!(trace(Propagation::W3c), (w3c, true));
        assert_eq!(trace(Propagation::B3AndW3c), (10, false));
    }

    #[test]
    fn the_second_form_stands_in_for_the_first() {
        let fields = TraceFields {
            trace_parent: Some(TRACE_PARENT),
            ..TraceFields::default()
        };
        assert!(incoming(Propagation::B3AndW3c, &fields).parent.is_some());
        assert_eq!(incoming(Propagation::B3, &fields), Incoming::default());
    }
}
