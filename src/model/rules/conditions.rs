//! The conditions that depend on the proxy and not on the request.

use std::{collections::BTreeMap, sync::Arc};

use crate::model::{
    names::{MESH_GATEWAY, resolve_gateway},
    objects::Labels,
};

/// Conditions that are decided when tables are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::model) struct Statics {
    /// The port of the listener; for a gateway, that of the server.
    pub port: Option<u16>,
    /// The gateways, `mesh` or `NAMESPACE/NAME`. If there are any, they take the place of
    /// the object's own.
    pub gateways: Vec<Arc<str>>,
    /// The labels that the proxy's pod has.
    pub source_labels: Labels,
    /// The namespace of the proxy's pod; empty for any.
    pub source_namespace: String,
}

/// Where a table is for.
#[derive(Clone, Copy, Debug)]
pub(in crate::model) struct Place<'a> {
    /// The port of the listener; for a gateway, that of the server.
    pub port: u16,
    /// The gateway, `mesh` or `NAMESPACE/NAME`.
    pub gateway: &'a str,
    /// The labels of the proxy's pod; those that no rule names may be left out.
    pub labels: &'a Labels,
    /// The namespace of the proxy's pod.
    pub namespace: &'a str,
}

impl Place<'_> {
    /// Whether it is a sidecar's.
    pub fn is_mesh(&self) -> bool {
        self.gateway == MESH_GATEWAY
    }
}

impl Statics {
    /// Reads the conditions of a rule of an object in `namespace`.
    pub fn new(
        port: Option<u16>,
        gateways: &[String],
        source: (&BTreeMap<String, String>, &str),
        namespace: &str,
    ) -> Self {
        let (labels, source_namespace) = source;
        Self {
            port,
            gateways: gateways
                .iter()
                .map(|gateway| resolve_gateway(gateway, namespace))
                .collect(),
            source_labels: labels.clone().into_iter().collect(),
            source_namespace: source_namespace.to_owned(),
        }
    }

    /// Whether the conditions of an HTTP rule hold. As in Istio, where gateways are named,
    /// labels and namespace are not looked at.
    pub fn hold_for_http(&self, place: Place<'_>) -> bool {
        if !self.holds_port(place) {
            return false;
        }
        if self.gateways.is_empty() {
            self.holds_source(place)
        } else {
            self.names_gateway(place.gateway)
        }
    }

    /// Whether the conditions of a TCP rule hold: all of them.
    pub fn hold_for_tcp(&self, place: Place<'_>) -> bool {
        self.holds_port(place)
            && (self.gateways.is_empty() || self.names_gateway(place.gateway))
            && self.holds_source(place)
    }

    /// Whether the conditions of an HTTP rule hold for some sidecars of a namespace, at some port.
    pub fn may_hold_in(&self, namespace: &str) -> bool {
        if self.gateways.is_empty() {
            self.holds_namespace(namespace)
        } else {
            self.names_gateway(MESH_GATEWAY)
        }
    }

    /// The port, if there is a condition on it.
    pub fn named_port(&self) -> Option<u16> {
        // 0 is what is not set in Istio's protobuf.
        self.port.filter(|port| *port != 0)
    }

    fn holds_port(&self, place: Place<'_>) -> bool {
        self.named_port().is_none_or(|port| port == place.port)
    }

    fn names_gateway(&self, name: &str) -> bool {
        self.gateways.iter().any(|gateway| **gateway == *name)
    }

    fn holds_source(&self, place: Place<'_>) -> bool {
        self.source_labels.select(place.labels) && self.holds_namespace(place.namespace)
    }

    fn holds_namespace(&self, namespace: &str) -> bool {
        self.source_namespace.is_empty() || self.source_namespace == namespace
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statics(gateways: &[&str], labels: &[(&str, &str)], namespace: &str) -> Statics {
        let gateways: Vec<String> = gateways.iter().map(|&name| name.to_owned()).collect();
        let labels = labels.iter();
        let labels = labels.map(|&(name, value)| (name.to_owned(), value.to_owned()));
        Statics::new(None, &gateways, (&labels.collect(), namespace), "a")
    }

    fn place<'a>(gateway: &'a str, labels: &'a Labels) -> Place<'a> {
        Place {
            port: 80,
            gateway,
            labels,
            namespace: "a",
        }
    }

    #[test]
    fn an_http_rule_that_names_gateways_ignores_labels() {
        let none = Labels::default();
        let rule = statics(&["gw"], &[("app", "web")], "other");
        assert!(rule.hold_for_http(place("a/gw", &none)));
        assert!(!rule.hold_for_http(place("mesh", &none)));
        assert!(!rule.hold_for_tcp(place("a/gw", &none)));
    }

    #[test]
    fn labels_and_namespace_are_those_of_the_pod() {
        let web: Labels = [("app", "web"), ("x", "y")].into_iter().collect();
        let other: Labels = [("app", "other")].into_iter().collect();
        let rule = statics(&[], &[("app", "web")], "a");
        assert!(rule.hold_for_http(place("mesh", &web)));
        assert!(!rule.hold_for_http(place("mesh", &other)));
        let rule = statics(&[], &[], "b");
        assert!(!rule.hold_for_http(place("mesh", &web)));
        assert!(!rule.hold_for_tcp(place("mesh", &web)));
    }

    #[test]
    fn the_port_is_the_listeners() {
        let none = Labels::default();
        let mut rule = statics(&[], &[], "");
        rule.port = Some(81);
        assert!(!rule.hold_for_http(place("mesh", &none)));
        rule.port = Some(80);
        assert!(rule.hold_for_http(place("mesh", &none)));
        rule.port = Some(0);
        assert!(rule.hold_for_http(place("mesh", &none)));
    }
}
