//! Names of hosts, namespaces, labels and the like.

use std::{
    collections::{BTreeMap, HashSet},
    net::IpAddr,
};

use super::limits;
use crate::{Duration, findings::Findings, path::shortened};

/// The longest DNS name as a text, in bytes: RFC 1035, 2.3.4, without the length of the first label
/// and the root.
const LONGEST_NAME: usize = 253;
/// The longest label of a DNS name, in bytes.
const LONGEST_LABEL: usize = 63;
/// The longest time: what is longer is a mistake, and would overflow clocks. The proxy takes no more.
const LONGEST_TIME: std::time::Duration = std::time::Duration::from_secs(10 * 365 * 24 * 3600);

/// Whether `text` is a DNS label (RFC 1123): letters, digits and inner hyphens, at most 63.
pub(super) fn is_label(text: &str) -> bool {
    let bytes = text.as_bytes();
    let [first, .., last] = bytes else {
        return bytes.first().is_some_and(u8::is_ascii_alphanumeric);
    };
    bytes.len() <= LONGEST_LABEL
        && first.is_ascii_alphanumeric()
        && last.is_ascii_alphanumeric()
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
}

/// Whether `text` is a DNS name, with or without a point at its end.
pub(super) fn is_name(text: &str) -> bool {
    let name = text.strip_suffix('.').unwrap_or(text);
    // The proxy counts the point as well.
    !name.is_empty() && text.len() <= LONGEST_NAME && name.split('.').all(is_label)
}

/// Whether `text` is a DNS name whose first label may be a wildcard: `*`, `*.example.com`,
/// `*-eu.example.com`.
pub(super) fn is_pattern(text: &str) -> bool {
    match text.strip_prefix('*') {
        None => is_name(text),
        Some("") => true,
        Some(rest) => match rest.strip_prefix('.') {
            Some(rest) => is_name(rest),
            None => text.len() <= LONGEST_NAME && is_name(rest.strip_prefix('-').unwrap_or(rest)),
        },
    }
}

/// A name of a service or a DNS name, with or without a wildcard.
pub(super) fn host(findings: &mut Findings, host: &str) {
    if host.is_empty() {
        findings.fault("must be set");
    } else if !is_pattern(host) {
        findings.fault(format!("{:?} is no DNS name: labels have letters, digits and hyphens, and only the first may be `*`", shortened(host)));
    }
}

/// No host may be there twice, or be one that a wildcard in the list stands for.
pub(super) fn distinct_hosts(findings: &mut Findings, field: &str, hosts: &[String]) {
    let lower: Vec<String> = hosts.iter().map(|host| host.to_ascii_lowercase()).collect();
    let all: HashSet<&str> = lower.iter().map(String::as_str).collect();
    let mut seen: HashSet<&str> = HashSet::new();
    for (index, host) in lower.iter().enumerate() {
        // A longer one is no name, and would take time.
        if host.len() > LONGEST_NAME {
            continue;
        }
        let covering = if seen.insert(host) {
            covering(&all, host)
        } else {
            Some(host.clone())
        };
        if let Some(covering) = covering {
            let message = format!(
                "{} is in the list already, as {}",
                shortened(host),
                shortened(&covering)
            );
            findings.at(field, |findings| {
                findings.at(index, |findings| findings.fault(message));
            });
        }
    }
}

/// The wildcard in `all`, other than `host` itself, that stands for `host`.
fn covering(all: &HashSet<&str>, host: &str) -> Option<String> {
    if host != "*" && all.contains("*") {
        return Some("*".to_owned());
    }
    host.match_indices('.')
        .map(|(position, _)| format!("*{}", &host[position..]))
        .find(|wildcard| wildcard != host && all.contains(wildcard.as_str()))
}

/// Labels of pods: keys and values in Kubernetes' syntax.
pub(super) fn labels(findings: &mut Findings, field: &str, labels: &BTreeMap<String, String>) {
    findings.at(field, |findings| {
        limits::count(findings, labels.len(), limits::NAMES);
    });
    findings.each_key(field, labels, |findings, key, value| {
        let (prefix, name) = key.split_once('/').map_or((None, key), |(prefix, name)| (Some(prefix), name));
        if !is_label_text(name) || name.is_empty() || prefix.is_some_and(|prefix| !is_name(prefix)) {
            findings.fault("the key of a label is a name of up to 63 letters, digits, `-`, `_` and `.`, after a DNS name and `/` if it has one");
        }
        if !is_label_text(value) {
            findings.fault(format!("the value of a label has up to 63 letters, digits, `-`, `_` and `.`, and is not {:?}", shortened(value)));
        }
    });
}

/// The characters that the value of a label may have.
fn is_label_text(text: &str) -> bool {
    let bytes = text.as_bytes();
    let ends = |byte: Option<&u8>| byte.is_none_or(u8::is_ascii_alphanumeric);
    bytes.len() <= LONGEST_LABEL
        && ends(bytes.first())
        && ends(bytes.last())
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte))
}

/// A number of a port.
pub(super) fn port(findings: &mut Findings, port: u16) {
    if port == 0 {
        findings.fault("must be a number from 1 to 65535");
    }
}

/// A time: Istio takes none below a millisecond, nor parts of one.
pub(super) fn duration(findings: &mut Findings, duration: &Duration) {
    if duration.0.as_millis() == 0 {
        findings.fault("must be at least 1ms");
    } else if !duration.0.subsec_nanos().is_multiple_of(1_000_000) {
        findings.fault("must be in whole milliseconds");
    } else if duration.0 > LONGEST_TIME {
        findings.fault("must be at most ten years (87600h)");
    }
}

/// The namespaces that an object is exported to.
pub(super) fn export_to(
    findings: &mut Findings,
    namespace: &str,
    export_to: &[String],
    nobody_allowed: bool,
) {
    findings.at("exportTo", |findings| {
        limits::count(findings, export_to.len(), limits::NAMES);
    });
    let mut seen = HashSet::new();
    findings.each("exportTo", export_to, |findings, entry| {
        let name = if entry == "." { namespace } else { entry };
        if !seen.insert(name.to_owned()) {
            findings.fault(format!("{} is in the list already", shortened(entry)));
        }
        match entry.as_str() {
            "." => {}
            "*" if export_to.len() > 1 => findings.fault("`*` is all namespaces: it must be alone"),
            "~" if !nobody_allowed => findings.fault("`~` (nobody) is only for a ServiceEntry"),
            "~" if export_to.len() > 1 => findings.fault("`~` is nobody: it must be alone"),
            "*" | "~" => {}
            name if is_label(name) => {}
            _ => {
                findings
                    .fault("must be `.` (this namespace), `*` (all) or the name of a namespace");
            }
        }
    });
}

/// The gateways that routes are for: `mesh`, `name` or `namespace/name`.
pub(super) fn gateways(findings: &mut Findings, gateways: &[String]) {
    findings.at("gateways", |findings| {
        limits::count(findings, gateways.len(), limits::NAMES);
    });
    findings.each("gateways", gateways, |findings, gateway| match gateway.split_once('/') {
        Some((namespace, name)) => {
            if !is_label(namespace) || !is_label(name) {
                findings.fault("must be `mesh`, the name of a Gateway, or its namespace and name: `namespace/name`");
            }
        }
        None if is_label(gateway) => {}
        None if is_name(gateway) => {
            let mut parts = gateway.split('.');
            let (name, namespace) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
            findings.warn(format!("this way of writing a Gateway's name is old; write {namespace}/{name}"));
        }
        None => findings.fault("must be `mesh`, the name of a Gateway, or its namespace and name: `namespace/name`"),
    });
}

/// An address or a network.
pub(super) fn subnet(findings: &mut Findings, text: &str) {
    let fits = match text.split_once('/') {
        None => text.parse::<IpAddr>().is_ok(),
        Some((address, bits)) => match (address.parse::<IpAddr>(), bits.parse::<u8>()) {
            (Ok(address), Ok(most)) => most <= if address.is_ipv4() { 32 } else { 128 },
            _ => false,
        },
    };
    if !fits {
        findings.fault(format!(
            "{:?} is neither an address nor a network such as 10.0.0.0/8",
            shortened(text)
        ));
    }
}

/// The name of a subset or of a port.
pub(super) fn label(findings: &mut Findings, text: &str) {
    if text.is_empty() {
        findings.fault("must be set");
    } else if !is_label(text) {
        findings.fault(format!(
            "{:?} is not made of up to 63 letters, digits and inner hyphens",
            shortened(text)
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_names_of_hosts() {
        for host in [
            "reviews",
            "reviews.default.svc.cluster.local",
            "*",
            "*.example.com",
            "*-eu.example.com",
            "a.b.",
            "10.0.0.1",
            "X",
        ] {
            assert!(is_pattern(host), "{host}");
        }
        for host in [
            "", ".", "a..b", "a_b", "-a", "a-", "a.*.b", "**", "*.", "http://a", "a:80", "a/b",
        ] {
            assert!(!is_pattern(host), "{host}");
        }
        assert!(!is_pattern(&"a".repeat(64)));
        assert!(!is_pattern(&"a.".repeat(200)));
    }

    #[test]
    fn finds_hosts_that_are_there_twice() {
        let mut findings = Findings::default();
        let hosts = ["a.b.com", "*.com", "x.org", "X.org", "com", "*.b.com"].map(str::to_owned);
        distinct_hosts(&mut findings, "hosts", &hosts);
        let faults: Vec<String> = findings
            .finish()
            .unwrap_err()
            .iter()
            .map(|fault| fault.path.clone())
            .collect();
        assert_eq!(faults, ["hosts[0]", "hosts[3]", "hosts[5]"]);
    }
}
