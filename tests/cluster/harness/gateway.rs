//! The ingress gateway, as clients outside of the cluster find it.

use super::{eventually::eventually, http::get_of, namespace::Namespace, shell};

/// The gateway of the release that all tests share.
#[derive(Debug)]
pub struct Gateway {
    node: String,
    http: String,
    tcp: String,
}

impl Gateway {
    /// Finds it as the walk-through does.
    pub async fn of(shop: &Namespace) -> Self {
        let node = "{.items[0].status.addresses[?(@.type==\"InternalIP\")].address}";
        let node = ["get", "nodes", "-o", &format!("jsonpath={node}")];
        Self {
            node: shop.kubectl(&node).await,
            http: node_port(shop, "http2").await,
            tcp: node_port(shop, "tcp").await,
        }
    }

    /// Where it takes HTTP.
    pub fn http(&self) -> String {
        format!("{}:{}", self.node, self.http)
    }

    /// Where it takes TCP, the Service's port 31400.
    pub fn tcp(&self) -> String {
        format!("{}:{}", self.node, self.tcp)
    }

    /// Waits until the path of a host is answered with this status; returns head and body.
    pub async fn answers(&self, host: &str, path: &str, status: u16) -> String {
        let line = format!("HTTP/1.1 {status} ");
        eventually(&format!("{status} of {host}{path}"), async || {
            let answer = get_of(&self.http(), host, path).await?;
            answer.starts_with(&line).then_some(answer)
        })
        .await
    }
}

async fn node_port(shop: &Namespace, name: &str) -> String {
    let path = format!("jsonpath={{.spec.ports[?(@.name==\"{name}\")].nodePort}}");
    let mut kubectl = shop.cluster.tool("kubectl");
    kubectl.args([
        "-n",
        "istio-system",
        "get",
        "service",
        "istio-ingressgateway",
        "-o",
        &path,
    ]);
    shell::output(&mut kubectl, "").await
}
