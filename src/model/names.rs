//! Istio's names: short ones made long, and those of the resources.

use std::{fmt, sync::Arc};

/// The destination of traffic that the mesh does not know, where it may pass.
pub const PASSTHROUGH_CLUSTER: &str = "PassthroughCluster";
/// The destination of traffic that the mesh does not know, where it may not pass.
pub const BLACK_HOLE_CLUSTER: &str = "BlackHoleCluster";
/// The destination of traffic to ports of the pod that no Service names.
pub const INBOUND_PASSTHROUGH_CLUSTER: &str = "InboundPassthroughCluster";
/// The gateway name that stands for all sidecars.
pub const MESH_GATEWAY: &str = "mesh";

/// The label of workloads that says what their proxies speak.
pub const TLS_MODE: &str = "security.istio.io/tlsMode";
/// Its value for those that speak mutual TLS.
pub const TLS_MODE_ISTIO: &str = "istio";

/// The host `NAME.NAMESPACE.svc.DOMAIN` of a Service.
pub fn service_host(name: &str, namespace: &str, domain: &str) -> Arc<str> {
    format!("{name}.{namespace}.svc.{domain}").into()
}

/// The full host, in lower case, of one that a rule in `namespace` names: a name without a
/// dot is a Service of the rule's own namespace, neither of the client's nor of the
/// destination's.
pub fn resolve_host(host: &str, namespace: &str, domain: &str) -> Arc<str> {
    let host = host.to_ascii_lowercase();
    // IPv6 addresses have no dots.
    if host.contains('.') || host.starts_with('*') || host.contains(':') || host.is_empty() {
        host.into()
    } else {
        service_host(&host, namespace, domain)
    }
}

/// The full name `NAMESPACE/NAME` of a gateway that a rule in `namespace` names. `mesh`
/// stays. An old form, `NAME.NAMESPACE.svc.DOMAIN`, is read as Istio reads it.
pub fn resolve_gateway(gateway: &str, namespace: &str) -> Arc<str> {
    if gateway == MESH_GATEWAY {
        return gateway.into();
    }
    if let Some((given, name)) = gateway.split_once('/') {
        let given = if given == "." { namespace } else { given };
        return format!("{given}/{name}").into();
    }
    let mut parts = gateway.splitn(3, '.');
    match (parts.next(), parts.next()) {
        (Some(name), Some(given)) => format!("{given}/{name}").into(),
        _ => format!("{namespace}/{gateway}").into(),
    }
}

/// The names by which clients in `client` reach `host`, besides itself: those that DNS
/// search domains complete, and the one with a final dot. The bare name is only for
/// clients of the same namespace.
pub fn alternative_hosts(host: &str, client: &str, domain: &str) -> Vec<Arc<str>> {
    let mut names: Vec<Arc<str>> = vec![format!("{host}.").into()];
    let service = host
        .strip_suffix(domain)
        .and_then(|host| host.strip_suffix(".svc."))
        .and_then(|host| host.split_once('.'));
    if let Some((name, namespace)) = service {
        if namespace == client {
            names.push(name.into());
        }
        names.push(format!("{name}.{namespace}").into());
        names.push(format!("{name}.{namespace}.svc").into());
    }
    names
}

/// A cluster of a sidecar's or gateway's outbound side.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClusterKey {
    /// The destination's host.
    pub host: Arc<str>,
    /// The Service's port.
    pub port: u16,
    /// The subset; empty for all endpoints.
    pub subset: Arc<str>,
}

impl ClusterKey {
    /// The cluster of all endpoints of a port.
    pub fn new(host: &Arc<str>, port: u16) -> Self {
        Self {
            host: Arc::clone(host),
            port,
            subset: "".into(),
        }
    }

    /// Reads `outbound|PORT|SUBSET|HOST`.
    pub fn parse(name: &str) -> Option<Self> {
        let mut parts = name.split('|');
        let direction = parts.next()?;
        let port = parts.next()?.parse().ok()?;
        let subset = parts.next()?;
        let host = parts.next()?;
        (direction == "outbound" && !host.is_empty() && parts.next().is_none()).then(|| Self {
            host: host.into(),
            port,
            subset: subset.into(),
        })
    }

    /// The cluster's name.
    pub fn name(&self) -> Arc<str> {
        self.to_string().into()
    }

    /// The name that clients ask for in TLS.
    pub fn server_name(&self) -> String {
        format!("outbound_.{}_.{}_.{}", self.port, self.subset, self.host)
    }
}

impl fmt::Display for ClusterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "outbound|{}|{}|{}", self.port, self.subset, self.host)
    }
}

/// The name of the cluster, and of the route table, of a port of the pod.
pub fn inbound_name(port: u16) -> Arc<str> {
    format!("inbound|{port}||").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_host_belongs_to_the_rules_namespace() {
        let resolve = |host| resolve_host(host, "shop", "cluster.local").to_string();
        assert_eq!(resolve("reviews"), "reviews.shop.svc.cluster.local");
        assert_eq!(resolve("Reviews"), "reviews.shop.svc.cluster.local");
        assert_eq!(resolve("reviews.other"), "reviews.other");
        assert_eq!(resolve("*"), "*");
        assert_eq!(resolve("*.com"), "*.com");
        assert_eq!(resolve("10.0.0.1"), "10.0.0.1");
        assert_eq!(resolve("fd00::1"), "fd00::1");
    }

    #[test]
    fn a_gateway_without_a_namespace_is_in_the_rules_own() {
        assert_eq!(&*resolve_gateway("mesh", "a"), "mesh");
        assert_eq!(&*resolve_gateway("gw", "a"), "a/gw");
        assert_eq!(&*resolve_gateway("b/gw", "a"), "b/gw");
        assert_eq!(&*resolve_gateway("./gw", "a"), "a/gw");
        assert_eq!(&*resolve_gateway("gw.b.svc.cluster.local", "a"), "b/gw");
    }

    #[test]
    fn only_clients_of_the_namespace_see_the_bare_name() {
        let names = |client| {
            let host = "web.shop.svc.cluster.local";
            alternative_hosts(host, client, "cluster.local").join(" ")
        };
        let full = "web.shop.svc.cluster.local.";
        assert_eq!(names("shop"), format!("{full} web web.shop web.shop.svc"));
        assert_eq!(names("other"), format!("{full} web.shop web.shop.svc"));
    }

    #[test]
    fn a_host_outside_of_the_cluster_has_no_short_names() {
        let names = alternative_hosts("www.example.com", "shop", "cluster.local");
        assert_eq!(names.join(" "), "www.example.com.");
    }

    #[test]
    fn cluster_names_can_be_read_back() {
        let name = "outbound|9080|v1|reviews.default.svc.cluster.local";
        let key = ClusterKey::parse(name).unwrap();
        assert_eq!((key.port, &*key.subset), (9080, "v1"));
        assert_eq!(&*key.name(), name);
        for bad in [
            "inbound|80||",
            "outbound|80||",
            "outbound|x||a",
            "outbound|80||a|b",
            "",
        ] {
            assert_eq!(ClusterKey::parse(bad), None, "{bad}");
        }
    }
}
