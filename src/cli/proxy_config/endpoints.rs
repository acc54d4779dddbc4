//! `proxy-config endpoints`. Pure.

use serde_json::Value;

use crate::cli::{
    config_dump::{field, items, text},
    table,
};

/// Which endpoints are shown.
#[derive(Debug, Default, clap::Args)]
pub(super) struct Filter {
    /// Only endpoints of this address.
    #[arg(long, value_name = "IP")]
    address: Option<String>,
    /// Only endpoints with this port.
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,
    /// Only endpoints of this cluster.
    #[arg(long, value_name = "NAME")]
    cluster: Option<String>,
    /// Only endpoints of clusters of this host.
    #[arg(long, value_name = "HOST")]
    fqdn: Option<String>,
    /// Only endpoints with this status, as in HEALTHY.
    #[arg(long, value_name = "STATUS")]
    status: Option<String>,
}

impl Filter {
    /// The statuses of clusters with those endpoints that are shown, in order.
    pub fn select(&self, statuses: &Value) -> Vec<Value> {
        let mut found = Vec::new();
        for cluster in items(statuses, "cluster_statuses") {
            let name = text(cluster, "name");
            let host = name.rsplit('|').next().unwrap_or_default();
            let is_wanted = self.cluster.as_ref().is_none_or(|wanted| wanted == name)
                && self.fqdn.as_ref().is_none_or(|fqdn| fqdn == host);
            let hosts = items(cluster, "host_statuses").iter();
            let hosts: Vec<_> = hosts.filter(|host| self.has(host)).cloned().collect();
            if is_wanted && !hosts.is_empty() {
                let mut cluster = cluster.clone();
                cluster["host_statuses"] = Value::Array(hosts);
                found.push(cluster);
            }
        }
        found.sort_by(|a, b| text(a, "name").cmp(text(b, "name")));
        found
    }

    fn has(&self, host: &Value) -> bool {
        let (address, port) = socket_address(host);
        self.address
            .as_ref()
            .is_none_or(|wanted| *wanted == address)
            && self.port.is_none_or(|wanted| port == Some(wanted.into()))
            && self
                .status
                .as_ref()
                .is_none_or(|wanted| wanted.eq_ignore_ascii_case(status(host)))
    }
}

/// The table of endpoints.
pub(super) fn table(clusters: &[&Value]) -> String {
    let headings = ["ENDPOINT", "STATUS", "OUTLIER CHECK", "CLUSTER"];
    let mut rows = Vec::new();
    for cluster in clusters {
        for host in items(cluster, "host_statuses") {
            let health = field(host, "health_status");
            let is_ejected = field(health, "failed_outlier_check").as_bool() == Some(true);
            rows.push(vec![
                endpoint(host),
                status(host).to_owned(),
                if is_ejected { "FAILED" } else { "OK" }.to_owned(),
                text(cluster, "name").to_owned(),
            ]);
        }
    }
    table::format(&headings, &rows)
}

fn endpoint(host: &Value) -> String {
    let (address, port) = socket_address(host);
    match port {
        Some(port) if address.contains(':') => format!("[{address}]:{port}"),
        Some(port) => format!("{address}:{port}"),
        None => address,
    }
}

/// The address, and the port if it is one of the network.
fn socket_address(host: &Value) -> (String, Option<u64>) {
    let address = field(host, "address");
    let socket = field(address, "socket_address");
    if socket.is_object() {
        let port = field(socket, "port_value").as_u64();
        return (text(socket, "address").to_owned(), Some(port.unwrap_or(0)));
    }
    let path = text(field(address, "pipe"), "path");
    (format!("unix://{path}"), None)
}

fn status(host: &Value) -> &str {
    match text(field(host, "health_status"), "eds_health_status") {
        "" | "UNKNOWN" => "HEALTHY",
        status => status,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn statuses() -> Value {
        let host = |ip: &str, health: Value| {
            json!({"address": {"socket_address": {"address": ip, "port_value": 9080}},
                "health_status": health})
        };
        json!({"cluster_statuses": [
            {"name": "outbound|9080||reviews.shop", "host_statuses": [
                host("10.1.0.1", json!({"eds_health_status": "HEALTHY"})),
                host("fd00::1", json!({"eds_health_status": "DRAINING", "failed_outlier_check": true})),
            ]},
            {"name": "outbound|9080||details.shop", "host_statuses": [host("10.1.0.2", json!({}))]},
            {"name": "PassthroughCluster"},
        ]})
    }

    fn shown(filter: &Filter) -> String {
        let found = filter.select(&statuses());
        table(&found.iter().collect::<Vec<_>>())
    }

    #[test]
    fn the_table_is_istio_s() {
        assert_eq!(
            shown(&Filter::default()),
            "ENDPOINT         STATUS     OUTLIER CHECK   CLUSTER\n\
             10.1.0.2:9080    HEALTHY    OK              outbound|9080||details.shop\n\
             10.1.0.1:9080    HEALTHY    OK              outbound|9080||reviews.shop\n\
             [fd00::1]:9080   DRAINING   FAILED          outbound|9080||reviews.shop\n"
        );
    }

    #[test]
    fn filters_by_host_and_status() {
        let text = shown(&Filter {
            fqdn: Some("reviews.shop".to_owned()),
            status: Some("healthy".to_owned()),
            port: Some(9080),
            ..Filter::default()
        });
        assert_eq!(text.lines().count(), 2, "{text}");
        let text = shown(&Filter {
            address: Some("10.1.0.2".to_owned()),
            ..Filter::default()
        });
        assert!(text.contains("details"), "{text}");
    }
}
