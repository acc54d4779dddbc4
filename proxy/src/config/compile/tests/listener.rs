//! Listeners and their filter chains.

use std::time::Duration;

use pillion_envoy_api::{
    Any, any,
    envoy::{
        config::{
            core::v3::{CidrRange, TrafficDirection},
            listener::v3::{
                FilterChain, FilterChainMatch, Listener as Message, ListenerFilter, listener_filter,
            },
        },
        extensions::filters::{
            listener::original_dst::v3::OriginalDst,
            network::tcp_proxy::v3::{
                TcpProxy,
                tcp_proxy::{ClusterSpecifier, WeightedCluster, weighted_cluster::ClusterWeight},
            },
        },
    },
    type_url,
};
use prost::Message as _;

use crate::config::test_util::{
    address, chain, filter, http_chain, manager, seconds, sniffed, tcp, tcp_chain,
};
use crate::{
    config::compile::{Fault, Listener, Part, Place, Routes, listener},
    kind::Kind,
    tables::{Action, ClusterChoice, Detection, Lookup, Patterns, TcpAction, TcpRefusal, TcpRoute},
};

fn outbound(host: &str, port: u16, chains: Vec<FilterChain>) -> Message {
    Message {
        name: "l".to_owned(),
        address: address(host, port),
        filter_chains: chains,
        bind_to_port: Some(false),
        traffic_direction: TrafficDirection::Outbound.into(),
        ..Message::default()
    }
}

fn inbound(chains: Vec<FilterChain>) -> Message {
    Message {
        listener_filters: vec![ListenerFilter {
            config_type: Some(listener_filter::ConfigType::TypedConfig(any(
                type_url::ORIGINAL_DST,
                &OriginalDst::default(),
            ))),
            ..ListenerFilter::default()
        }],
        bind_to_port: None,
        traffic_direction: TrafficDirection::Inbound.into(),
        ..outbound("0.0.0.0", 15006, chains)
    }
}

fn of(kind: Kind, message: &Message) -> Result<Listener, Fault> {
    listener(kind, &Patterns::default(), "l", &message.encode_to_vec())
}

fn compiled(message: &Message) -> Listener {
    let listener = of(Kind::Sidecar, message).unwrap();
    assert!(listener.faults.is_empty(), "{}", listener.faults);
    listener
}

fn fault(message: &Message) -> String {
    match of(Kind::Sidecar, message) {
        Ok(listener) => listener.faults.to_string(),
        Err(fault) => fault.to_string(),
    }
}

fn any_connection() -> FilterChainMatch {
    FilterChainMatch::default()
}

fn to_port(port: u32) -> FilterChainMatch {
    FilterChainMatch {
        destination_port: Some(port),
        ..FilterChainMatch::default()
    }
}

fn table(part: &Part) -> Option<String> {
    match part.routes.as_ref()? {
        Routes::Named(name) => Some(name.to_string()),
        Routes::Inline(_) => None,
    }
}

fn cluster(route: &TcpRoute) -> String {
    match &route.action {
        TcpAction::Forward(forward) => match &forward.clusters {
            ClusterChoice::One(name) => name.to_string(),
            ClusterChoice::Weighted(_) => "several".to_owned(),
        },
        TcpAction::Refuse(_) => "none".to_owned(),
    }
}

fn default(part: &Part) -> String {
    part.tcp.default.as_ref().map_or_else(String::new, cluster)
}

#[test]
fn declared_http_is_not_sniffed() {
    let chains = vec![http_chain(any_connection(), &manager("9080"))];
    let listener = compiled(&outbound("0.0.0.0", 9080, chains));
    let any = "0.0.0.0:9080".parse().unwrap();
    assert_eq!(listener.place, Place::Destinations(vec![any]));
    assert_eq!(listener.rest.detection, Detection::Http);
    assert_eq!(table(&listener.rest).unwrap(), "9080");
    assert!(listener.cites.route_configurations.contains("9080"));
}

#[test]
fn unnamed_ports_are_sniffed_for_as_long_as_the_listener_says() {
    let mut message = outbound(
        "10.0.0.1",
        80,
        vec![http_chain(sniffed(), &manager("a:80"))],
    );
    message.default_filter_chain = Some(tcp_chain(any_connection(), &tcp("a")));
    assert_eq!(
        compiled(&message).rest.detection,
        Detection::Sniff(Duration::from_secs(15))
    );
    message.listener_filters_timeout = seconds(0);
    let listener = compiled(&message);
    assert_eq!(listener.rest.detection, Detection::Sniff(Duration::ZERO));
    assert_eq!(default(&listener.rest), "a");
    assert!(listener.cites.clusters.contains("a"));
}

#[test]
fn tcp_goes_by_ranges_and_names() {
    let ranged = FilterChainMatch {
        prefix_ranges: vec![CidrRange {
            address_prefix: "10.0.0.0".to_owned(),
            prefix_len: Some(8),
        }],
        ..FilterChainMatch::default()
    };
    let mut message = outbound("0.0.0.0", 443, vec![tcp_chain(ranged, &tcp("ranged"))]);
    let listener = compiled(&message);
    assert_eq!(listener.rest.detection, Detection::Tcp);
    let named = FilterChainMatch {
        server_names: vec!["*.example.com".to_owned(), "*-eu.example.org".to_owned()],
        transport_protocol: "tls".to_owned(),
        ..FilterChainMatch::default()
    };
    message.filter_chains.push(tcp_chain(named, &tcp("named")));
    let listener = compiled(&message);
    assert!(matches!(listener.rest.detection, Detection::Sniff(_)));
    let destination = "11.0.0.1:443".parse().unwrap();
    let found = listener
        .rest
        .tcp
        .find(destination, Some("a.example.com"))
        .unwrap();
    assert_eq!(cluster(found), "named");
    let found = listener
        .rest
        .tcp
        .find(destination, Some("a-eu.example.org"));
    assert_eq!(found.map(cluster).as_deref(), Some("named"));
    assert!(listener.rest.tcp.find(destination, None).is_none());
}

#[test]
fn a_range_of_tcp_stands_beside_http() {
    let ranged = FilterChainMatch {
        prefix_ranges: vec![CidrRange {
            address_prefix: "10.0.0.0".to_owned(),
            prefix_len: Some(8),
        }],
        ..FilterChainMatch::default()
    };
    for matches in [sniffed(), any_connection()] {
        let http = http_chain(matches, &manager("80"));
        let tcp = tcp_chain(ranged.clone(), &tcp("ranged"));
        let listener = compiled(&outbound("0.0.0.0", 80, vec![http, tcp]));
        assert!(listener.rest.routes.is_some());
        assert!(listener.rest.tcp.has_range_of([10, 0, 0, 1].into()));
    }
}

#[test]
fn bytes_can_be_shared_out() {
    let cluster = |name: &str, weight| ClusterWeight {
        name: name.to_owned(),
        weight,
        ..ClusterWeight::default()
    };
    let shared = |clusters| TcpProxy {
        cluster_specifier: Some(ClusterSpecifier::WeightedClusters(WeightedCluster {
            clusters,
        })),
        idle_timeout: seconds(60),
        ..TcpProxy::default()
    };
    let both = shared(vec![cluster("a", 80), cluster("b", 20)]);
    let listener = compiled(&outbound(
        "10.0.0.1",
        1,
        vec![tcp_chain(any_connection(), &both)],
    ));
    let TcpAction::Forward(forward) = &listener.rest.tcp.routes[0].action else {
        panic!("it is refused");
    };
    assert_eq!(forward.idle_timeout, Duration::from_secs(60));
    assert_eq!(listener.cites.clusters.len(), 2);
    let none = shared(vec![cluster("a", 0)]);
    let fault = fault(&outbound(
        "10.0.0.1",
        1,
        vec![tcp_chain(any_connection(), &none)],
    ));
    assert!(
        fault.starts_with("filter_chains[0].filters[0].typed_config.weighted_clusters.clusters: ")
    );
}

#[test]
fn virtual_outbound_has_what_no_other_listener_is_for() {
    let mut message = outbound("0.0.0.0", 15001, Vec::new());
    message.use_original_dst = Some(true);
    message.bind_to_port = None;
    // Istio's guard against connections to the port itself.
    message.filter_chains = vec![tcp_chain(to_port(15001), &tcp("BlackHoleCluster"))];
    message.default_filter_chain = Some(tcp_chain(any_connection(), &tcp("PassthroughCluster")));
    let listener = compiled(&message);
    assert_eq!(listener.place, Place::Outbound);
    assert_eq!(default(&listener.rest), "PassthroughCluster");
    assert!(listener.ports.is_empty());
    message.filter_chains = vec![tcp_chain(to_port(80), &tcp("a"))];
    assert!(fault(&message).ends_with("is supported for inbound traffic only"));
    message.address = address("0.0.0.0", 15002);
    assert!(fault(&message).contains("15001 outbound, and 15006 inbound"));
}

#[test]
fn virtual_inbound_goes_by_the_destination_s_port() {
    let http = |port| http_chain(to_port(port), &manager("inbound"));
    let catch_all = http_chain(sniffed(), &manager("inbound"));
    let mut message = inbound(vec![
        http(9080),
        tcp_chain(to_port(3306), &tcp("db")),
        catch_all,
    ]);
    message.default_filter_chain = Some(tcp_chain(any_connection(), &tcp("passthrough")));
    let listener = compiled(&message);
    assert_eq!(listener.place, Place::Inbound);
    assert_eq!(listener.ports[&9080].detection, Detection::Http);
    assert_eq!(listener.ports[&3306].detection, Detection::Tcp);
    assert_eq!(cluster(&listener.ports[&3306].tcp.routes[0]), "db");
    assert!(matches!(listener.rest.detection, Detection::Sniff(_)));
    assert_eq!(default(&listener.rest), "passthrough");
}

#[test]
fn only_gateways_bind_ports() {
    let mut edge = manager("http.8080");
    edge.use_remote_address = Some(true);
    let mut message = outbound("0.0.0.0", 8080, vec![http_chain(any_connection(), &edge)]);
    message.bind_to_port = None;
    assert_eq!(
        of(Kind::Gateway, &message).unwrap().place,
        Place::Port(8080)
    );
    message.bind_to_port = Some(false);
    let fault = |kind| of(kind, &message).unwrap_err().to_string();
    assert!(fault(Kind::Gateway).starts_with("bind_to_port: must be true"));
    message.filter_chains = vec![http_chain(any_connection(), &manager("http.8080"))];
    message.bind_to_port = Some(true);
    let fault = of(Kind::Sidecar, &message).unwrap_err().to_string();
    assert!(fault.starts_with("bind_to_port: must be false"), "{fault}");
    message.address = address("127.0.0.1", 8080);
    let fault = of(Kind::Gateway, &message).unwrap_err().to_string();
    assert!(fault.contains("must be 0.0.0.0 or ::"), "{fault}");
}

#[test]
fn istio_s_own_filters_are_native() {
    let stats = Any {
        type_url: "type.googleapis.com/stats.PluginConfig".to_owned(),
        ..Any::default()
    };
    let mut native = tcp_chain(any_connection(), &tcp("a"));
    native.filters.insert(0, filter(stats.clone()));
    compiled(&outbound("10.0.0.1", 1, vec![native]));
    let alone = chain(any_connection(), stats);
    let fault = fault(&outbound("10.0.0.1", 1, vec![alone]));
    assert!(
        fault.starts_with("filter_chains[0].filters: has neither"),
        "{fault}"
    );
}

#[test]
fn refuses_what_can_not_be_told_apart() {
    let http = || http_chain(any_connection(), &manager("9080"));
    let message = outbound("0.0.0.0", 80, vec![http(), http()]);
    let two = "filter_chains[1].filter_chain_match: another chain has the HTTP connections";
    assert!(fault(&message).starts_with(two));
    let both = vec![http(), tcp_chain(any_connection(), &tcp("a"))];
    let message = outbound("0.0.0.0", 80, both);
    let undecided = "filter_chains[1].filter_chain_match.application_protocols: must be there";
    assert!(fault(&message).starts_with(undecided));
}

#[test]
fn a_chain_that_can_not_be_used_refuses_its_connections_and_the_others_serve() {
    let mut bad = manager("9080");
    bad.via = "x".to_owned();
    let mut bytes = tcp("db");
    bytes.max_connect_attempts = Some(2);
    let message = inbound(vec![
        http_chain(to_port(9080), &bad),
        http_chain(to_port(9081), &manager("9081")),
        tcp_chain(to_port(3306), &bytes),
    ]);
    let listener = of(Kind::Sidecar, &message).unwrap();
    assert_eq!(
        listener.faults.to_string(),
        "filter_chains[0].filters[0].typed_config.via: is not supported by this proxy; \
         filter_chains[2].filters[0].typed_config.max_connect_attempts: is not supported by this proxy"
    );
    let Some(Routes::Inline(hosts)) = &listener.ports[&9080].routes else {
        panic!("it is not refused");
    };
    let Lookup::Found(host) = hosts.find(b"any") else {
        panic!("there is no host");
    };
    assert!(host.is_stand_in);
    let Action::Respond(response) = &host.routes[0].action else {
        panic!("it does not answer");
    };
    let text = String::from_utf8_lossy(&response.body);
    assert!(
        response.status == 503 && text.contains("via: is not"),
        "{text}"
    );
    assert_eq!(table(&listener.ports[&9081]).unwrap(), "9081");
    assert!(matches!(
        listener.ports[&3306].tcp.routes[0].action,
        TcpAction::Refuse(TcpRefusal::Unusable)
    ));
    assert!(listener.cites.clusters.is_empty());
}

#[test]
fn refuses_filters_and_matches_that_it_does_not_know() {
    let rbac = Any {
        type_url: "type.googleapis.com/envoy.extensions.filters.network.rbac.v3.RBAC".to_owned(),
        ..Any::default()
    };
    let unknown = fault(&outbound(
        "10.0.0.1",
        1,
        vec![chain(any_connection(), rbac)],
    ));
    assert_eq!(
        unknown,
        "filter_chains[0].filters[0].typed_config: envoy.extensions.filters.network.rbac.v3.RBAC is not supported by this proxy"
    );
    let source = FilterChainMatch {
        source_ports: vec![80],
        ..FilterChainMatch::default()
    };
    let fault = fault(&outbound("10.0.0.1", 1, vec![tcp_chain(source, &tcp("a"))]));
    assert!(
        fault.starts_with("filter_chains[0].filter_chain_match.source_ports: "),
        "{fault}"
    );
}
