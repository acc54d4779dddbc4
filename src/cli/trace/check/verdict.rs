//! What is said of an application, by what its proxy has seen. Pure.

use serde::Deserialize;

use crate::{cli::proxied_pod::PodName, text::printable};

/// What the proxy answers.
#[derive(Debug, Deserialize)]
pub(super) struct Seen {
    verdict: Verdict,
    /// The headers that the application has to pass on.
    headers: Vec<String>,
    traces: Traces,
    requests_without_trace: Requests,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    /// Too little has been seen.
    Unknown,
    PassesOn,
    Cuts,
}

/// The traced requests that the application has answered.
#[derive(Debug, Deserialize)]
struct Traces {
    /// A request of the application was part of it.
    continued: u64,
    /// None was, while others left that are part of no trace.
    cut: u64,
    /// The application sent nothing meanwhile.
    ended: u64,
}

/// Requests that the application has sent as part of no trace, while it answered traced ones.
#[derive(Debug, Deserialize)]
struct Requests {
    all: u64,
    with_request_id: u64,
    with_b3: u64,
    with_traceparent: u64,
}

impl Seen {
    /// Whether the application cuts traces.
    pub fn has_cut(&self) -> bool {
        self.verdict == Verdict::Cuts
    }
}

/// What there is to say, and to do.
pub(super) fn text(pod: &PodName, seen: &Seen) -> String {
    let Traces {
        continued,
        cut,
        ended,
    } = seen.traces;
    let all = continued + cut + ended;
    let application = format!("The application of the pod {pod}");
    let of_traces = format!("of {all} traced requests that it answered");
    match seen.verdict {
        Verdict::Cuts => format!(
            "{application} does not pass the headers of traces on: {of_traces}, {cut} were cut. It sent requests meanwhile, \
             but none as part of their trace; {continued} went on.\n{}{}",
            passed(&seen.requests_without_trace),
            advice(&seen.headers)
        ),
        Verdict::PassesOn => format!(
            "{application} passes the headers of traces on: {of_traces}, {continued} went on, and {ended} needed no requests.{}\n",
            match cut {
                0 => String::new(),
                cut => format!(
                    " {cut} did not go on, though it sent requests meanwhile. They may have been its own."
                ),
            }
        ),
        Verdict::Unknown if all == 0 => format!(
            "{application} has answered no traced request so far. Either it gets none, or none was sampled: 1 % are by default, and \
             none without a collector. docs/tracing.md says how to trace more.\n"
        ),
        Verdict::Unknown if cut == 0 => format!(
            "{application} has nothing to pass on: {of_traces}, all were answered without requests to others.\n"
        ),
        Verdict::Unknown => format!(
            "{application} has answered too few traced requests for a verdict: {of_traces}, {cut} did not go on. Send it some more, and \
             look again.\n"
        ),
    }
}

/// Which headers were there all the same.
fn passed(requests: &Requests) -> String {
    let Requests {
        all,
        with_request_id,
        with_b3,
        with_traceparent,
    } = requests;
    let kinds = [
        ("x-request-id", with_request_id),
        ("B3", with_b3),
        ("traceparent", with_traceparent),
    ];
    let counts = kinds.map(|(kind, count)| format!("{count} had {kind}"));
    format!(
        "Of the {all} requests that it sent outside of any trace, {}.\n",
        counts.join(", ")
    )
}

fn advice(headers: &[String]) -> String {
    format!(
        "To fix this, copy these headers of each request to all requests that are made for it:\n  {}\nLibraries for tracing do it, such as \
         OpenTelemetry's (OTEL_PROPAGATORS=tracecontext,b3multi); x-request-id must be copied as well. docs/tracing.md, \"Pass \
         the headers on\", has an example.\n",
        printable(&headers.join(", "))
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn seen(verdict: &str, [continued, cut, ended]: [u64; 3]) -> Seen {
        let seen = json!({
            "verdict": verdict,
            "propagation": "b3",
            "headers": ["x-request-id", "x-b3-traceid", "b\u{1b}[2J3"],
            "traces": {"continued": continued, "cut": cut, "ended": ended},
            "requests_without_trace": {
                "all": 4, "with_request_id": 3, "with_b3": 0, "with_traceparent": 1,
            },
        });
        serde_json::from_value(seen).unwrap()
    }

    fn said(verdict: &str, traces: [u64; 3]) -> String {
        let pod = PodName {
            namespace: "shop".to_owned(),
            name: "web".to_owned(),
        };
        text(&pod, &seen(verdict, traces))
    }

    #[test]
    fn only_an_application_that_cuts_traces_fails() {
        assert!(seen("cuts", [1, 4, 2]).has_cut());
        for verdict in ["passes_on", "unknown"] {
            assert!(!seen(verdict, [1, 4, 2]).has_cut(), "{verdict}");
        }
    }

    #[test]
    fn a_chain_that_breaks_is_told_with_what_to_do() {
        let said = said("cuts", [1, 4, 2]);
        for part in [
            "shop/web does not pass the headers of traces on: of 7 traced requests",
            "4 were cut",
            "Of the 4 requests that it sent outside of any trace, 3 had x-request-id, 0 had B3, 1 had traceparent.\n",
            "\n  x-request-id, x-b3-traceid, b [2J3\n",
            "docs/tracing.md",
        ] {
            assert!(said.contains(part), "{part}: {said}");
        }
    }

    #[test]
    fn nobody_is_blamed_without_reason() {
        for (said, expected) in [
            (
                said("passes_on", [6, 0, 1]),
                "6 went on, and 1 needed no requests.\n",
            ),
            (said("passes_on", [6, 2, 1]), "2 did not go on"),
            (said("unknown", [0, 0, 0]), "no traced request so far"),
            (said("unknown", [0, 0, 5]), "nothing to pass on: of 5"),
            (said("unknown", [0, 2, 5]), "too few"),
        ] {
            assert!(said.contains(expected), "{said}");
            assert!(!said.contains("does not pass"), "{said}");
        }
    }
}
