//! `proxy-config secret`. Pure.

use serde_json::Value;

use crate::cli::{
    config_dump::{field, items, text},
    table,
};

/// The names of the two secrets that a workload has, as in Istio.
const OWN: &str = "default";
const ROOTS: &str = "ROOTCA";

/// The table of what a proxy answers to `/certs`.
pub(super) fn table(found: &Value) -> String {
    let headings = [
        "RESOURCE NAME",
        "TYPE",
        "STATUS",
        "IDENTITY",
        "SERIAL NUMBER",
        "NOT BEFORE",
        "NOT AFTER",
        "DAYS LEFT",
    ];
    let mut rows = Vec::new();
    for certificate in items(found, "certificates") {
        let chain = items(certificate, "cert_chain").iter();
        let roots = items(certificate, "ca_cert").iter();
        rows.extend(chain.map(|one| row(OWN, "Cert Chain", one)));
        rows.extend(roots.map(|one| row(ROOTS, "CA", one)));
    }
    if rows.is_empty() {
        return "The proxy has no certificate: it has not been configured by a control plane, or its log says why none was \
                issued.\n"
            .to_owned();
    }
    table::format(&headings, &rows)
}

fn row(name: &str, kind: &str, certificate: &Value) -> Vec<String> {
    let days = field(certificate, "days_until_expiration");
    let days = match days {
        // The JSON of protobuf has 64-bit numbers as text.
        Value::String(days) => days.clone(),
        other => other.to_string(),
    };
    vec![
        name.to_owned(),
        kind.to_owned(),
        "ACTIVE".to_owned(),
        identity(certificate),
        text(certificate, "serial_number").to_owned(),
        text(certificate, "valid_from").to_owned(),
        text(certificate, "expiration_time").to_owned(),
        days,
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

    #[test]
    fn the_table_has_the_certificate_and_the_roots() {
        let certificate = |serial: &str, names: Value, days: Value| {
            json!({
                "serial_number": serial,
                "subject_alt_names": names,
                "days_until_expiration": days,
                "valid_from": "2026-11-30T00:00:00Z",
                "expiration_time": "2026-12-01T00:00:00Z",
            })
        };
        let uri = "spiffe://cluster.local/ns/shop/sa/web";
        let found = json!({"certificates": [{
            "cert_chain": [certificate("ab", json!([{"uri": uri}]), json!("1"))],
            "ca_cert": [certificate("cd", json!([]), json!(3649))],
        }]});
        assert_eq!(
            table(&found),
            "RESOURCE NAME   TYPE         STATUS   IDENTITY                                SERIAL NUMBER   NOT BEFORE             NOT AFTER              DAYS LEFT\n\
             default         Cert Chain   ACTIVE   spiffe://cluster.local/ns/shop/sa/web   ab              2026-11-30T00:00:00Z   2026-12-01T00:00:00Z   1\n\
             ROOTCA          CA           ACTIVE   -                                       cd              2026-11-30T00:00:00Z   2026-12-01T00:00:00Z   3649\n"
        );
    }

    #[test]
    fn says_that_there_is_none() {
        let text = table(&json!({"certificates": []}));
        assert!(text.contains("no certificate"), "{text}");
    }
}
