//! Envoy's bootstrap: who it is, and where everything else comes from.

use std::{net::IpAddr, path::Path};

use serde_json::{Value, json};

use crate::{
    config::Node,
    process::{ADMIN, PROMETHEUS},
};

/// The cluster by which Envoy asks for its configuration.
const ADS: &str = "xds-grpc";
/// The cluster by which it asks for its certificate. What discovery sends cites it by this name, which is Istio's.
const SDS: &str = "sds-grpc";
/// The cluster that is Envoy itself.
const STATS: &str = "prometheus_stats";

/// What a bootstrap is made of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Settings<'a> {
    pub node: &'a Node,
    /// Where the agent relays the configuration.
    pub ads: &'a Path,
    /// Where the agent has the certificate.
    pub sds: &'a Path,
    /// Of the pod's family.
    pub address: IpAddr,
}

/// The bootstrap as Envoy reads it.
pub(super) fn bootstrap(settings: &Settings<'_>) -> Value {
    let Settings { node, ads, sds, .. } = settings;
    let by_ads = json!({"ads": {}, "resource_api_version": "V3", "initial_fetch_timeout": "0s"});
    json!({
        "node": {"id": node.id, "cluster": node.cluster, "metadata": node.metadata},
        "admin": {"address": socket("127.0.0.1", ADMIN)},
        "dynamic_resources": {
            "ads_config": {
                "api_type": "DELTA_GRPC",
                "transport_api_version": "V3",
                "set_node_on_first_message_only": true,
                "grpc_services": [{"envoy_grpc": {"cluster_name": ADS}}],
            },
            "cds_config": by_ads,
            "lds_config": by_ads,
        },
        "static_resources": {
            "clusters": [
                to_agent(ADS, ads),
                to_agent(SDS, sds),
                cluster(STATS, &socket("127.0.0.1", ADMIN)),
            ],
            "listeners": [prometheus(settings.address)],
        },
    })
}

fn socket(address: &str, port: u16) -> Value {
    json!({"socket_address": {"address": address, "port_value": port}})
}

fn cluster(name: &str, address: &Value) -> Value {
    json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
        },
    })
}

/// A cluster that is a socket of the agent's, and speaks gRPC.
fn to_agent(name: &str, path: &Path) -> Value {
    let mut cluster = cluster(name, &json!({"pipe": {"path": path.to_string_lossy()}}));
    cluster["typed_extension_protocol_options"] = json!({
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": {"http2_protocol_options": {}},
        },
    });
    cluster
}

/// Envoy's own metrics, for whoever scrapes the pod.
fn prometheus(pod: IpAddr) -> Value {
    let address = match pod {
        IpAddr::V4(_) => socket("0.0.0.0", PROMETHEUS),
        IpAddr::V6(_) => json!({
            "socket_address": {"address": "::", "port_value": PROMETHEUS, "ipv4_compat": true},
        }),
    };
    let route = json!({"match": {"path": "/stats/prometheus"}, "route": {"cluster": STATS}});
    let router = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router";
    let manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "stats",
        "route_config": {
            "virtual_hosts": [{"name": "stats", "domains": ["*"], "routes": [route]}],
        },
        "http_filters": [{
            "name": "envoy.filters.http.router",
            "typed_config": {"@type": router},
        }],
    });
    json!({
        "name": "prometheus",
        "address": address,
        "filter_chains": [{"filters": [{
            "name": "envoy.filters.network.http_connection_manager",
            "typed_config": manager,
        }]}],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::Kind;

    fn node() -> Node {
        let variables = [
            ("POD_NAME", "web-1"),
            ("POD_NAMESPACE", "shop"),
            ("INSTANCE_IP", "10.0.0.5"),
            ("ISTIO_META_CLUSTER_ID", "Kubernetes"),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Node::new(Kind::Sidecar, &variables.into(), &Default::default(), "").0
    }

    fn of_pod(address: IpAddr) -> Value {
        bootstrap(&Settings {
            node: &node(),
            ads: Path::new("/f/ads.sock"),
            sds: Path::new("/f/sds.sock"),
            address,
        })
    }

    #[test]
    fn envoy_says_that_it_is_the_pod_s_proxy() {
        let node = &of_pod([10, 0, 0, 5].into())["node"];
        assert_eq!(
            node["id"],
            "sidecar~10.0.0.5~web-1.shop~shop.svc.cluster.local"
        );
        assert_eq!(node["metadata"]["NAMESPACE"], "shop");
        assert_eq!(node["metadata"]["CLUSTER_ID"], "Kubernetes");
    }

    #[test]
    fn all_that_others_cite_is_there() {
        let bootstrap = of_pod([10, 0, 0, 5].into());
        let ads = &bootstrap["dynamic_resources"]["ads_config"];
        let cited = &ads["grpc_services"][0]["envoy_grpc"]["cluster_name"];
        let clusters = bootstrap["static_resources"]["clusters"]
            .as_array()
            .unwrap();
        let path = |name: &str| {
            let found = clusters.iter().find(|one| one["name"] == name).unwrap();
            let endpoint = &found["load_assignment"]["endpoints"][0]["lb_endpoints"][0];
            endpoint["endpoint"]["address"]["pipe"]["path"].clone()
        };
        assert_eq!(path(cited.as_str().unwrap()), "/f/ads.sock");
        assert_eq!(path("sds-grpc"), "/f/sds.sock");
        assert!(path(STATS).is_null());
    }

    #[test]
    fn the_administrator_s_port_is_the_pod_s_own_and_metrics_are_everybody_s() {
        for (pod, everybody) in [
            (IpAddr::from([10, 0, 0, 5]), "0.0.0.0"),
            (IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, 5]), "::"),
        ] {
            let bootstrap = of_pod(pod);
            let admin = &bootstrap["admin"]["address"]["socket_address"];
            assert_eq!(admin["address"], "127.0.0.1");
            let listener = &bootstrap["static_resources"]["listeners"][0];
            let address = &listener["address"]["socket_address"];
            assert_eq!(address["address"], everybody);
            assert_eq!(address["port_value"], 15090);
        }
    }
}
