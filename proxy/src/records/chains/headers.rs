//! The headers that an application has to pass on.

use crate::tables::Propagation;

/// Those of that form; all of them where none is known.
pub(crate) fn headers(propagation: Option<Propagation>) -> &'static [&'static str] {
    const ALL: &[&str] = &[
        "x-request-id",
        "x-b3-traceid",
        "x-b3-spanid",
        "x-b3-parentspanid",
        "x-b3-sampled",
        "x-b3-flags",
        "b3",
        "traceparent",
        "tracestate",
    ];
    match propagation {
        Some(Propagation::B3) => &ALL[..7],
        Some(Propagation::W3c) => &["x-request-id", "traceparent", "tracestate"],
        Some(Propagation::B3AndW3c) | None => ALL,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_has_its_own() {
        let count = |propagation| headers(propagation).len();
        assert_eq!(count(Some(Propagation::B3)), 7);
        assert_eq!(count(Some(Propagation::W3c)), 3);
        assert_eq!((count(Some(Propagation::B3AndW3c)), count(None)), (9, 9));
    }
}
