//! What is in force, and when.

mod any_order;
mod harness;
mod refusals;

use std::time::Duration;

use pillion_envoy_api::type_url::{
    CLUSTER, CLUSTER_LOAD_ASSIGNMENT as ASSIGNMENT, LISTENER, ROUTE_CONFIGURATION as TABLE,
};

use self::harness::Proxy;
use crate::config::dns;
use crate::config::test_util::{
    dns_cluster, eds_cluster, http_listener, original_cluster, table_to, virtual_outbound,
};

const SECOND: Duration = Duration::from_secs(1);

/// A proxy whose first configuration sends `reviews:9080` to v1.
fn configured() -> Proxy {
    let mut proxy = Proxy::default();
    proxy.send(
        CLUSTER,
        &original_cluster("PassthroughCluster"),
        "PassthroughCluster",
    );
    proxy.send(CLUSTER, &eds_cluster("v1"), "v1");
    proxy.send_all(
        LISTENER,
        &[
            (&virtual_outbound("PassthroughCluster"), "virtualOutbound"),
            (&http_listener("0.0.0.0_9080", 9080, "9080"), "0.0.0.0_9080"),
        ],
    );
    proxy.send(TABLE, &table_to("9080", "v1"), "9080");
    proxy.send_endpoints("v1", &["10.0.0.1:80"]);
    assert!(proxy.is_configured());
    proxy
}

#[tokio::test(start_paused = true)]
async fn the_first_listeners_begin_together_once_all_is_there() {
    let mut proxy = Proxy::default();
    proxy.send(
        CLUSTER,
        &original_cluster("PassthroughCluster"),
        "PassthroughCluster",
    );
    proxy.send(CLUSTER, &eds_cluster("v1"), "v1");
    assert_eq!(proxy.wanted(), [const { Vec::<String>::new() }; 2]);
    proxy.send_all(
        LISTENER,
        &[
            (&virtual_outbound("PassthroughCluster"), "virtualOutbound"),
            (&http_listener("0.0.0.0_9080", 9080, "9080"), "0.0.0.0_9080"),
        ],
    );
    // Everything would pass through otherwise.
    assert!(proxy.tables().is_none() && !proxy.is_configured());
    assert_eq!(proxy.wanted()[0], ["9080"]);
    proxy.send(TABLE, &table_to("9080", "v1"), "9080");
    assert_eq!(proxy.wanted()[1], ["v1"]);
    assert!(!proxy.is_configured());
    proxy.send_endpoints("v1", &["10.0.0.1:80"]);
    assert!(proxy.is_configured());
    assert_eq!(proxy.target(9080), "v1 10.0.0.1:80");
    assert_eq!(proxy.target(80), "PassthroughCluster original");
}

#[tokio::test(start_paused = true)]
async fn the_first_configuration_waits_two_seconds_for_clusters_that_never_come() {
    let mut proxy = Proxy::default();
    proxy.send(
        CLUSTER,
        &original_cluster("PassthroughCluster"),
        "PassthroughCluster",
    );
    proxy.send(LISTENER, &http_listener("l", 9080, "9080"), "l");
    proxy.send(TABLE, &table_to("9080", "missing"), "9080");
    proxy.pass(SECOND);
    assert!(!proxy.is_configured());
    proxy.pass(SECOND);
    assert!(proxy.is_configured());
    assert_eq!(proxy.target(9080), "missing none");
}

#[tokio::test(start_paused = true)]
async fn without_listeners_a_proxy_is_configured_all_the_same() {
    let mut proxy = Proxy::default();
    proxy.send_none(CLUSTER);
    assert!(!proxy.is_configured());
    proxy.send_none(LISTENER);
    assert!(proxy.is_configured() && proxy.tables().is_some());
}

#[tokio::test(start_paused = true)]
async fn a_new_route_waits_for_its_cluster_while_the_old_one_serves() {
    let mut proxy = configured();
    proxy.send(TABLE, &table_to("9080", "v2"), "9080");
    assert_eq!(proxy.target(9080), "v1 10.0.0.1:80");
    proxy.pass(SECOND);
    proxy.send(CLUSTER, &eds_cluster("v2"), "v2");
    assert_eq!(proxy.wanted()[1], ["v1", "v2"]);
    assert_eq!(proxy.target(9080), "v1 10.0.0.1:80");
    proxy.send_endpoints("v2", &["10.0.0.2:80"]);
    assert_eq!(proxy.target(9080), "v2 10.0.0.2:80");
    assert_eq!(proxy.wanted()[1], ["v2"]);
}

#[tokio::test(start_paused = true)]
async fn a_new_route_waits_two_seconds_at_most() {
    let mut proxy = configured();
    proxy.send(TABLE, &table_to("9080", "v2"), "9080");
    proxy.pass(SECOND);
    proxy.send(TABLE, &table_to("9080", "v3"), "9080");
    assert_eq!(proxy.target(9080), "v1 10.0.0.1:80");
    proxy.pass(SECOND);
    assert_eq!(proxy.target(9080), "v3 none");
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_never_came_is_waited_for_once() {
    let mut proxy = configured();
    let table = |domain: &str| {
        let mut table = table_to("9080", "v1");
        let mut other = table_to("9080", "missing").virtual_hosts.remove(0);
        other.domains = vec![domain.to_owned()];
        table.virtual_hosts.push(other);
        table
    };
    let has = |proxy: &Proxy, domain: &str| proxy.hosts(9080).get(domain).is_some();
    proxy.send(TABLE, &table("one"), "9080");
    assert!(!has(&proxy, "one"));
    proxy.pass(2 * SECOND);
    assert!(has(&proxy, "one"));
    // Another version that cites it, too.
    proxy.send(TABLE, &table("two"), "9080");
    assert!(has(&proxy, "two"));
    proxy.send(CLUSTER, &eds_cluster("missing"), "missing");
    assert_eq!(proxy.wanted()[1], ["missing", "v1"]);
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_is_known_to_be_absent_is_not_waited_for() {
    let mut proxy = configured();
    proxy.send(TABLE, &table_to("9080", "v2"), "9080");
    proxy.remove(CLUSTER, "v2");
    assert_eq!(proxy.target(9080), "v2 none");
    proxy.send(CLUSTER, &eds_cluster("v2"), "v2");
    proxy.send_endpoints("v2", &["10.0.0.2:80"]);
    assert_eq!(proxy.target(9080), "v2 10.0.0.2:80");
}

#[tokio::test(start_paused = true)]
async fn requests_wait_for_endpoints_that_have_been_asked_for() {
    let mut proxy = configured();
    proxy.send(CLUSTER, &eds_cluster("v2"), "v2");
    proxy.send(TABLE, &table_to("9080", "v2"), "9080");
    proxy.pass(2 * SECOND);
    assert_eq!(proxy.target(9080), "v2 waiting");
    proxy.remove(ASSIGNMENT, "v2");
    assert_eq!(proxy.target(9080), "v2");
}

#[tokio::test(start_paused = true)]
async fn a_removed_cluster_that_is_cited_lives_on_for_five_seconds() {
    let mut proxy = configured();
    proxy.remove(CLUSTER, "v1");
    proxy.pass(4 * SECOND);
    assert_eq!(proxy.target(9080), "v1 10.0.0.1:80");
    proxy.pass(SECOND);
    assert_eq!(proxy.target(9080), "v1 none");
    let mut proxy = configured();
    proxy.remove(CLUSTER, "v1");
    proxy.pass(SECOND);
    proxy.send(CLUSTER, &eds_cluster("v1"), "v1");
    proxy.pass(9 * SECOND);
    assert_eq!(proxy.target(9080), "v1 10.0.0.1:80");
}

#[tokio::test(start_paused = true)]
async fn endpoints_change_at_once_and_routes_stay_the_same_tables() {
    let mut proxy = configured();
    let before = proxy.hosts(9080);
    proxy.send_endpoints("v1", &["10.0.0.1:80", "10.0.0.9:80"]);
    assert_eq!(proxy.target(9080), "v1 10.0.0.1:80 10.0.0.9:80");
    assert!(std::sync::Arc::ptr_eq(&before, &proxy.hosts(9080)));
    let listeners = std::sync::Arc::clone(&proxy.tables().unwrap().listeners);
    proxy.send_endpoints("v1", &["10.0.0.1:80", "10.0.0.9:80"]);
    proxy.send_endpoints("v1", &["10.0.0.9:80", "10.0.0.1:80"]);
    let newer = &proxy.tables().unwrap().listeners;
    assert!(std::sync::Arc::ptr_eq(&listeners, newer));
    // An assignment that is gone leaves the last endpoints to its cluster, as in Envoy.
    proxy.remove(ASSIGNMENT, "v1");
    assert_eq!(proxy.target(9080), "v1 10.0.0.9:80 10.0.0.1:80");
}

#[tokio::test(start_paused = true)]
async fn the_last_good_one_stays_and_the_server_is_told() {
    let mut proxy = configured();
    let mut bad = table_to("9080", "v1");
    bad.vhost_header = "x".to_owned();
    let refused = proxy.send(TABLE, &bad, "9080");
    assert_eq!(
        refused,
        ["9080 vhost_header: is not supported by this proxy"]
    );
    assert_eq!(proxy.target(9080), "v1 10.0.0.1:80");
    let mut bad = eds_cluster("v1");
    bad.outlier_detection = Some(Default::default());
    let refused = proxy.send(CLUSTER, &bad, "v1");
    assert_eq!(
        refused,
        ["v1 outlier_detection: is not supported by this proxy"]
    );
    assert_eq!(proxy.target(9080), "v1 10.0.0.1:80");
    // The rest of a response is taken.
    let mut bad = http_listener("bad", 80, "80");
    bad.transparent = Some(true);
    let good = http_listener("good", 81, "9080");
    let refused = proxy.send_all(LISTENER, &[(&bad, "bad"), (&good, "good")]);
    assert_eq!(refused, ["bad transparent: is not supported by this proxy"]);
    assert_eq!(proxy.target(81), "v1 10.0.0.1:80");
    let held = proxy.store.held_listeners();
    let bad = held.iter().find(|held| &*held.name == "bad").unwrap();
    assert!(bad.record.is_none() && bad.refusal.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_table_of_which_nothing_good_is_known_answers_503_and_is_not_ready() {
    let mut proxy = Proxy::default();
    proxy.send_none(CLUSTER);
    proxy.send(LISTENER, &http_listener("l", 9080, "9080"), "l");
    let mut bad = table_to("9080", "v1");
    bad.vhost_header = "x".to_owned();
    proxy.send(TABLE, &bad, "9080");
    assert!(proxy.is_configured() && !proxy.is_ready());
    let text = "503 this proxy can't use the route table \"9080\": vhost_header: is not supported by this proxy";
    assert_eq!(proxy.target(9080), text);
    proxy.send(TABLE, &table_to("9080", "v1"), "9080");
    proxy.pass(2 * SECOND);
    assert!(proxy.is_ready());
    assert_eq!(proxy.target(9080), "v1 none");
}

#[tokio::test(start_paused = true)]
async fn a_listener_of_which_nothing_good_is_known_refuses_its_connections() {
    let mut proxy = configured();
    let mut bad = http_listener("bad", 80, "9080");
    bad.transparent = Some(true);
    proxy.send(LISTENER, &bad, "bad");
    // It would be the default listener's otherwise.
    let text = "503 this proxy can't use the filter chain of this connection: transparent: is not supported by this proxy";
    assert_eq!(proxy.target(80), text);
    assert!(
        proxy
            .store
            .held_listeners()
            .iter()
            .any(|held| &*held.name == "bad" && held.record.is_none())
    );
}

#[tokio::test(start_paused = true)]
async fn the_server_hears_of_a_host_that_is_left_out_each_time() {
    let mut proxy = configured();
    let mut bad = table_to("9080", "v1");
    bad.virtual_hosts[0].hedge_policy = Some(Default::default());
    for _ in 0..2 {
        let refused = proxy.send(TABLE, &bad, "9080");
        let text = "9080 virtual_hosts[0].hedge_policy: is not supported by this proxy";
        assert_eq!(refused, [text]);
        // The last good one.
        assert_eq!(proxy.target(9080), "v1 10.0.0.1:80");
    }
    let held = proxy.store.held_tables();
    assert!(held[0].record.is_some() && held[0].refusal.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_nobody_cites_is_not_looked_at() {
    let mut proxy = configured();
    let mut bad = eds_cluster("v2");
    bad.outlier_detection = Some(Default::default());
    assert!(proxy.send(CLUSTER, &bad, "v2").is_empty());
    proxy.send(TABLE, &table_to("9080", "v2"), "9080");
    // There is nothing to wait for.
    assert_eq!(proxy.target(9080), "v2 none");
    assert_eq!(proxy.late, ["v2"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_cited_any_more_is_forgotten() {
    let mut proxy = configured();
    proxy.remove(LISTENER, "0.0.0.0_9080");
    assert_eq!(proxy.wanted(), [const { Vec::<String>::new() }; 2]);
    assert!(proxy.store.held_tables().is_empty() && proxy.store.held_assignments().is_empty());
    assert_eq!(proxy.target(9080), "PassthroughCluster original");
    // Unasked, nothing is held.
    proxy.send(TABLE, &table_to("80", "v1"), "80");
    assert!(proxy.store.held_tables().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_nobody_uses_makes_no_generation() {
    let mut proxy = configured();
    let generation = |proxy: &Proxy| proxy.tables().unwrap().generation;
    let before = generation(&proxy);
    proxy.send(CLUSTER, &eds_cluster("v2"), "v2");
    proxy.remove(CLUSTER, "v2");
    // The same again is nothing new.
    proxy.send(TABLE, &table_to("9080", "v1"), "9080");
    proxy.send(CLUSTER, &eds_cluster("v1"), "v1");
    assert_eq!(generation(&proxy), before);
    proxy.send_endpoints("v1", &["10.0.0.2:80"]);
    assert_eq!(generation(&proxy), before + 1);
}

#[tokio::test(start_paused = true)]
async fn named_endpoints_are_waited_for_as_others_are() {
    let mut proxy = configured();
    proxy.send(CLUSTER, &dns_cluster("v2", "a.example"), "v2");
    proxy.send(TABLE, &table_to("9080", "v2"), "9080");
    assert_eq!(proxy.target(9080), "v1 10.0.0.1:80");
    proxy.resolve(&["10.0.0.7", "10.0.0.8"]);
    assert_eq!(proxy.target(9080), "v2 10.0.0.7:80 10.0.0.8:80");
    proxy.resolve(&["10.0.0.9"]);
    assert_eq!(proxy.target(9080), "v2 10.0.0.9:80");
}

#[tokio::test(start_paused = true)]
async fn what_the_server_does_not_answer_is_not_waited_for_without_end() {
    let mut proxy = Proxy::default();
    proxy.send(CLUSTER, &eds_cluster("v1"), "v1");
    proxy.send(LISTENER, &http_listener("l", 9080, "9080"), "l");
    proxy.pass(15 * SECOND);
    let text = "503 the control plane does not send the route table \"9080\"";
    assert_eq!(proxy.target(9080), text);
    assert!(proxy.is_configured() && !proxy.is_ready());
    proxy.send(TABLE, &table_to("9080", "v1"), "9080");
    proxy.pass(2 * SECOND);
    assert_eq!(proxy.target(9080), "v1 waiting");
    proxy.pass(13 * SECOND);
    assert_eq!(proxy.target(9080), "v1");
    assert!(proxy.is_ready());
    // It counts when it comes after all.
    proxy.send_endpoints("v1", &["10.0.0.1:80"]);
    proxy.pass(20 * SECOND);
    assert_eq!(proxy.target(9080), "v1 10.0.0.1:80");
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_names_that_dns_is_not_asked_for() {
    let mut proxy = configured();
    let mut table = table_to("9080", "v1");
    let host = table.virtual_hosts.remove(0);
    for number in 0..=dns::MOST {
        let name = format!("c{number:04}");
        proxy.send(
            CLUSTER,
            &dns_cluster(&name, &format!("{name}.example")),
            &name,
        );
        let mut other = table_to("9080", &name).virtual_hosts.remove(0);
        other.domains = vec![name];
        table.virtual_hosts.push(other);
    }
    table.virtual_hosts.push(host);
    proxy.send(TABLE, &table, "9080");
    assert_eq!(
        (proxy.store.unresolved(), proxy.questions()),
        (1, dns::MOST)
    );
    proxy.pass(2 * SECOND);
    assert_eq!(proxy.endpoints("c0000"), "c0000 waiting");
    assert_eq!(proxy.endpoints("c4096"), "c4096");
}

#[tokio::test(start_paused = true)]
async fn a_refused_cluster_that_comes_again_is_refused_again() {
    let mut proxy = configured();
    proxy.send(TABLE, &table_to("9080", "v2"), "9080");
    let mut bad = eds_cluster("v2");
    bad.outlier_detection = Some(Default::default());
    for _ in 0..2 {
        let refused = proxy.send(CLUSTER, &bad, "v2");
        let text = "v2 outlier_detection: is not supported by this proxy";
        assert_eq!(refused, [text]);
    }
}

#[tokio::test(start_paused = true)]
async fn endpoints_on_the_proxy_s_own_host_are_left_out_also_after_dns() {
    let mut proxy = configured();
    proxy.send_endpoints("v1", &["127.0.0.1:15000", "10.0.0.2:80"]);
    assert_eq!(proxy.target(9080), "v1 10.0.0.2:80");
    proxy.send(CLUSTER, &dns_cluster("v2", "a.example"), "v2");
    proxy.send(TABLE, &table_to("9080", "v2"), "9080");
    proxy.resolve(&["169.254.169.254", "127.0.0.1", "10.0.0.7"]);
    assert_eq!(proxy.target(9080), "v2 10.0.0.7:80");
}
