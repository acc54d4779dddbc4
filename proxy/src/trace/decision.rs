//! Whether a request is traced, as Envoys decide it: by its `x-request-id`, which says what others
//! have decided, and whose random digits decide otherwise.

use super::{
    fields::TraceFields,
    request_id::{self, Reason},
};
use crate::tables::Sampling;

/// What is decided of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Decision {
    pub reason: Reason,
    /// `x-request-id` from here on, if it changes.
    pub request_id: Option<[u8; 36]>,
}

impl Decision {
    /// Whether it is traced, if no context says otherwise.
    pub fn is_traced(&self) -> bool {
        self.reason != Reason::None
    }
}

/// Decides it. `is_forced` is whether a service may ask for it and does, and `draw` gives a random
/// number.
pub(crate) fn decide(
    sampling: &Sampling,
    fields: &TraceFields<'_>,
    is_forced: bool,
    draw: impl FnOnce() -> u64,
) -> Decision {
    let unchanged = |reason| Decision {
        reason,
        request_id: None,
    };
    if !sampling.by_request_id {
        return unchanged(Reason::Sampled);
    }
    let id = fields.request_id.unwrap_or_default();
    let Some(number) = request_id::number(id) else {
        return unchanged(Reason::None);
    };
    let number = number % 10_000;
    // Who writes no marks takes none for one: the digit may be any.
    let before = match sampling.marks_request_id {
        true => request_id::reason(id),
        false => Reason::None,
    };
    let wanted = match before {
        Reason::None if asks(sampling, fields, draw) => Reason::Client,
        Reason::None if is_forced => Reason::Forced,
        Reason::None if is_in(number, 10_000, sampling.random) => Reason::Sampled,
        decided => decided,
    };
    let reason = match is_in(number, 100, sampling.overall) {
        true => wanted,
        false => Reason::None,
    };
    if reason == before || !sampling.marks_request_id {
        return unchanged(reason);
    }
    Decision {
        reason,
        request_id: request_id::marked(id, reason),
    }
}

/// Whether a client asks for it.
fn asks(sampling: &Sampling, fields: &TraceFields<'_>, draw: impl FnOnce() -> u64) -> bool {
    fields.client_trace_id.is_some() && is_in(draw(), 100, sampling.client)
}

/// Whether a number is in the share of so many.
fn is_in(number: u64, of: u64, share: u32) -> bool {
    number % of < u64::from(share)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An id whose number is that.
    fn id(number: u32, mark: char) -> String {
        format!("{number:08x}-1e1c-{mark}d0a-9d3f-0d0f7c1f8a11")
    }

    const NEVER: Sampling = Sampling {
        random: 0,
        ..Sampling::ALL
    };

    fn of(id: &str) -> TraceFields<'_> {
        TraceFields {
            request_id: Some(id.as_bytes()),
            ..TraceFields::default()
        }
    }

    fn decided(sampling: &Sampling, fields: &TraceFields<'_>) -> (Reason, Option<char>) {
        let decision = decide(sampling, fields, fields.forces, || 50);
        let mark = decision.request_id.map(|id| char::from(id[14]));
        (decision.reason, mark)
    }

    #[test]
    fn chance_decides_by_the_request_id() {
        let sampling = Sampling {
            random: 100,
            ..Sampling::ALL
        };
        for (number, expected) in [
            (99, (Reason::Sampled, Some('9'))),
            (10_099, (Reason::Sampled, Some('9'))),
            (100, (Reason::None, None)),
            (9_999, (Reason::None, None)),
        ] {
            let id = id(number, '4');
            assert_eq!(decided(&sampling, &of(&id)), expected, "{number}");
        }
    }

    #[test]
    fn what_was_decided_before_is_kept() {
        for (mark, reason) in [
            ('9', Reason::Sampled),
            ('a', Reason::Forced),
            ('b', Reason::Client),
        ] {
            let id = id(5_000, mark);
            assert_eq!(decided(&NEVER, &of(&id)), (reason, None));
        }
    }

    #[test]
    fn a_client_asks() {
        let id = id(5_000, '4');
        let mut fields = of(&id);
        fields.client_trace_id = Some(b"mine");
        assert_eq!(decided(&NEVER, &fields), (Reason::Client, Some('b')));
        let half = Sampling {
            client: 50,
            ..NEVER
        };
        assert_eq!(decided(&half, &fields), (Reason::None, None));
    }

    #[test]
    fn a_service_asks() {
        let id = id(5_000, '4');
        let mut fields = of(&id);
        fields.forces = true;
        assert_eq!(decided(&NEVER, &fields), (Reason::Forced, Some('a')));
    }

    #[test]
    fn there_is_a_share_of_all_that_no_other_exceeds() {
        let sampling = Sampling {
            overall: 10,
            ..Sampling::ALL
        };
        let (few, many) = (id(9, '4'), id(10, '9'));
        let sampled = (Reason::Sampled, Some('9'));
        assert_eq!(decided(&sampling, &of(&few)), sampled);
        assert_eq!(decided(&sampling, &of(&many)), (Reason::None, Some('4')));
    }

    #[test]
    fn an_id_without_a_number_decides_nothing() {
        assert_eq!(decided(&Sampling::ALL, &of("mine")), (Reason::None, None));
        let none = TraceFields::default();
        assert_eq!(decided(&Sampling::ALL, &none), (Reason::None, None));
        // It need not be a UUID, which could be marked.
        let short = of("00000001");
        assert_eq!(decided(&Sampling::ALL, &short), (Reason::Sampled, None));
    }

    #[test]
    fn marks_are_read_where_they_are_written() {
        let id = id(9_999, '9');
        let unmarked = Sampling {
            marks_request_id: false,
            ..NEVER
        };
        assert_eq!(decided(&NEVER, &of(&id)), (Reason::Sampled, None));
        assert_eq!(decided(&unmarked, &of(&id)), (Reason::None, None));
        let all = Sampling {
            random: 10_000,
            ..unmarked
        };
        assert_eq!(decided(&all, &of(&id)), (Reason::Sampled, None));
    }

    #[test]
    fn the_request_id_can_be_left_out_of_it() {
        let id = id(9_999, '4');
        let all = Sampling {
            by_request_id: false,
            ..NEVER
        };
        assert_eq!(decided(&all, &of(&id)), (Reason::Sampled, None));
        let unmarked = Sampling {
            marks_request_id: false,
            ..Sampling::ALL
        };
        assert_eq!(decided(&unmarked, &of(&id)), (Reason::Sampled, None));
    }
}
