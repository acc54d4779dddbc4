use super::*;

fn text(text: &str) -> Source {
    Source::parse(text, Format::Text).unwrap()
}

fn open(text: &str) -> Source {
    Source::parse(text, Format::OpenMetrics).unwrap()
}

#[test]
fn writes_openmetrics_as_text() {
    let source = open(
        "# HELP a_requests A \\\"b\\\".\n# TYPE a_requests counter\n# UNIT a_requests x\n\
         a_requests_total{c=\"d\"} 1 # {t=\"u\"} 1\na_requests_created{c=\"d\"} 7\n\
         # TYPE a_build info\na_build_info{v=\"1\"} 1\n\
         # TYPE a_seconds histogram\na_seconds_bucket{le=\"+Inf\"} 1\na_seconds_sum 2\na_seconds_count 1\n\
         # TYPE a_other unknown\na_other 3\n# EOF\n",
    );
    assert_eq!(
        merge(vec![source]),
        "# HELP a_requests_total A \"b\".\n# TYPE a_requests_total counter\na_requests_total{c=\"d\"} 1\n\
         # TYPE a_build_info gauge\na_build_info{v=\"1\"} 1\n\
         # TYPE a_seconds histogram\na_seconds_bucket{le=\"+Inf\"} 1\na_seconds_sum 2\na_seconds_count 1\n\
         # TYPE a_other untyped\na_other 3\n"
    );
}

#[test]
fn leaves_text_as_it_is() {
    let exposition = "# HELP a_total A \\\\ b\n# TYPE a_total counter\na_total 1\n# TYPE b summary\nb{quantile=\"1\"} 1 5\nb_sum 1\n\
                      b_count 1\nc_created 1\n";
    assert_eq!(merge(vec![text(exposition)]), exposition);
}

#[test]
fn joins_families_and_keeps_the_first_of_equal_series() {
    let first = text("# TYPE a gauge\na{x=\"1\"} 1\na{x=\"2\"} 2\nb 1\n");
    let second = text("# TYPE c gauge\nc 1\n# TYPE a gauge\na{x=\"2\"} 9\na{x=\"3\"} 3\n");
    assert_eq!(
        merge(vec![first, second]),
        "# TYPE a gauge\na{x=\"1\"} 1\na{x=\"2\"} 2\na{x=\"3\"} 3\nb 1\n# TYPE c gauge\nc 1\n"
    );
}

#[test]
fn rejects_what_no_scraper_would_take() {
    for (bad, line) in [
        ("<html>", 1),
        ("a 1\nb", 2),
        ("a 1\n\nb{", 3),
        ("# TYPE a-b gauge", 1),
    ] {
        let parsed = Source::parse(bad, Format::Text).map(|_| ());
        assert_eq!(parsed, Err(Unreadable::Line(line)), "{bad}");
    }
}

#[test]
fn puts_a_prefix_before_names() {
    let mut source = text("# TYPE process_cpu gauge\nprocess_cpu{a=\"b\"} 1\nother 1\n");
    source.prefix("agent_", "process_");
    let samples: Vec<_> = source.samples().map(|(series, _)| series).collect();
    assert_eq!(samples, ["agent_process_cpu{a=\"b\"}", "other"]);
    assert_eq!(
        merge(vec![source]),
        "# TYPE agent_process_cpu gauge\nagent_process_cpu{a=\"b\"} 1\nother 1\n"
    );
}

#[test]
fn rejects_more_metrics_than_fit() {
    let text: String = (0..=MAX_FAMILIES).map(|n| format!("a{n} 1\n")).collect();
    let parsed = Source::parse(&text, Format::Text).map(|_| ());
    assert_eq!(parsed, Err(Unreadable::Families));
}

#[test]
fn leaves_out_what_is_not_wanted() {
    let mut source = text(
        "# TYPE a_total counter\na_total{x=\"1\"} 1\na_total{x=\"2\"} 2\n# TYPE b gauge\nb 3\n",
    );
    source.retain(|kind, series, value| {
        kind == Some("counter") && series != "a_total{x=\"1\"}" && value == " 2"
    });
    assert_eq!(
        merge(vec![source]),
        "# TYPE a_total counter\na_total{x=\"2\"} 2\n"
    );
}
