//! What can't be used: what serves instead, what is told, and whether a proxy is ready.

use std::time::Duration;

use pillion_envoy_api::{
    any,
    envoy::{
        config::{
            core::v3::TrafficDirection,
            listener::v3::{FilterChain, FilterChainMatch, Listener},
            route::v3::{RouteAction, VirtualHost},
        },
        extensions::filters::network::http_connection_manager::v3::http_connection_manager::RouteSpecifier,
    },
    type_url::{CLUSTER, LISTENER, ROUTE_CONFIGURATION as TABLE, TCP_PROXY},
};

use super::{configured, harness::Proxy};
use crate::config::test_util::{
    action, address, chain, host, http_chain, http_listener, manager, original_cluster, route,
    table, table_to, tcp, tcp_chain,
};

const SECOND: Duration = Duration::from_secs(1);

fn to_port(port: u32) -> FilterChainMatch {
    FilterChainMatch {
        destination_port: Some(port),
        ..FilterChainMatch::default()
    }
}

/// A chain of TCP with a filter that is none.
fn bad_chain(matches: FilterChainMatch) -> FilterChain {
    let mut bad = tcp("v1");
    bad.stat_prefix = "x".to_owned();
    let mut chain = chain(matches, any(TCP_PROXY, &bad));
    chain.filters.push(chain.filters[0].clone());
    chain
}

/// What comes to the application.
fn virtual_inbound(chains: Vec<FilterChain>) -> Listener {
    Listener {
        name: "virtualInbound".to_owned(),
        address: address("0.0.0.0", 15006),
        use_original_dst: Some(true),
        traffic_direction: TrafficDirection::Inbound.into(),
        filter_chains: chains,
        ..Listener::default()
    }
}

fn bad_host(domain: &str) -> VirtualHost {
    let routes = vec![route(action("missing")), route(RouteAction::default())];
    host(&[domain], routes)
}

/// A listener of HTTP with those hosts.
fn inline(hosts: Vec<VirtualHost>) -> Listener {
    let mut manager = manager("unused");
    manager.route_specifier = Some(RouteSpecifier::RouteConfig(table(hosts)));
    Listener {
        filter_chains: vec![http_chain(FilterChainMatch::default(), &manager)],
        ..http_listener("inline", 81, "unused")
    }
}

/// A proxy whose first listeners are these.
fn first(listeners: &[(&Listener, &str)]) -> Proxy {
    let mut proxy = Proxy::default();
    proxy.send(CLUSTER, &original_cluster("v1"), "v1");
    proxy.send_all(LISTENER, listeners);
    proxy.pass(2 * SECOND);
    assert!(proxy.is_configured());
    proxy
}

#[tokio::test(start_paused = true)]
async fn a_filter_chain_that_was_good_stays_as_it_was() {
    let good = [to_port(80), to_port(81)].map(|port| tcp_chain(port, &tcp("v1")));
    let good = virtual_inbound(good.to_vec());
    let bad = virtual_inbound(vec![
        tcp_chain(to_port(80), &tcp("v1")),
        bad_chain(to_port(81)),
    ]);
    let mut proxy = first(&[(&good, "virtualInbound")]);
    let before = proxy.tables().unwrap().generation;
    let refused = proxy.send(LISTENER, &bad, "virtualInbound");
    assert!(refused[0].contains("filter_chains[1]."), "{refused:?}");
    assert_eq!(proxy.tables().unwrap().generation, before);
    assert_eq!((proxy.store.refused(), proxy.is_ready()), (1, true));
    assert!(proxy.send(LISTENER, &good, "virtualInbound").is_empty());
    assert_eq!(proxy.store.refused(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_inline_host_that_was_good_stays_as_it_was() {
    let mut proxy = configured();
    proxy.send(
        LISTENER,
        &inline(vec![host(&["*"], vec![route(action("v1"))])]),
        "inline",
    );
    assert_eq!(proxy.target(81), "v1 10.0.0.1:80");
    let refused = proxy.send(LISTENER, &inline(vec![bad_host("*")]), "inline");
    assert!(refused[0].contains("virtual_hosts[0]."), "{refused:?}");
    assert_eq!(proxy.target(81), "v1 10.0.0.1:80");
}

#[tokio::test(start_paused = true)]
async fn a_proxy_whose_inbound_chain_is_refused_is_not_ready() {
    let good = tcp_chain(to_port(80), &tcp("v1"));
    let inbound = virtual_inbound(vec![good.clone(), bad_chain(to_port(81))]);
    let mut proxy = first(&[(&inbound, "virtualInbound")]);
    assert!(!proxy.is_ready());
    proxy.send(LISTENER, &virtual_inbound(vec![good]), "virtualInbound");
    assert!(proxy.is_ready());
}

#[tokio::test(start_paused = true)]
async fn a_proxy_of_which_a_whole_outbound_listener_is_refused_is_not_ready() {
    let outbound = Listener {
        filter_chains: vec![bad_chain(FilterChainMatch::default())],
        ..http_listener("l", 81, "unused")
    };
    assert!(!first(&[(&outbound, "l")]).is_ready());
}

#[tokio::test(start_paused = true)]
async fn a_refused_host_of_what_the_application_sends_stops_no_pod() {
    let hosts = vec![bad_host("*")];
    assert!(first(&[(&inline(hosts), "inline")]).is_ready());
    let mut proxy = Proxy::default();
    proxy.send_none(CLUSTER);
    proxy.send(LISTENER, &http_listener("l", 9080, "9080"), "l");
    proxy.send(TABLE, &table(vec![bad_host("*")]), "9080");
    assert!(proxy.is_configured() && proxy.is_ready());
    assert!(proxy.target(9080).starts_with("503 "));
}

#[tokio::test(start_paused = true)]
async fn another_refused_version_says_its_own_reason() {
    let mut proxy = configured();
    let mut bad = http_listener("bad", 80, "9080");
    bad.transparent = Some(true);
    proxy.send(LISTENER, &bad, "bad");
    let mut bad = http_listener("bad", 82, "9080");
    bad.name = "other".to_owned();
    proxy.send(LISTENER, &bad, "bad");
    let text = proxy.target(82);
    assert!(
        text.starts_with("503 ") && text.contains("in the resource"),
        "{text}"
    );
    assert_eq!(proxy.target(80), "PassthroughCluster original");
}

#[tokio::test(start_paused = true)]
async fn what_a_refused_host_cites_is_not_waited_for() {
    let mut proxy = configured();
    let mut table = table_to("9080", "v1");
    table.virtual_hosts.push(bad_host("b"));
    let refused = proxy.send(TABLE, &table, "9080");
    assert_eq!(refused.len(), 1);
    assert!(proxy.hosts(9080).get("b").is_some());
}

#[tokio::test(start_paused = true)]
async fn a_table_that_turns_back_is_not_refused_any_more() {
    let mut proxy = configured();
    let good = table_to("9080", "v1");
    let mut bad = good.clone();
    bad.virtual_hosts.push(bad_host("b"));
    proxy.send(TABLE, &bad, "9080");
    assert_eq!(proxy.store.refused(), 1);
    assert!(proxy.send(TABLE, &good, "9080").is_empty());
    assert_eq!(proxy.store.refused(), 0);
    assert!(proxy.hosts(9080).get("b").is_none());
}

#[tokio::test(start_paused = true)]
async fn a_table_that_is_not_asked_for_is_absent_and_stops_no_pod() {
    let mut proxy = Proxy::default();
    proxy.send_none(CLUSTER);
    proxy.send(LISTENER, &http_listener("l", 9080, "9080"), "l");
    proxy.omit(TABLE, "9080");
    assert!(proxy.is_configured() && proxy.is_ready());
    let text = proxy.target(9080);
    assert!(text.contains("does not ask the control plane"), "{text}");
}
