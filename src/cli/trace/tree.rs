//! A trace as a tree of its spans. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::span::{Span, Trace};
use crate::{
    cli::table,
    text::{plural, printable},
};

/// How many spans are shown. A store may have traces that never end.
const SHOWN: usize = 1_000;
/// How deep the tree is drawn. What is deeper stands at the last level.
const DEPTH: usize = 32;

/// A span at its place in the tree.
struct Placed<'a> {
    span: &'a Span,
    branches: String,
}

/// The trace: how long it took, and a line for each span below the one that it is part of.
pub(super) fn format(trace: &Trace) -> String {
    let placed = placed(&trace.spans);
    let start = trace.start();
    let rows: Vec<_> = placed
        .iter()
        .take(SHOWN)
        .map(|placed| row(placed, start))
        .collect();
    let headings = [
        "SERVICE",
        "KIND",
        "OPERATION",
        "START (MS)",
        "TOOK (MS)",
        "STATUS",
    ];
    let mut text = format!(
        "Trace {}: {}, {}, {} ms\n\n{}",
        printable(&trace.id),
        plural(trace.spans.len(), "span"),
        plural(trace.services().len(), "service"),
        milliseconds(trace.duration()),
        table::format(&headings, &rows)
    );
    if placed.len() > SHOWN {
        let more = plural(placed.len() - SHOWN, "more span");
        text.push_str(&format!("and {more}\n"));
    }
    let lost = lost(&trace.spans);
    if lost > 0 {
        text.push_str(&format!(
            "\n{} of a span that the store does not have: it may be on its way still, or its proxy does not send spans\n",
            match lost {
                1 => "1 span is part".to_owned(),
                lost => format!("{lost} spans are part"),
            }
        ));
    }
    text
}

/// The spans whose parent is not in the store.
fn lost(spans: &[Span]) -> usize {
    let known: BTreeSet<_> = spans.iter().map(|span| span.id.as_str()).collect();
    let parents = spans.iter().filter_map(|span| span.parent.as_deref());
    parents.filter(|parent| !known.contains(parent)).count()
}

fn row(Placed { span, branches }: &Placed<'_>, start: u64) -> Vec<String> {
    let status = span.status.as_deref();
    vec![
        format!("{branches}{}", or_dash(&span.service)),
        or_dash(&span.kind).to_owned(),
        or_dash(&span.name).to_owned(),
        milliseconds(span.start.saturating_sub(start)),
        milliseconds(span.duration),
        match (status, span.is_error) {
            (Some(status), true) => format!("{status}, error"),
            (None, true) => "error".to_owned(),
            (status, false) => status.unwrap_or("-").to_owned(),
        },
    ]
}

fn or_dash(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}

/// Microseconds as milliseconds.
fn milliseconds(microseconds: u64) -> String {
    format!("{}.{:03}", microseconds / 1000, microseconds % 1000)
}

/// The spans in the order of the tree, each below the one that it is part of and the earlier first. Every span is there once,
/// also if spans are said to be part of each other.
fn placed(spans: &[Span]) -> Vec<Placed<'_>> {
    let mut order: Vec<usize> = (0..spans.len()).collect();
    order.sort_by_key(|index| spans[*index].start);
    let mut by_id = BTreeMap::new();
    for index in &order {
        by_id.entry(spans[*index].id.as_str()).or_insert(*index);
    }
    let parent = |index: usize| {
        let parent = *by_id.get(spans[index].parent.as_deref()?)?;
        (parent != index).then_some(parent)
    };
    let mut children = BTreeMap::<Option<usize>, Vec<usize>>::new();
    for index in &order {
        children.entry(parent(*index)).or_default().push(*index);
    }
    let mut placed = Vec::with_capacity(spans.len());
    let mut is_placed = vec![false; spans.len()];
    let roots = children.remove(&None).unwrap_or_default();
    // Those that are left then are part of each other.
    for root in roots.into_iter().chain(order) {
        let mut waiting = vec![(root, String::new(), String::new())];
        while let Some((index, branches, below)) = waiting.pop() {
            if std::mem::replace(&mut is_placed[index], true) {
                continue;
            }
            placed.push(Placed {
                span: &spans[index],
                branches,
            });
            let parts = children.remove(&Some(index)).unwrap_or_default();
            // The first is taken first.
            for (number, part) in parts.iter().rev().enumerate() {
                let is_last = number == 0;
                let (branch, more) = if is_last {
                    ("└─ ", "   ")
                } else {
                    ("├─ ", "│  ")
                };
                let deeper = if below.chars().count() < 3 * DEPTH {
                    format!("{below}{more}")
                } else {
                    below.clone()
                };
                waiting.push((*part, format!("{below}{branch}"), deeper));
            }
        }
    }
    placed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(id: &str, parent: &str, start: u64) -> Span {
        Span {
            trace: "7".to_owned(),
            id: id.to_owned(),
            parent: (!parent.is_empty()).then(|| parent.to_owned()),
            service: id.to_owned(),
            start,
            duration: 10,
            ..Span::default()
        }
    }

    fn tree(spans: &[Span]) -> Vec<String> {
        let lines = placed(spans).into_iter();
        lines
            .map(|placed| format!("{}{}", placed.branches, placed.span.id))
            .collect()
    }

    #[test]
    fn a_span_is_below_the_one_that_it_is_part_of() {
        let spans = [
            span("ratings", "reviews", 6),
            span("gateway", "", 1),
            span("reviews", "page", 4),
            span("details", "page", 3),
            span("page", "gateway", 2),
            span("details-in", "details", 5),
        ];
        assert_eq!(
            tree(&spans),
            [
                "gateway",
                "└─ page",
                "   ├─ details",
                "   │  └─ details-in",
                "   └─ reviews",
                "      └─ ratings",
            ]
        );
    }

    #[test]
    fn a_span_of_an_unknown_one_is_at_the_top() {
        let trace = Trace::of(vec![span("b", "gone", 2), span("a", "", 1)]).unwrap();
        assert_eq!(tree(&trace.spans), ["a", "b"]);
        let text = format(&trace);
        assert!(text.contains("1 span is part of a span that"), "{text}");
    }

    #[test]
    fn every_span_is_there_once_whatever_it_says() {
        let itself = [span("a", "a", 1)];
        assert_eq!(tree(&itself), ["a"]);
        let circle = [span("a", "b", 1), span("b", "a", 2), span("c", "b", 3)];
        assert_eq!(tree(&circle), ["a", "└─ b", "   └─ c"]);
        let same = [span("a", "", 1), span("a", "", 2), span("b", "a", 3)];
        assert_eq!(tree(&same), ["a", "└─ b", "a"]);
    }

    #[test]
    fn a_deep_trace_is_drawn_to_some_depth() {
        let name = |number: usize| number.to_string();
        let deep: Vec<_> = (1..20_000)
            .map(|number| span(&name(number), &name(number - 1), number as u64))
            .collect();
        let lines = tree(&deep);
        assert_eq!(lines.len(), deep.len());
        assert!(
            lines
                .iter()
                .all(|line| line.chars().count() < 3 * DEPTH + 12)
        );
        let text = format(&Trace::of(deep).unwrap());
        assert!(text.contains("\nand 18999 more spans\n"));
    }

    #[test]
    fn a_line_has_the_milliseconds_and_what_went_wrong() {
        let mut web = span("web", "", 1_000_000);
        web.kind = "server".to_owned();
        web.name = "web.shop.svc.cluster.local:80/*".to_owned();
        web.duration = 12_345;
        let mut call = span("call", "web", 1_002_000);
        call.duration = 1_500;
        call.status = Some("503".to_owned());
        call.is_error = true;
        assert_eq!(
            format(&Trace::of(vec![web, call]).unwrap()),
            "Trace 7: 2 spans, 2 services, 12.345 ms\n\n\
             SERVICE   KIND     OPERATION                         START (MS)   TOOK (MS)   STATUS\n\
             web       server   web.shop.svc.cluster.local:80/*   0.000        12.345      -\n\
             └─ call   -        -                                 2.000        1.500       503, error\n"
        );
    }
}
