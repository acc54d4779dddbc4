//! Certificates of a minute are renewed under load.

use serde_json::{Value, json};

use super::peers::Policy;
use crate::harness::{
    Load, Namespace, Release, Reporter, busybox, eventually, pod, server, service, until_answered,
};

/// Says something each second over one connection, and never opens another one: it ends with the first.
const TALK: &str =
    "(while sleep 1; do echo word; done) | nc server 9000 >/dev/null; exec sleep infinity";

/// Has discovery issue certificates that live for a minute.
const LIFETIMES: [&str; 2] = [
    "discovery.workloadCertificateLifetime=1m",
    "discovery.maxWorkloadCertificateLifetime=1m",
];

/// The serial number of a certificate in a pod's chain, its own first, as its sidecar tells the administrator.
pub async fn serial(shop: &Namespace, pod: &str, container: &str, index: usize) -> Option<String> {
    let curl = [
        "curl",
        "-sS",
        "-f",
        "-m",
        "10",
        "http://127.0.0.1:15000/certs",
    ];
    let certs = shop.exec_in(pod, container, &curl).await;
    let certs: Value = serde_json::from_str(&certs).unwrap();
    let serial = certs["certificates"][0]["cert_chain"][index]["serial_number"].as_str();
    serial.map(str::to_owned)
}

/// That of its own.
async fn own_serial(shop: &Namespace, pod: &str, container: &str) -> String {
    let serial = serial(shop, pod, container, 0).await;
    serial.unwrap_or_else(|| panic!("{pod} has no certificate"))
}

#[tokio::test]
async fn no_request_fails_and_no_connection_ends_while_certificates_are_renewed() {
    const REVISION: &str = "renewal";
    let Some(shop) = Namespace::of_revision("renewal", REVISION).await else {
        return;
    };
    let release = Release::install(shop.cluster, REVISION).await;
    release.upgrade(&LIFETIMES).await;
    let servers = [
        server("server", &["helloworld"], 5000),
        server("echo", &["tcp-echo", "9000", "one"], 9000),
    ];
    let wait = busybox("wait", &until_answered("server", 9000));
    let mut talker = pod("talker", &[busybox("talker", TALK)]);
    talker["spec"]["initContainers"] = json!([wait]);
    shop.create(&[
        pod("server", &servers),
        service("server", &[5000, 9000]),
        talker,
    ])
    .await;
    shop.wait_ready(&["server", "talker"]).await;
    let load = Load::start(&shop, "server", 5000, "/hello").await;
    let opened = eventually("the talker's connection is there", async || {
        let counters = shop.counters("talker").await;
        let [opened, closed] = [
            counters.tcp_opened(Reporter::Source),
            counters.tcp_closed(Reporter::Source),
        ];
        (opened == closed + 1).then_some(opened)
    })
    .await;

    let mut serials = [
        own_serial(&shop, "server", "server").await,
        own_serial(&shop, "load", "load").await,
    ];
    for renewal in 1..=3 {
        for (number, (pod, container)) in [("server", "server"), ("load", "load")]
            .into_iter()
            .enumerate()
        {
            serials[number] = eventually(&format!("renewal {renewal} of {pod}"), async || {
                let now = own_serial(&shop, pod, container).await;
                (now != serials[number]).then_some(now)
            })
            .await;
        }
        load.goes_on().await;
    }
    // The talker's life has gone by several times as well, over the connection that it had at first.
    let counters = shop.counters("talker").await;
    assert_eq!(counters.tcp_opened(Reporter::Source), opened);
    assert_eq!(counters.tcp_closed(Reporter::Source), opened - 1);
    load.finish().await.assert_no_failures();
    assert_eq!(Policy::None.requests(&shop, "server").await, 0);
    for pod in ["server", "talker"] {
        let proxy = shop.container(pod, "istio-proxy").await.unwrap();
        assert_eq!(proxy.restart_count, 0, "{pod}");
    }
}
