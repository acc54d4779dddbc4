//! `/tracing`: whether the application passes on what it is told of traces. Envoy has no such path.

use serde_json::{Value, json};

use crate::{
    records::{Chains, Counts, Verdict, headers},
    tables::Propagation,
};

/// What `pillion trace check` reads.
pub(super) fn seen(chains: &Chains) -> Value {
    let (counts, propagation) = chains.seen();
    let Counts {
        continued,
        cut,
        ended,
        alone,
        with_request_id,
        with_b3,
        with_trace_parent,
    } = counts;
    let verdict = match counts.verdict() {
        Verdict::Unknown => "unknown",
        Verdict::PassesOn => "passes_on",
        Verdict::Cuts => "cuts",
    };
    let propagation_name = propagation.map(|propagation| match propagation {
        Propagation::B3 => "b3",
        Propagation::B3AndW3c => "b3_and_w3c",
        Propagation::W3c => "w3c",
    });
    json!({
        "verdict": verdict,
        "propagation": propagation_name,
        "headers": headers(propagation),
        "traces": {"continued": continued, "cut": cut, "ended": ended},
        "requests_without_trace": {
            "all": alone,
            "with_request_id": with_request_id,
            "with_b3": with_b3,
            "with_traceparent": with_trace_parent,
        },
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::records::{PassedOn, TraceId};

    #[test]
    fn says_what_was_seen() {
        let chains = Arc::<Chains>::default();
        let value = seen(&chains);
        assert_eq!(value["verdict"], "unknown");
        assert_eq!(value["headers"].as_array().map(Vec::len), Some(9));
        for number in 1..=3 {
            let trace = TraceId::new(number).unwrap();
            let inbound = chains.come(trace, Propagation::W3c);
            chains.left(&PassedOn {
                request_id: true,
                ..PassedOn::default()
            });
            drop(inbound);
        }
        let expected = json!({
            "verdict": "cuts",
            "propagation": "w3c",
            "headers": ["x-request-id", "traceparent", "tracestate"],
            "traces": {"continued": 0, "cut": 3, "ended": 0},
            "requests_without_trace": {
                "all": 3, "with_request_id": 3, "with_b3": 0, "with_traceparent": 0,
            },
        });
        assert_eq!(seen(&chains), expected);
    }
}
