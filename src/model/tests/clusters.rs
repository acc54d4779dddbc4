use serde_json::json;

use super::fixture::{Mesh, gateway_pod, pod, service};
use crate::model::{Discovery, LoadBalancer, UpstreamProtocol};

const WEB: &str = "outbound|80||web.shop.svc.cluster.local";

#[test]
fn a_service_has_a_cluster_for_each_port_and_subset() {
    let mut mesh = Mesh::with_web();
    mesh.service(service("shop", "web", &[("http", 80), ("tcp", 81)]));
    mesh.rule(
        "DestinationRule",
        "shop/web",
        json!({ "host": "web", "subsets": [
        { "name": "v1", "labels": { "version": "v1" } }] }),
    );
    let outbound = mesh.outbound("other/client");
    let names: Vec<_> = outbound.clusters.keys().map(|name| &**name).collect();
    let host = "web.shop.svc.cluster.local";
    assert_eq!(
        names,
        [
            format!("outbound|80|v1|{host}"),
            format!("outbound|80||{host}"),
            format!("outbound|81|v1|{host}"),
            format!("outbound|81||{host}"),
        ]
    );
    let subset = &outbound.clusters[names[0]];
    assert_eq!(subset.labels.get("version"), Some("v1"));
    assert_eq!(subset.rule.as_ref().unwrap().to_string(), "shop/web");
}

#[test]
fn least_request_is_the_default_and_ten_seconds_to_connect() {
    let mesh = Mesh::with_web();
    let cluster = &mesh.outbound("shop/client").clusters[WEB];
    assert_eq!(cluster.policy.load_balancer, LoadBalancer::LeastRequest);
    assert_eq!(cluster.policy.connect_timeout.as_secs(), 10);
    assert_eq!(cluster.discovery, Discovery::Endpoints);
}

#[test]
fn the_application_is_spoken_to_as_its_port_declares() {
    let mut mesh = Mesh::default();
    mesh.pod(pod("shop", "client", &[], "10.0.0.1"));
    let ports = [
        ("http", 80),
        ("grpc", 81),
        ("http2", 82),
        ("x", 83),
        ("tcp", 84),
    ];
    mesh.service(service("shop", "web", &ports));
    let outbound = mesh.outbound("shop/client");
    let protocols: Vec<_> = outbound
        .clusters
        .values()
        .map(|cluster| cluster.protocol)
        .collect();
    assert_eq!(
        protocols,
        [
            UpstreamProtocol::Http1,
            UpstreamProtocol::Http2,
            UpstreamProtocol::Http2,
            UpstreamProtocol::Downstream,
            UpstreamProtocol::Tcp,
        ]
    );
}

#[test]
fn a_headless_service_is_called_where_the_client_says_except_by_gateways() {
    let mut mesh = Mesh::with_web();
    let mut headless = service("shop", "web", &[("http", 80)]);
    headless.headless = true;
    headless.addresses.clear();
    mesh.service(headless);
    mesh.pod(gateway_pod("shop", "gateway", &[], "10.0.0.3"));
    let sidecar = mesh.outbound("shop/client");
    assert_eq!(
        sidecar.clusters[WEB].discovery,
        Discovery::OriginalDestination
    );
    let gateway = mesh.model.gateway(&mesh.client("shop/gateway"));
    assert_eq!(gateway.clusters[WEB].discovery, Discovery::Endpoints);
}

#[test]
fn passthrough_is_the_original_destination() {
    let mut mesh = Mesh::with_web();
    mesh.rule(
        "DestinationRule",
        "shop/web",
        json!({ "host": "web",
        "trafficPolicy": { "loadBalancer": { "simple": "PASSTHROUGH" } } }),
    );
    let cluster = &mesh.outbound("shop/client").clusters[WEB];
    assert_eq!(cluster.discovery, Discovery::OriginalDestination);
}

#[test]
fn rules_of_one_namespace_are_not_those_of_another() {
    let mut mesh = Mesh::with_web();
    mesh.rule(
        "DestinationRule",
        "other/web",
        json!({ "host": "web.shop.svc.cluster.local",
        "trafficPolicy": { "connectionPool": { "tcp": { "maxConnections": 3 } } } }),
    );
    let limit = |client| {
        mesh.outbound(client).clusters[WEB]
            .policy
            .pool
            .max_connections
    };
    assert_eq!(
        (limit("other/client"), limit("shop/client")),
        (Some(3), None)
    );
}

#[test]
fn a_gateway_has_no_original_destination() {
    let mut mesh = Mesh::with_web();
    mesh.rule(
        "DestinationRule",
        "shop/web",
        json!({ "host": "web",
        "trafficPolicy": { "loadBalancer": { "simple": "PASSTHROUGH" } } }),
    );
    mesh.pod(gateway_pod("shop", "gateway", &[], "10.0.0.3"));
    let tables = mesh.model.gateway(&mesh.client("shop/gateway"));
    let cluster = &tables.clusters[WEB];
    assert_eq!(cluster.discovery, Discovery::Endpoints);
    assert_eq!(cluster.policy.load_balancer, LoadBalancer::LeastRequest);
}

#[test]
fn namespaces_that_see_the_same_clusters_share_them() {
    let mesh = Mesh::with_web();
    let [own, other] = ["shop/client", "other/client"].map(|client| mesh.outbound(client));
    assert!(std::sync::Arc::ptr_eq(&own.clusters, &other.clusters));
}
