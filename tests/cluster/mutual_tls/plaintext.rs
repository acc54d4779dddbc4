//! Clients without a certificate, where policies let them in and where they don't.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::sleep;

use super::trio::{HIDDEN, PORTS, Said, Trio};
use crate::harness::{Container, MeshPolicy, mode, peer_authentication, pod, samples};

const ALL: [u16; 3] = [PORTS[0], PORTS[1], HIDDEN];

/// A policy of the server alone.
fn of_server(spec: Value) -> String {
    let mut spec = spec;
    spec["selector"] = json!({"matchLabels": {"app": "server"}});
    peer_authentication("server", &spec)
}

#[tokio::test]
async fn a_namespace_says_whether_plaintext_is_taken() {
    let Some(trio) = Trio::injected("plaintext").await else {
        return;
    };
    // Nobody has said anything.
    trio.until_answered("plain", &ALL).await;
    trio.until_answered("client", &PORTS).await;
    for (of_all, is_answered) in [
        ("STRICT", false),
        ("PERMISSIVE", true),
        ("STRICT", false),
        ("DISABLE", true),
    ] {
        let policy = peer_authentication("default", &mode(of_all));
        trio.shop.apply(&policy).await;
        match is_answered {
            true => trio.until_answered("plain", &ALL).await,
            false => trio.until_refused("plain", &ALL).await,
        }
        trio.until_answered("client", &PORTS).await;
    }
    let delete = ["delete", "peerauthentication", "default"];
    trio.shop.kubectl(&delete).await;
    trio.until_answered("plain", &ALL).await;
}

#[tokio::test]
async fn who_is_refused_is_told_by_a_reset() {
    let Some(trio) = Trio::injected("reset").await else {
        return;
    };
    let strict = peer_authentication("default", &mode("STRICT"));
    trio.shop.apply(&strict).await;
    trio.until_refused("plain", &ALL).await;
    for port in ALL {
        let Said::Refused(words) = trio.ask("plain", port).await else {
            panic!("{port} answers");
        };
        assert!(words.to_lowercase().contains("reset"), "{port}: {words}");
    }
}

#[tokio::test]
async fn a_workload_and_its_ports_say_it_for_themselves() {
    let Some(trio) = Trio::injected("workload").await else {
        return;
    };
    let shop = &trio.shop;
    // The workload's own comes before the namespace's.
    for (namespace, server) in [
        ("PERMISSIVE", "STRICT"),
        ("STRICT", "PERMISSIVE"),
        ("DISABLE", "STRICT"),
    ] {
        let policy = peer_authentication("default", &mode(namespace));
        shop.apply(&policy).await;
        shop.apply(&of_server(mode(server))).await;
        match server {
            "STRICT" => trio.until_refused("plain", &ALL).await,
            _ => trio.until_answered("plain", &ALL).await,
        }
        trio.until_answered("client", &PORTS).await;
    }
    let [first, second] = PORTS;
    for (rest, of_first) in [("PERMISSIVE", "STRICT"), ("STRICT", "DISABLE")] {
        let mut spec = mode(rest);
        spec["portLevelMtls"] = json!({first.to_string(): {"mode": of_first}});
        shop.apply(&of_server(spec)).await;
        match of_first {
            "STRICT" => {
                trio.until_refused("plain", &[first]).await;
                trio.until_answered("plain", &[second, HIDDEN]).await;
            }
            _ => {
                trio.until_answered("plain", &[first]).await;
                trio.until_refused("plain", &[second, HIDDEN]).await;
            }
        }
        trio.until_answered("client", &PORTS).await;
    }
}

#[tokio::test]
async fn of_several_policies_the_oldest_wins() {
    let Some(trio) = Trio::injected("oldest").await else {
        return;
    };
    let shop = &trio.shop;
    let strict = peer_authentication("zz-older", &mode("STRICT"));
    shop.apply(&strict).await;
    trio.until_refused("plain", &PORTS).await;
    // Ages are told in seconds, and names decide between those of one age.
    sleep(Duration::from_secs(2)).await;
    let younger = peer_authentication("aa-younger", &mode("DISABLE"));
    shop.apply(&younger).await;
    // What comes after it is in force: so the younger one has been looked at.
    let of_port = json!({PORTS[1].to_string(): {"mode": "PERMISSIVE"}});
    shop.apply(&of_server(json!({"portLevelMtls": of_port})))
        .await;
    trio.until_answered("plain", &[PORTS[1]]).await;
    assert!(matches!(
        trio.ask("plain", PORTS[0]).await,
        Said::Refused(_)
    ));
    shop.kubectl(&["delete", "peerauthentication", "server", "zz-older"])
        .await;
    trio.until_answered("plain", &PORTS).await;
}

#[tokio::test]
async fn the_whole_mesh_says_it_where_nobody_else_does() {
    let Some(trio) = Trio::alone("mesh").await else {
        return;
    };
    let policy = MeshPolicy::set(&trio.shop, "STRICT").await;
    trio.until_refused("plain", &ALL).await;
    trio.until_answered("client", &PORTS).await;
    let permissive = peer_authentication("default", &mode("PERMISSIVE"));
    trio.shop.apply(&permissive).await;
    trio.until_answered("plain", &ALL).await;
    let delete = ["delete", "peerauthentication", "default"];
    trio.shop.kubectl(&delete).await;
    trio.until_refused("plain", &ALL).await;
    policy.change(&trio.shop, "DISABLE").await;
    trio.until_answered("plain", &ALL).await;
    trio.until_answered("client", &PORTS).await;
}

/// A container that is ready when the kubelet's question is answered.
fn probed(name: &str, application: &str, port: u16, probe: &Value) -> Container {
    let mut container = samples(name, &["pillion-samples", application]);
    container["env"] = json!([{"name": "PORT", "value": port.to_string()}]);
    for kind in ["readinessProbe", "livenessProbe"] {
        container[kind] = probe.clone();
        container[kind]["periodSeconds"] = json!(1);
    }
    container
}

#[tokio::test]
async fn the_kubelet_s_probes_pass_where_plaintext_is_refused() {
    let Some(trio) = Trio::injected("asked").await else {
        return;
    };
    let strict = peer_authentication("default", &mode("STRICT"));
    trio.shop.apply(&strict).await;
    trio.until_refused("plain", &ALL).await;
    let curl = ["curl", "-f", "localhost:8004/status/200"];
    let containers = [
        probed(
            "http",
            "httpbin",
            8001,
            &json!({"httpGet": {"path": "/status/200", "port": 8001}}),
        ),
        probed(
            "tcp",
            "httpbin",
            8002,
            &json!({"tcpSocket": {"port": 8002}}),
        ),
        probed("grpc", "grpc-echo", 8003, &json!({"grpc": {"port": 8003}})),
        probed("exec", "httpbin", 8004, &json!({"exec": {"command": curl}})),
    ];
    trio.shop.create(&[pod("asked", &containers)]).await;
    trio.shop.wait_ready(&["asked"]).await;
    // Long after the first answers, too: three refusals would have restarted a container.
    sleep(Duration::from_secs(8)).await;
    for name in ["http", "tcp", "grpc", "exec", "istio-proxy"] {
        let status = trio.shop.container("asked", name).await.unwrap();
        assert!(status.ready && status.restart_count == 0, "{status:?}");
    }
    // Those that ran before as well.
    trio.shop.wait_ready(&["server", "client"]).await;
}
