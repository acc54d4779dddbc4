//! `proxy-config secret`. Pure.

use k8s_openapi::jiff::Timestamp;
use serde_json::Value;

use crate::cli::{
    config_dump::{items, text},
    table,
    validity::{Validity, span},
};

/// The names of the two secrets that a workload has, as in Istio.
const OWN: &str = "default";
const ROOTS: &str = "ROOTCA";

/// The table of what a proxy answers to `/certs`, and what is valid of it now.
pub(super) fn table(found: &Value, now: Timestamp) -> String {
    let headings = [
        "RESOURCE NAME",
        "TYPE",
        "STATUS",
        "VALID CERT",
        "IDENTITY",
        "SERIAL NUMBER",
        "NOT BEFORE",
        "NOT AFTER",
        "TIME LEFT",
    ];
    let mut rows = Vec::new();
    for certificate in items(found, "certificates") {
        let chain = items(certificate, "cert_chain").iter();
        let roots = items(certificate, "ca_cert").iter();
        rows.extend(chain.map(|one| row(OWN, "Cert Chain", one, now)));
        rows.extend(roots.map(|one| row(ROOTS, "CA", one, now)));
    }
    if rows.is_empty() {
        return "The proxy has no certificate: it has not been configured by a control plane, or its log says why none was \
                issued.\n"
            .to_owned();
    }
    table::format(&headings, &rows)
}

fn row(name: &str, kind: &str, certificate: &Value, now: Timestamp) -> Vec<String> {
    let (status, is_valid, left) = match Validity::of(certificate, now) {
        Validity::Valid { left } => ("ACTIVE", "true", span(left)),
        Validity::Expired { ago } => ("EXPIRED", "false", format!("expired {} ago", span(ago))),
        Validity::NotYet { wait } => ("NOT YET VALID", "false", format!("valid in {}", span(wait))),
        Validity::Unknown => ("UNKNOWN DATES", "-", "-".to_owned()),
    };
    vec![
        name.to_owned(),
        kind.to_owned(),
        status.to_owned(),
        is_valid.to_owned(),
        identity(certificate),
        text(certificate, "serial_number").to_owned(),
        text(certificate, "valid_from").to_owned(),
        text(certificate, "expiration_time").to_owned(),
        left,
    ]
}

/// The URIs in a certificate.
fn identity(certificate: &Value) -> String {
    let names = items(certificate, "subject_alt_names").iter();
    let uris: Vec<_> = names
        .map(|name| text(name, "uri"))
        .filter(|uri| !uri.is_empty())
        .collect();
    match uris.is_empty() {
        true => "-".to_owned(),
        false => uris.join(","),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const URI: &str = "spiffe://cluster.local/ns/shop/sa/web";

    fn certificate(serial: &str, names: Value, until: &str) -> Value {
        json!({
            "serial_number": serial,
            "subject_alt_names": names,
            "days_until_expiration": "0",
            "valid_from": "2026-11-30T00:00:00Z",
            "expiration_time": until,
        })
    }

    fn shown(now: &str) -> String {
        let found = json!({"certificates": [{
            "cert_chain": [certificate("ab", json!([{"uri": URI}]), "2026-12-01T00:00:00.000Z")],
            "ca_cert": [certificate("cd", json!([]), "2036-11-27T00:00:00Z")],
        }]});
        table(&found, now.parse().unwrap())
    }

    #[test]
    fn the_table_has_the_certificate_and_the_roots() {
        assert_eq!(
            shown("2026-11-30T00:19:00Z"),
            "RESOURCE NAME   TYPE         STATUS   VALID CERT   IDENTITY                                SERIAL NUMBER   NOT BEFORE             NOT AFTER                  TIME LEFT\n\
             default         Cert Chain   ACTIVE   true         spiffe://cluster.local/ns/shop/sa/web   ab              2026-11-30T00:00:00Z   2026-12-01T00:00:00.000Z   23h41m\n\
             ROOTCA          CA           ACTIVE   true         -                                       cd              2026-11-30T00:00:00Z   2036-11-27T00:00:00Z       3649d\n"
        );
    }

    #[test]
    fn says_what_is_not_valid() {
        for (now, status, left) in [
            ("2026-12-04T01:00:00Z", "EXPIRED", "expired 3d ago"),
            ("2026-11-29T23:55:00Z", "NOT YET VALID", "valid in 5m"),
        ] {
            let table = shown(now);
            let own = table.lines().nth(1).unwrap();
            assert!(own.starts_with("default "), "{own}");
            assert!(own.contains(&format!("{status}   ")), "{own}");
            assert!(own.contains("   false  "), "{own}");
            assert!(own.ends_with(left), "{own}");
            assert!(!own.contains("ACTIVE"), "{own}");
        }
        let strange =
            json!({"certificates": [{"cert_chain": [certificate("ab", json!([]), "soon")]}]});
        let table = table(&strange, Timestamp::UNIX_EPOCH);
        assert!(table.contains("UNKNOWN DATES"), "{table}");
    }

    #[test]
    fn says_that_there_is_none() {
        let text = table(&json!({"certificates": []}), Timestamp::UNIX_EPOCH);
        assert!(text.contains("no certificate"), "{text}");
    }
}
