//! `proxy-config listeners`. Pure.

use serde_json::Value;

use super::listener_match::conditions;
use crate::cli::{
    config_dump::{self, field, items, text},
    table,
};

/// Which listeners are shown.
#[derive(Debug, Default, clap::Args)]
pub(super) struct Filter {
    /// Only the listener of this name.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Only listeners of this address.
    #[arg(long, value_name = "IP")]
    address: Option<String>,
    /// Only listeners of this port.
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,
    /// Only listeners with a chain of this type.
    #[arg(long = "type", value_enum)]
    kind: Option<Kind>,
}

/// What carries a chain's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Kind {
    /// As requests.
    Http,
    /// As they are.
    Tcp,
}

impl Filter {
    /// The listeners of a dump that are shown, in order.
    pub fn select<'a>(&self, dump: &'a Value) -> Vec<&'a Value> {
        let mut found = config_dump::listeners(dump);
        found.retain(|listener| self.has(listener));
        found.sort_by(|a, b| place(a).cmp(&place(b)));
        found
    }

    fn has(&self, listener: &Value) -> bool {
        let (port, address) = place(listener);
        let is_of = |kind: Kind| {
            let suffix = match kind {
                Kind::Http => HTTP,
                Kind::Tcp => TCP,
            };
            let mut filters = chains(listener).flat_map(|(_, chain)| items(chain, "filters"));
            filters.any(|filter| is_type(field(filter, "typed_config"), suffix))
        };
        self.name
            .as_ref()
            .is_none_or(|name| name == text(listener, "name"))
            && self.address.as_ref().is_none_or(|wanted| wanted == address)
            && self.port.is_none_or(|wanted| port == u64::from(wanted))
            && self.kind.is_none_or(is_of)
    }
}

const HTTP: &str = "HttpConnectionManager";
const TCP: &str = "TcpProxy";

/// The port and the address.
fn place(listener: &Value) -> (u64, &str) {
    let address = field(field(listener, "address"), "socket_address");
    let port = field(address, "port_value").as_u64();
    (port.unwrap_or(0), text(address, "address"))
}

/// The chains with what they are for.
fn chains(listener: &Value) -> impl Iterator<Item = (String, &Value)> {
    let matched = items(listener, "filter_chains");
    let matched = matched.iter().map(|chain| (conditions(chain), chain));
    let other = field(listener, "default_filter_chain");
    let other = other.is_object().then(|| ("ALL".to_owned(), other));
    matched.chain(other)
}

/// The table of listeners, with a row for each of their chains.
pub(super) fn table(listeners: &[&Value]) -> String {
    let headings = ["ADDRESSES", "PORT", "MATCH", "DESTINATION"];
    let mut rows = Vec::new();
    for listener in listeners {
        let (port, address) = place(listener);
        for (conditions, chain) in chains(listener) {
            rows.push(vec![
                address.to_owned(),
                port.to_string(),
                conditions,
                destination(chain),
            ]);
        }
    }
    table::format(&headings, &rows)
}

fn destination(chain: &Value) -> String {
    for filter in items(chain, "filters") {
        let config = field(filter, "typed_config");
        if is_type(config, HTTP) {
            return http_destination(config);
        }
        if is_type(config, TCP) {
            return tcp_destination(config);
        }
    }
    "Non-HTTP/Non-TCP".to_owned()
}

fn is_type(config: &Value, name: &str) -> bool {
    let found = config["@type"].as_str().unwrap_or_default();
    found.rsplit('.').next() == Some(name)
}

fn http_destination(config: &Value) -> String {
    let table = text(field(config, "rds"), "route_config_name");
    if !table.is_empty() {
        return format!("Route: {table}");
    }
    let inline = field(config, "route_config");
    let hosts = items(inline, "virtual_hosts").iter();
    let routes: Vec<_> = hosts.flat_map(|host| items(host, "routes")).collect();
    match routes.as_slice() {
        [route] if !text(field(route, "route"), "cluster").is_empty() => {
            format!("Cluster: {}", text(field(route, "route"), "cluster"))
        }
        _ => format!("Inline Route: {}", text(inline, "name")),
    }
}

fn tcp_destination(config: &Value) -> String {
    let cluster = text(config, "cluster");
    if !cluster.is_empty() {
        return format!("Cluster: {cluster}");
    }
    let weighted = items(field(config, "weighted_clusters"), "clusters");
    let weighted: Vec<_> = weighted
        .iter()
        .map(|cluster| {
            let weight = field(cluster, "weight").as_u64().unwrap_or(0);
            format!("{}[{weight}]", text(cluster, "name"))
        })
        .collect();
    format!("Cluster: {}", weighted.join(","))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn dump() -> Value {
        let types = "type.googleapis.com/envoy.extensions.filters.network";
        let http = |config: Value| {
            let mut config = config;
            config["@type"] = json!(format!("{types}.http_connection_manager.v3.{HTTP}"));
            json!({"filters": [{"typedConfig": config}]})
        };
        let tcp = |config: Value| {
            let mut config = config;
            config["@type"] = json!(format!("{types}.tcp_proxy.v3.{TCP}"));
            json!({"filters": [{"typedConfig": config}]})
        };
        let address =
            |ip: &str, port: u16| json!({"socketAddress": {"address": ip, "portValue": port}});
        let inline =
            json!({"virtualHosts": [{"routes": [{"route": {"cluster": "inbound|9080||"}}]}]});
        let mut inbound = http(json!({"routeConfig": inline}));
        inbound["filterChainMatch"] = json!({"destinationPort": 9080});
        let entry = |listener: Value| json!({"name": listener["name"], "active_state": {"listener": listener}});
        json!({"configs": [{
            "@type": "type.googleapis.com/envoy.admin.v3.ListenersConfigDump",
            "dynamic_listeners": [
                entry(json!({"name": "virtualInbound", "address": address("0.0.0.0", 15006),
                    "filterChains": [inbound]})),
                entry(json!({"name": "0.0.0.0_9080", "address": address("0.0.0.0", 9080),
                    "filterChains": [http(json!({"rds": {"routeConfigName": "9080"}}))],
                    "defaultFilterChain": tcp(json!({"cluster": "PassthroughCluster"}))})),
                entry(json!({"name": "10.0.0.1_53", "address": address("10.0.0.1", 53),
                    "filterChains": [tcp(json!({"weightedClusters": {"clusters": [
                        {"name": "a", "weight": 80}, {"name": "b", "weight": 20}]}}))]})),
            ],
        }]})
    }

    #[test]
    fn the_table_has_a_row_for_each_chain() {
        let dump = dump();
        assert_eq!(
            table(&Filter::default().select(&dump)),
            "ADDRESSES   PORT    MATCH          DESTINATION\n\
             10.0.0.1    53      ALL            Cluster: a[80],b[20]\n\
             0.0.0.0     9080    ALL            Route: 9080\n\
             0.0.0.0     9080    ALL            Cluster: PassthroughCluster\n\
             0.0.0.0     15006   Addr: *:9080   Cluster: inbound|9080||\n"
        );
    }

    #[test]
    fn filters_by_port_and_type() {
        let dump = dump();
        let count = |filter: Filter| filter.select(&dump).len();
        assert_eq!(
            count(Filter {
                port: Some(9080),
                ..Filter::default()
            }),
            1
        );
        assert_eq!(
            count(Filter {
                kind: Some(Kind::Tcp),
                ..Filter::default()
            }),
            2
        );
        assert_eq!(
            count(Filter {
                name: Some("virtualInbound".to_owned()),
                kind: Some(Kind::Http),
                ..Filter::default()
            }),
            1
        );
    }
}
