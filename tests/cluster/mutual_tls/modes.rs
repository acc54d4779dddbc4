//! The mode changes under load: no request between two injected pods may fail.

use super::{
    peers::Policy,
    trio::{Said, ask, without_sidecar},
};
use crate::harness::{
    Load, Namespace, eventually, mode, peer_authentication, pod, server, service,
};

const URL: &str = "http://hello:5000/hello";
/// Each mode after each other one.
const MODES: [&str; 7] = [
    "STRICT",
    "DISABLE",
    "PERMISSIVE",
    "DISABLE",
    "STRICT",
    "PERMISSIVE",
    "STRICT",
];

async fn deploy(shop: &Namespace) {
    let hello = server("hello", &["helloworld"], 5000);
    let objects = [
        pod("hello", &[hello]),
        service("hello", &[5000]),
        without_sidecar("plain"),
    ];
    shop.create(&objects).await;
    shop.wait_ready(&["hello", "plain"]).await;
}

/// Waits until the server does what the mode says, and the load's sidecar what follows from it.
async fn until_in_force(shop: &Namespace, of_all: &str) {
    let refused = of_all == "STRICT";
    eventually(&format!("plaintext under {of_all}"), async || {
        let said = ask(shop, "plain", URL).await;
        (matches!(said, Said::Refused(_)) == refused).then_some(())
    })
    .await;
    let policy = match of_all {
        "DISABLE" => Policy::None,
        _ => Policy::MutualTls,
    };
    let before = policy.requests(shop, "hello").await;
    eventually(&format!("more requests under {of_all}"), async || {
        (policy.requests(shop, "hello").await > before + 20).then_some(())
    })
    .await;
}

async fn change(shop: &Namespace, load: Load<'_>) {
    for of_all in MODES {
        let policy = peer_authentication("default", &mode(of_all));
        shop.apply(&policy).await;
        until_in_force(shop, of_all).await;
        load.goes_on().await;
    }
    // And without waiting, so that changes meet.
    for of_all in ["PERMISSIVE", "STRICT", "DISABLE", "PERMISSIVE"] {
        let policy = peer_authentication("default", &mode(of_all));
        shop.apply(&policy).await;
    }
    until_in_force(shop, "PERMISSIVE").await;
    load.goes_on().await;
    load.finish().await.assert_no_failures();
}

#[tokio::test]
async fn no_request_fails_while_the_mode_changes() {
    let Some(shop) = Namespace::injected("modes").await else {
        return;
    };
    deploy(&shop).await;
    let load = Load::start(&shop, "hello", 5000, "/hello").await;
    change(&shop, load).await;
}

#[tokio::test]
async fn no_request_fails_over_connections_that_are_kept_while_the_mode_changes() {
    let Some(shop) = Namespace::injected("keptmodes").await else {
        return;
    };
    deploy(&shop).await;
    let load = Load::keeping_connections(&shop, "hello", 5000, "/hello").await;
    change(&shop, load).await;
}
