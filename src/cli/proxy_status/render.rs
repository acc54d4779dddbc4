//! The table of proxies. Pure.

use std::collections::BTreeSet;

use crate::{
    cli::table,
    discovery::proxies::report::{KINDS, ProxyReport, State},
    text::printable,
};

/// The table, and below it what proxies refuse and which are missing; of all proxies, or those of one
/// namespace.
pub(super) fn table(
    reports: &[ProxyReport],
    namespace: Option<&str>,
    missing: Option<&str>,
) -> String {
    let mut text = rows(reports, namespace);
    let refusals = reports.iter().flat_map(refusals);
    for line in refusals.chain(missing.map(str::to_owned)) {
        text.push('\n');
        text.push_str(&printable(&line));
        text.push('\n');
    }
    text
}

fn rows(reports: &[ProxyReport], namespace: Option<&str>) -> String {
    if reports.is_empty() {
        let of = namespace.map(|namespace| format!(" of the namespace {namespace}"));
        return format!("no proxy{} is connected\n", of.unwrap_or_default());
    }
    let revisions: BTreeSet<_> = reports.iter().map(|report| &report.revision).collect();
    let has_revisions = revisions.len() > 1;
    let mut headings = vec!["NAME"];
    headings.extend(KINDS);
    headings.push("DISCOVERY");
    headings.extend(has_revisions.then_some("REVISION"));
    headings.push("VERSION");
    let rows: Vec<_> = reports
        .iter()
        .map(|report| row(report, has_revisions))
        .collect();
    table::format(&headings, &rows)
}

fn row(report: &ProxyReport, has_revision: bool) -> Vec<String> {
    let state = |kind: &str| {
        let found = report.kinds.get(kind).map(|kind| kind.state);
        found.unwrap_or(State::NotSent).name().to_owned()
    };
    let mut row = vec![report.proxy.clone()];
    row.extend(KINDS.iter().map(|kind| state(kind)));
    row.push(report.replica.clone());
    row.extend(has_revision.then(|| report.revision.clone()));
    row.push(report.version.clone());
    row
}

fn refusals(report: &ProxyReport) -> impl Iterator<Item = String> {
    report.kinds.iter().filter_map(|(kind, of_kind)| {
        let reason = of_kind.refusal.as_ref()?;
        let of = match of_kind.rules.as_slice() {
            [] => String::new(),
            rules => format!(" ({})", rules.join(", ")),
        };
        Some(format!("{} refuses {kind}{of}: {reason}", report.proxy))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn report() -> ProxyReport {
        serde_json::from_value(json!({
            "proxy": "web-1.shop", "address": "10.1.0.1", "version": "0.1.0",
            "replica": "pillion-discovery-a", "connected": "2026-01-01T00:00:00Z",
            "kinds": {
                "CDS": {"state": "SYNCED", "sent": "1", "answered": "1", "resources": 7},
                "LDS": {"state": "STALE", "sent": "2"},
                "EDS": {"state": "NOT SENT"},
                "RDS": {"state": "NACK", "refusal": "9080:\u{1b}[2J no", "rules": ["VirtualService shop/reviews"]},
            },
        }))
        .unwrap()
    }

    #[test]
    fn has_a_column_for_each_kind_and_the_refusals_below() {
        let text = table(&[report()], None, None);
        assert_eq!(
            text,
            "NAME         CDS      LDS     EDS        RDS    DISCOVERY             VERSION\n\
             web-1.shop   SYNCED   STALE   NOT SENT   NACK   pillion-discovery-a   0.1.0\n\
             \n\
             web-1.shop refuses RDS (VirtualService shop/reviews): 9080: [2J no\n"
        );
    }

    #[test]
    fn several_revisions_are_told_apart() {
        let of = |revision: &str| ProxyReport {
            revision: revision.to_owned(),
            ..report()
        };
        let text = table(&[of("default"), of("canary")], None, None);
        assert!(
            text.contains("DISCOVERY             REVISION   VERSION\n"),
            "{text}"
        );
        assert!(
            text.contains("pillion-discovery-a   canary     0.1.0\n"),
            "{text}"
        );
    }

    #[test]
    fn says_that_there_is_no_proxy() {
        assert_eq!(table(&[], None, None), "no proxy is connected\n");
        let text = table(&[], Some("shop"), None);
        assert_eq!(text, "no proxy of the namespace shop is connected\n");
    }

    #[test]
    fn says_which_proxies_are_missing() {
        let text = table(&[], None, Some("1 running proxy is not connected"));
        let said = "no proxy is connected\n\n1 running proxy is not connected\n";
        assert_eq!(text, said);
        let text = table(&[report()], None, Some("2 are missing"));
        assert!(text.ends_with(" no\n\n2 are missing\n"), "{text}");
    }
}
