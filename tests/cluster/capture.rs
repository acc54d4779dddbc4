//! Capture of a pod's traffic. What the pod's annotations exclude goes around the proxy: its counters say so.

use serde_json::json;

use crate::harness::{Namespace, Reporter::*, busybox, pod, server};

/// So many connections in a row.
const EACH: u64 = 5;

/// A script that has lines echoed, each over a connection of its own.
fn echo(host: &str, port: u16) -> String {
    format!("for i in $(seq {EACH}); do echo hello | nc {host} {port} | grep -q 'one hello'; done")
}

fn idle(name: &str) -> serde_json::Value {
    pod(name, &[busybox(name, "exec sleep infinity")])
}

fn echo_server(name: &str) -> serde_json::Value {
    pod(
        name,
        &[server(name, &["tcp-echo", "9000,9001", "one"], 9000)],
    )
}

#[tokio::test]
async fn capture_is_set_up_and_proved_without_root() {
    let Some(shop) = Namespace::injected("unprivileged").await else {
        return;
    };
    shop.create(&[idle("web")]).await;
    shop.wait_ready(&["web"]).await;
    let containers = shop.pod("web").await.spec.unwrap().init_containers.unwrap();
    let context = containers[0].security_context.clone().unwrap();
    assert_eq!(containers[0].name, "istio-init");
    assert_eq!(context.run_as_user, Some(1337));
    assert_eq!(context.allow_privilege_escalation, Some(false));
    let log = shop.kubectl(&["logs", "web", "-c", "istio-init"]).await;
    assert!(log.contains("capture works"), "{log}");
}

#[tokio::test]
async fn excluded_ports_go_around_the_proxies_of_both_sides() {
    let Some(shop) = Namespace::injected("ports").await else {
        return;
    };
    let mut echo_pod = echo_server("echo");
    echo_pod["metadata"]["annotations"] =
        json!({"traffic.sidecar.istio.io/excludeInboundPorts": "9001"});
    let mut client = idle("client");
    client["metadata"]["annotations"] =
        json!({"traffic.sidecar.istio.io/excludeOutboundPorts": "9001"});
    shop.create(&[echo_pod, client]).await;
    shop.wait_ready(&["echo", "client"]).await;
    let address = shop.address("echo").await;

    shop.sh("client", &echo(&address, 9001)).await;
    assert_eq!(shop.counters("client").await.tcp_opened(Source), 0);
    assert_eq!(shop.counters("echo").await.tcp_opened(Destination), 0);

    shop.sh("client", &echo(&address, 9000)).await;
    assert_eq!(shop.counters("client").await.tcp_opened(Source), EACH);
    assert_eq!(shop.counters("echo").await.tcp_opened(Destination), EACH);
}

#[tokio::test]
async fn excluded_ranges_go_around_the_client_s_proxy() {
    let Some(shop) = Namespace::injected("ranges").await else {
        return;
    };
    shop.create(&[echo_server("near"), echo_server("far")])
        .await;
    shop.wait_ready(&["near", "far"]).await;
    let (near, far) = (shop.address("near").await, shop.address("far").await);
    let mut client = idle("client");
    let range = format!("{near}/32");
    client["metadata"]["annotations"] =
        json!({"traffic.sidecar.istio.io/excludeOutboundIPRanges": range});
    shop.create(&[client]).await;
    shop.wait_ready(&["client"]).await;

    shop.sh("client", &echo(&near, 9000)).await;
    assert_eq!(shop.counters("client").await.tcp_opened(Source), 0);
    assert_eq!(shop.counters("near").await.tcp_opened(Destination), EACH);

    shop.sh("client", &echo(&far, 9000)).await;
    assert_eq!(shop.counters("client").await.tcp_opened(Source), EACH);
    assert_eq!(shop.counters("far").await.tcp_opened(Destination), EACH);
}
