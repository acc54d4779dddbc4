//! What the ports of a pod take, by the filter chains of its proxy. Pure.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::cli::{
    config_dump::{self, field, items, rule, text},
    table,
};

/// The listener that captured connections to the pod come to, as Istio names it.
const LISTENER: &str = "virtualInbound";
/// The port that captures them, which is never a destination.
const CAPTURE: u64 = 15006;

/// What chains of one port there are.
#[derive(Debug, Default)]
struct Port {
    ends_tls: bool,
    takes_plaintext: bool,
    rule: String,
}

impl Port {
    fn take(&mut self, chain: &Value) {
        let transport = text(field(chain, "filter_chain_match"), "transport_protocol");
        if ends_tls(chain) {
            self.ends_tls = true;
        } else if transport != "tls" {
            self.takes_plaintext = true;
        }
        let rule = rule(chain);
        if !rule.is_empty() {
            self.rule = rule;
        }
    }

    fn mode(&self) -> &'static str {
        match (self.ends_tls, self.takes_plaintext) {
            (true, true) => "PERMISSIVE",
            (true, false) => "STRICT",
            (false, _) => "DISABLE",
        }
    }
}

/// The table of the pod's ports; `None` if the proxy captures no connections, as a gateway.
pub(super) fn table(dump: &Value) -> Option<String> {
    let listeners = config_dump::listeners(dump);
    let listener = listeners
        .into_iter()
        .find(|listener| text(listener, "name") == LISTENER)?;
    // The ports that no chain names come last.
    let mut ports: BTreeMap<u64, Port> = BTreeMap::new();
    let others = field(listener, "default_filter_chain");
    let chains = items(listener, "filter_chains").iter();
    for chain in chains.chain(others.is_object().then_some(others)) {
        let matches = field(chain, "filter_chain_match");
        let port = field(matches, "destination_port").as_u64();
        if port != Some(CAPTURE) {
            ports
                .entry(port.unwrap_or(u64::MAX))
                .or_default()
                .take(chain);
        }
    }
    let rows: Vec<_> = ports
        .iter()
        .map(|(port, found)| {
            let port = match *port {
                u64::MAX => "others".to_owned(),
                port => port.to_string(),
            };
            let rule = match found.rule.as_str() {
                "" => "the default".to_owned(),
                rule => format!("PeerAuthentication {rule}"),
            };
            vec![port, found.mode().to_owned(), rule]
        })
        .collect();
    let headings = ["PORT", "MUTUAL TLS", "DECIDED BY"];
    Some(table::format(&headings, &rows))
}

fn ends_tls(chain: &Value) -> bool {
    field(chain, "transport_socket").is_object()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn dump(chains: Value) -> Value {
        json!({"configs": [{
            "@type": "type.googleapis.com/envoy.admin.v3.ListenersConfigDump",
            "dynamic_listeners": [{"name": LISTENER, "active_state": {"listener":
                {"name": LISTENER, "filterChains": chains, "defaultFilterChain": {"name": LISTENER}}}}],
        }]})
    }

    #[test]
    fn a_port_has_a_mode_and_who_decided() {
        let path = "/apis/security.istio.io/v1/namespaces/istio-system/peer-authentication/default";
        let chain = |port: u16, transport: &str, tls: bool, rule: bool| {
            let mut chain = json!({"filterChainMatch": {
                "destinationPort": port, "transportProtocol": transport}});
            if tls {
                chain["transportSocket"] = json!({"name": "envoy.transport_sockets.tls"});
            }
            if rule {
                chain["metadata"] = json!({"filterMetadata": {"istio": {"config": path}}});
            }
            chain
        };
        let dump = dump(json!([
            chain(15006, "", false, false),
            chain(80, "tls", true, false),
            chain(80, "raw_buffer", false, false),
            chain(443, "tls", true, true),
            chain(3306, "", false, false),
        ]));
        assert_eq!(
            table(&dump).unwrap(),
            "PORT     MUTUAL TLS   DECIDED BY\n\
             80       PERMISSIVE   the default\n\
             443      STRICT       PeerAuthentication default.istio-system\n\
             3306     DISABLE      the default\n\
             others   DISABLE      the default\n"
        );
    }

    #[test]
    fn a_gateway_captures_nothing() {
        assert!(table(&json!({"configs": []})).is_none());
    }
}
