//! Services, endpoints and rules, all the way to a proxy.

use k8s_openapi::api::events::v1::Event;
use kube::api::ListParams;
use pillion_envoy_api::{
    envoy::config::{
        cluster::v3::Cluster,
        endpoint::v3::{ClusterLoadAssignment, lb_endpoint::HostIdentifier},
        listener::v3::Listener,
        route::v3::{RouteConfiguration, route::Action, route_action::ClusterSpecifier},
    },
    type_url,
};
use serde_json::json;

use super::{ads::Proxy, installation::Installation};
use crate::eventually;

/// The clusters of the first route of a host, with their weights.
fn weights(table: &RouteConfiguration, host: &str) -> Option<Vec<(String, u32)>> {
    let host = table.virtual_hosts.iter().find(|one| one.name == host)?;
    let Some(Action::Route(action)) = &host.routes.first()?.action else {
        return None;
    };
    Some(match action.cluster_specifier.as_ref()? {
        ClusterSpecifier::Cluster(name) => vec![(name.clone(), 0)],
        ClusterSpecifier::WeightedClusters(clusters) => clusters
            .clusters
            .iter()
            .map(|one| (one.name.clone(), one.weight.unwrap_or(0)))
            .collect(),
        ClusterSpecifier::ClusterHeader(_) => Vec::new(),
    })
}

/// The endpoints of a cluster, and whether it is known.
fn addresses(proxy: &Proxy, cluster: &str) -> Option<Vec<String>> {
    let found: ClusterLoadAssignment = proxy.get(type_url::CLUSTER_LOAD_ASSIGNMENT, cluster)?;
    let endpoints = found
        .endpoints
        .into_iter()
        .flat_map(|group| group.lb_endpoints);
    let address = endpoints.filter_map(|endpoint| match endpoint.host_identifier? {
        HostIdentifier::Endpoint(endpoint) => Some(format!("{:?}", endpoint.address?)),
        HostIdentifier::EndpointName(_) => None,
    });
    Some(address.collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_gets_what_its_pod_may_see() {
    let discovery = Installation::new().await;
    let shop = discovery.shop().await;
    let pod = shop.pod("client", "10.1.0.1").await;
    shop.service("reviews", &["10.1.0.2"]).await;
    let mut proxy = discovery.connect(&shop, &pod).await;
    proxy.subscribe(type_url::CLUSTER, &["*"]).await;
    proxy.subscribe(type_url::LISTENER, &["*"]).await;
    proxy
        .subscribe(type_url::ROUTE_CONFIGURATION, &["9080"])
        .await;
    let (host, vhost) = (
        shop.host("reviews"),
        format!("{}:9080", shop.host("reviews")),
    );
    let whole = format!("outbound|9080||{host}");
    proxy
        .subscribe(type_url::CLUSTER_LOAD_ASSIGNMENT, &[&whole])
        .await;

    // A plain Service.
    proxy
        .until("cluster", |proxy| {
            proxy.get::<Cluster>(type_url::CLUSTER, &whole)
        })
        .await;
    for name in ["virtualOutbound", "virtualInbound", "0.0.0.0_9080"] {
        let listener = |proxy: &Proxy| proxy.get::<Listener>(type_url::LISTENER, name);
        proxy.until(name, listener).await;
    }
    let to = |proxy: &Proxy| weights(&proxy.get(type_url::ROUTE_CONFIGURATION, "9080")?, &vhost);
    let first = proxy.until("route", to).await;
    assert_eq!(first, [(whole.clone(), 0)]);
    let found = proxy
        .until("endpoint", |proxy| addresses(proxy, &whole))
        .await;
    assert!(
        found.len() == 1 && found[0].contains("10.1.0.2"),
        "{found:?}"
    );

    // Endpoints come and go.
    shop.endpoints("reviews", &["10.1.0.3", "10.1.0.4"]).await;
    let both = |proxy: &Proxy| addresses(proxy, &whole).filter(|all| all.len() == 2);
    proxy.until("endpoints", both).await;

    // Rules.
    let subsets = json!({"host": "reviews", "subsets": [
        {"name": "v1", "labels": {"version": "v1"}}, {"name": "v2", "labels": {"version": "v2"}}]});
    shop.rule("DestinationRule", "reviews", subsets)
        .await
        .unwrap();
    let split = |one: u32| {
        json!({"hosts": ["reviews"], "http": [{"route": [
            {"destination": {"host": "reviews", "subset": "v1"}, "weight": one},
            {"destination": {"host": "reviews", "subset": "v2"}, "weight": 100 - one}]}]})
    };
    let clusters = [
        format!("outbound|9080|v1|{host}"),
        format!("outbound|9080|v2|{host}"),
    ];
    for one in [80, 50] {
        shop.rule("VirtualService", "reviews", split(one))
            .await
            .unwrap();
        let wanted = vec![(clusters[0].clone(), one), (clusters[1].clone(), 100 - one)];
        proxy
            .until("weights", |proxy| {
                to(proxy).filter(|weights| *weights == wanted)
            })
            .await;
    }
    assert!(
        proxy
            .names(type_url::CLUSTER)
            .contains(&clusters[0].as_str())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_rule_stalls_no_other_and_is_reported() {
    let discovery = Installation::new().await;
    let shop = discovery.shop().await;
    let pod = shop.pod("client", "10.2.0.1").await;
    shop.service("reviews", &["10.2.0.2"]).await;
    // It passes the kind's schema.
    let bad = json!({"hosts": ["reviews"], "http": [{"route": [{"destination": {"host": ""}}]}]});
    shop.rule("VirtualService", "bad", bad).await.unwrap();
    let good = json!({"hosts": ["reviews"], "http": [
        {"name": "good", "route": [{"destination": {"host": "reviews"}}]}]});
    shop.rule("VirtualService", "good", good).await.unwrap();

    let mut proxy = discovery.connect(&shop, &pod).await;
    proxy
        .subscribe(type_url::ROUTE_CONFIGURATION, &["9080"])
        .await;
    proxy
        .until("the good rule", |proxy| {
            let table: RouteConfiguration = proxy.get(type_url::ROUTE_CONFIGURATION, "9080")?;
            let routes = table.virtual_hosts.iter().flat_map(|host| &host.routes);
            routes.filter(|route| route.name == "good").map(drop).next()
        })
        .await;
    let note = eventually("an Event on the bad rule", async || {
        let events = shop
            .api::<Event>()
            .list(&ListParams::default())
            .await
            .unwrap();
        let about = |event: &Event| {
            let object = event.regarding.as_ref();
            object.and_then(|object| object.name.as_deref()) == Some("bad")
        };
        events.items.into_iter().find(about)?.note
    })
    .await;
    assert!(note.contains("host"), "{note}");
}
