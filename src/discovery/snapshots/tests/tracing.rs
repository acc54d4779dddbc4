//! How proxies are told to trace requests.

use pillion_telemetry::{Format, logged};

use super::*;

/// The tracing of all connection managers, by listener and chain: the percentage, or nothing.
fn percentages(shown: &Value) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    for (name, listener) in shown["Listener"].as_object().unwrap() {
        let chains = listener["filterChains"].as_array().into_iter().flatten();
        for chain in chains {
            let config = &chain["filters"][0]["typedConfig"];
            if config["@type"] == type_url::HTTP_CONNECTION_MANAGER {
                let percentage = config["tracing"]["randomSampling"]["value"].clone();
                found.push((name.clone(), percentage));
            }
        }
    }
    assert!(!found.is_empty());
    found
}

fn assert_percentages(shown: &Value, inbound: &Value, outbound: &Value) {
    for (name, found) in percentages(shown) {
        let wanted = match &*name {
            "virtualInbound" => inbound,
            _ => outbound,
        };
        assert_eq!(found, *wanted, "{name}");
    }
}

#[test]
fn a_sidecar_is_told_for_both_sides() {
    let mut mesh = traced_mesh();
    let client = mesh.pod("reviews", "10.0.0.1", "sidecar");
    let shown_now = |mesh: &mut Mesh| {
        let (_, snapshot) = mesh.0.of(&client);
        shown(&snapshot, client.kind)
    };
    assert_percentages(&shown_now(&mut mesh), &json!(1.0), &json!(1.0));
    mesh.rule(
        pillion_api::Kind::Telemetry,
        "all",
        json!({"tracing": [{"match": {"mode": "SERVER"}, "randomSamplingPercentage": 50}, {"match": {"mode": "CLIENT"}, "disableSpanReporting": true}]}),
    );
    mesh.0.forget();
    assert_percentages(&shown_now(&mut mesh), &json!(50.0), &Value::Null);
}

#[test]
fn a_gateway_is_told_as_a_client() {
    let mut mesh = traced_mesh();
    let client = mesh.pod("edge", "10.0.0.9", "gateway");
    let (_, snapshot) = mesh.0.of(&client);
    let shown = shown(&snapshot, client.kind);
    assert_percentages(&shown, &Value::Null, &json!(1.0));
}

#[test]
fn spans_are_named_for_where_requests_go() {
    let mut mesh = traced_mesh();
    let client = mesh.pod("reviews", "10.0.0.1", "sidecar");
    let (_, snapshot) = mesh.0.of(&client);
    let shown = shown(&snapshot, client.kind);
    let hosts = shown["RouteConfiguration"]["9080"]["virtualHosts"].clone();
    let routes = hosts.as_array().unwrap().iter();
    let routes = routes.flat_map(|host| host["routes"].as_array().unwrap());
    let names: Vec<&str> = routes
        .filter_map(|route| route["decorator"]["operation"].as_str())
        .collect();
    assert_eq!(
        names,
        [
            "reviews.shop.svc.cluster.local:9080/old*",
            // A redirection has no destination.
            "reviews:9080/gone",
            // There are two.
            "reviews:9080/*",
        ]
    );
    let inbound = &shown["Listener"]["virtualInbound"]["filterChains"];
    let chains = inbound.as_array().unwrap().iter();
    let names: Vec<&str> = chains
        .filter_map(|chain| {
            let table = &chain["filters"][0]["typedConfig"]["routeConfig"];
            table["virtualHosts"][0]["routes"][0]["decorator"]["operation"].as_str()
        })
        .collect();
    assert_eq!(names, ["reviews.shop.svc.cluster.local:9080/*", ":0/*"]);
}

/// Each workload of a large mesh had listeners of its own.
#[test]
fn workloads_that_are_traced_alike_share_their_listeners() {
    let mut mesh = traced_mesh();
    mesh.rule(
        pillion_api::Kind::Telemetry,
        "some",
        json!({"selector": {"matchLabels": {"app": "c"}}, "tracing": [{"randomSamplingPercentage": 50}]}),
    );
    mesh.0.forget();
    let clients = [("a", "10.0.1.1"), ("b", "10.0.1.2"), ("c", "10.0.1.3")];
    let clients = clients.map(|(name, ip)| mesh.pod(name, ip, "sidecar"));
    let [one, two, other] = clients.map(|client| mesh.0.of(&client).1);
    let shared = |snapshot: &Snapshot, type_url| {
        let of_type = snapshot.get(type_url).unwrap();
        Arc::as_ptr(of_type.shared()).addr()
    };
    let listeners = type_url::LISTENER;
    assert_eq!(shared(&one, listeners), shared(&two, listeners));
    assert_ne!(shared(&one, listeners), shared(&other, listeners));
    let routes = type_url::ROUTE_CONFIGURATION;
    assert_eq!(shared(&one, routes), shared(&other, routes));
}

/// A namespace's pods could have thousands of configurations of their own.
#[test]
fn so_many_ways_to_trace_have_listeners() {
    let mut mesh = traced_mesh();
    let mut listeners = BTreeSet::new();
    for number in 0..100 {
        let mut client = mesh.pod("a", "10.0.1.1", "sidecar");
        client.tracing = Some(Arc::new(ProxyTracing {
            max_path_length: Some(number),
            ..ProxyTracing::default()
        }));
        let (_, snapshot) = mesh.0.of(&client);
        let of_type = snapshot.get(type_url::LISTENER).unwrap();
        listeners.insert(Arc::as_ptr(of_type.shared()).addr());
    }
    // One of them is without tracing.
    assert_eq!(listeners.len(), 65);
}

#[test]
fn a_namespace_with_more_ways_to_trace_is_named_once() {
    let mut mesh = traced_mesh();
    let mut trace_in_ways = |most: u32| {
        logged(Format::Json, || {
            for number in 0..most {
                let mut client = mesh.pod("a", "10.0.1.1", "sidecar");
                client.tracing = Some(Arc::new(ProxyTracing {
                    max_path_length: Some(number),
                    ..ProxyTracing::default()
                }));
                _ = mesh.0.of(&client);
            }
            mesh.0.forget();
        })
    };
    let told = |lines: &str| lines.matches("\"namespace\":\"shop\"").count();
    assert_eq!(told(&trace_in_ways(64)), 0);
    let lines = trace_in_ways(70);
    assert_eq!(told(&lines), 1, "{lines}");
    assert!(lines.contains("more than 64 different"), "{lines}");
    assert_eq!(told(&trace_in_ways(70)), 0);
}
