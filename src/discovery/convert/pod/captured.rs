//! Which ports a pod's sidecar captures, by the pod's annotations. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::listed::{EXCLUDED_PORTS, INCLUDED_PORTS};
use crate::model::Captured;

/// The most ports of a list that is read.
const PORTS: usize = 1_024;

/// What the annotations say. A list that can't be read, which the injector refuses, counts as if it
/// were not there. As in the rules of the capture, ports are left out only where all others are captured.
pub(super) fn captured(annotations: &BTreeMap<String, String>) -> Captured {
    let text = |name| annotations.get(name).map(String::as_str);
    let included = text(INCLUDED_PORTS).filter(|text| *text != "*");
    if let Some(included) = included.and_then(ports) {
        return Captured::Only(included);
    }
    match text(EXCLUDED_PORTS).and_then(ports) {
        Some(excluded) if !excluded.is_empty() => Captured::AllBut(excluded),
        _ => Captured::All,
    }
}

/// Ports, separated by commas.
fn ports(text: &str) -> Option<BTreeSet<u16>> {
    if text.is_empty() {
        return Some(BTreeSet::new());
    }
    let ports = text.split(',').map(|port| port.trim().parse().ok());
    let ports: Option<BTreeSet<u16>> = ports.collect();
    ports.filter(|ports| ports.len() <= PORTS)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::discovery::convert::pod::pod;

    /// Of a pod with these annotations, as it is listed.
    fn of(included: Option<&str>, excluded: Option<&str>) -> Captured {
        let object = json!({
            "metadata": {"name": "a", "namespace": "ns",
                "annotations": {INCLUDED_PORTS: included, EXCLUDED_PORTS: excluded}},
            "spec": {}, "status": {"podIPs": [{"ip": "10.0.0.1"}]},
        });
        pod(&serde_json::from_value(object).unwrap())
            .unwrap()
            .captured
    }

    #[test]
    fn lists_are_read_as_the_capture_reads_them() {
        assert_eq!(of(None, None), Captured::All);
        assert_eq!(of(Some("*"), Some("")), Captured::All);
        let only = of(Some("80, 443"), Some("80"));
        assert_eq!(only, Captured::Only([80, 443].into()));
        assert_eq!(of(Some(""), None), Captured::Only([].into()));
        for included in [None, Some("*")] {
            let all_but = of(included, Some("22,9100"));
            assert_eq!(all_but, Captured::AllBut([22, 9100].into()));
        }
    }

    #[test]
    fn what_cannot_be_read_is_as_if_it_were_not_there() {
        for text in ["80,", "http", "65536", "80,*", "-1"] {
            assert_eq!(of(Some(text), None), Captured::All, "{text}");
            assert_eq!(of(None, Some(text)), Captured::All, "{text}");
            let all_but = of(Some(text), Some("22"));
            assert_eq!(all_but, Captured::AllBut([22].into()), "{text}");
        }
    }

    #[test]
    fn a_list_has_so_many_ports() {
        let list = |from: u16, to: u16| {
            let ports: Vec<_> = (from..to).map(|port| port.to_string()).collect();
            ports.join(",")
        };
        let most = of(Some(&list(1_000, 2_024)), None);
        assert!(matches!(most, Captured::Only(ports) if ports.len() == PORTS));
        assert_eq!(of(Some(&list(1_000, 2_025)), None), Captured::All);
        let long = format!("80{}", ",80".repeat(8 << 10));
        assert_eq!(of(None, Some(&long)), Captured::All);
    }
}
