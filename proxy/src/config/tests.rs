//! The whole way: a server over loopback and TLS, its resources, and requests by the tables
//! that these become.

pub(crate) mod server;

use std::{net::SocketAddr, rc::Rc, sync::Arc, time::Duration};

use pillion_envoy_api::{
    envoy::config::{
        cluster::v3::Cluster,
        core::v3::{BindConfig, SocketAddress as SourceAddress},
        route::v3::Route,
    },
    type_url::{
        CLUSTER, CLUSTER_LOAD_ASSIGNMENT as ASSIGNMENT, LISTENER, ROUTE_CONFIGURATION as TABLE,
    },
};
use pillion_serve::Readiness;
use serde_json::Value;
use tokio::{
    sync::{oneshot, watch},
    task::{LocalSet, spawn_local},
    time::{sleep, timeout},
};

use self::server::Server;
use super::{
    Node, Settings, WhenUnreachable, closed,
    driver::Driver,
    start,
    test_util::{
        eds_cluster, endpoints, host, http_listener, original_cluster, table_to, virtual_outbound,
    },
};
use crate::{
    kind::Kind,
    metrics::Metrics,
    pipeline::tests::harness::{Proxy, Setup},
    records::{Records, Workload},
    tables::Snapshot,
};

/// Generous: nothing is measured.
const PATIENCE: Duration = Duration::from_secs(60);

/// A proxy that follows the server, and its driver.
async fn follow(server: &Server, readiness: &Readiness) -> (Proxy, Driver) {
    let address = server.address.clone();
    let first = || closed(&address, WhenUnreachable::Refuse, Duration::from_secs(1));
    let node = Node::new(Kind::Sidecar, &Default::default(), &Default::default(), "").0;
    let records = Records::new(Workload::default(), None);
    let settings = Settings {
        kind: Kind::Sidecar,
        node,
        server: server.connect(),
        detection_timeout: Duration::from_secs(1),
        metrics: Arc::new(Metrics::new(Arc::new(records))),
        roots: watch::channel(None).0,
    };
    let driver = start(settings, first(), readiness.register("configured")).unwrap();
    let proxy = Setup::default().start_with(|_| first()).await;
    let (mut from, to) = (driver.tables.clone(), Rc::clone(&proxy.tables));
    spawn_local(async move {
        while from.changed().await.is_ok() {
            let newest = Arc::clone(&from.borrow_and_update());
            to.borrow_mut().publish(Snapshot::new(
                newest.generation,
                Arc::clone(&newest.listeners),
                Arc::clone(&newest.clusters),
                Arc::clone(&newest.server),
            ));
        }
    });
    (proxy, driver)
}

/// A cluster whose endpoints may be on the proxy's own host, as those of inbound ones are.
fn cluster_of_own_host(name: &str) -> Cluster {
    Cluster {
        upstream_bind_config: Some(BindConfig {
            source_address: Some(SourceAddress {
                address: "127.0.0.6".to_owned(),
                ..SourceAddress::default()
            }),
            ..BindConfig::default()
        }),
        ..eds_cluster(name)
    }
}

/// What a sidecar has, whose requests to port 9080 go to that cluster.
fn resources(server: &Server, cluster: &str, address: SocketAddr) {
    server.set(
        CLUSTER,
        vec![
            (
                "PassthroughCluster",
                server::bytes(&original_cluster("PassthroughCluster")),
            ),
            (cluster, server::bytes(&cluster_of_own_host(cluster))),
        ],
    );
    server.set(
        ASSIGNMENT,
        vec![(cluster, server::bytes(&endpoints(cluster, &[address])))],
    );
    server.set(
        LISTENER,
        vec![
            (
                "virtualOutbound",
                server::bytes(&virtual_outbound("PassthroughCluster")),
            ),
            (
                "0.0.0.0_9080",
                server::bytes(&http_listener("0.0.0.0_9080", 9080, "9080")),
            ),
        ],
    );
    server.set(
        TABLE,
        vec![("9080", server::bytes(&table_to("9080", cluster)))],
    );
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let wait = async {
        while !holds() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, wait)
        .await
        .unwrap_or_else(|_| panic!("{what}"));
}

async fn dump(driver: &Driver) -> Value {
    let (reply, answer) = oneshot::channel();
    driver.dumps.send(reply).await.unwrap();
    let text = answer.await.unwrap().to_json(true).unwrap();
    serde_json::from_slice(&text).unwrap()
}

const REQUEST: &str = "GET / HTTP/1.1\r\nhost: reviews\r\n\r\n";

async fn response(proxy: &Proxy) -> String {
    let mut client = proxy.connect().await;
    client.send(REQUEST).await;
    let head = client.head().await;
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let body = client.body(length.unwrap().parse().unwrap()).await;
    format!("{head}{body}")
}

#[tokio::test]
async fn requests_go_where_the_server_says() {
    let test = async {
        let server = Server::start("routes").await;
        let readiness = Readiness::default();
        let (proxy, driver) = follow(&server, &readiness).await;
        // Nothing has come yet.
        let refused = response(&proxy).await;
        assert!(refused.starts_with("HTTP/1.1 503 ") && refused.contains(&server.address));
        assert_eq!(readiness.missing(), ["configured"]);

        resources(&server, "v1", proxy.server.local_addr().unwrap());
        until("it is configured", || readiness.missing().is_empty()).await;
        assert_eq!(server.authorization().as_deref(), Some("Bearer token"));
        let (_client, _server, head) = proxy.request(REQUEST).await;
        assert!(
            head.starts_with("GET / HTTP/1.1\r\nhost: reviews\r\n"),
            "{head}"
        );

        let dump = dump(&driver).await;
        let shown = dump.to_string();
        for part in [
            "\"v1\"",
            "virtualOutbound",
            "\"9080\"",
            "127.0.0.1",
            "version_info",
        ] {
            assert!(shown.contains(part), "{part} is not in {dump:#}");
        }
    };
    LocalSet::new().run_until(test).await;
}

#[tokio::test]
async fn what_there_is_goes_on_without_the_server_and_changes_when_it_is_back() {
    let test = async {
        let server = Server::start("restart").await;
        let readiness = Readiness::default();
        let (proxy, driver) = follow(&server, &readiness).await;
        let address = proxy.server.local_addr().unwrap();
        resources(&server, "v1", address);
        until("it is configured", || readiness.missing().is_empty()).await;
        server.reset();
        let (_client, _server, _head) = proxy.request(REQUEST).await;
        let generation = driver.tables.borrow().generation;
        resources(&server, "v2", address);
        let changed = || driver.tables.borrow().generation > generation;
        until("the tables change", changed).await;
        let is_v2 = || {
            let tables = driver.tables.borrow();
            tables.clusters.iter().any(|cluster| cluster.name() == "v2")
        };
        until("v2 is in force", is_v2).await;
        let (_client, _server, _head) = proxy.request(REQUEST).await;
    };
    LocalSet::new().run_until(test).await;
}

#[tokio::test]
async fn what_was_refused_is_over_once_the_server_turns_back() {
    let test = async {
        let server = Server::start("rollback").await;
        let readiness = Readiness::default();
        let (proxy, driver) = follow(&server, &readiness).await;
        let address = proxy.server.local_addr().unwrap();
        resources(&server, "v1", address);
        until("it is configured", || readiness.missing().is_empty()).await;
        // One that is used, but for a host, and one that is not used at all.
        let mut partial = table_to("9080", "v1");
        partial
            .virtual_hosts
            .push(host(&["b"], vec![Route::default()]));
        let mut whole = table_to("9080", "v1");
        whole.vhost_header = "x".to_owned();
        for (index, bad) in [partial, whole].iter().enumerate() {
            server.set(TABLE, vec![("9080", server::bytes(bad))]);
            until("it is refused", || server.refusals().len() > index).await;
            assert!(dump(&driver).await.to_string().contains("error_state"));
            resources(&server, "v1", address);
            let is_over = async {
                while dump(&driver).await.to_string().contains("error_state") {
                    sleep(Duration::from_millis(5)).await;
                }
            };
            timeout(PATIENCE, is_over).await.expect("the refusal stays");
        }
    };
    LocalSet::new().run_until(test).await;
}

#[tokio::test]
async fn the_server_hears_which_version_was_refused_once_it_was_needed() {
    let test = async {
        let server = Server::start("late").await;
        let readiness = Readiness::default();
        let (proxy, driver) = follow(&server, &readiness).await;
        resources(&server, "v1", proxy.server.local_addr().unwrap());
        let mut bad = eds_cluster("late");
        bad.outlier_detection = Some(Default::default());
        server.add(CLUSTER, "late", server::bytes(&bad));
        until("it is configured", || readiness.missing().is_empty()).await;
        server.set(
            TABLE,
            vec![("9080", server::bytes(&table_to("9080", "late")))],
        );
        let is_refused = async {
            while !dump(&driver).await.to_string().contains("error_state") {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(PATIENCE, is_refused).await.expect("it is used");
        assert_eq!(server.refusals(), [""; 0]);
        // The next response is about another one.
        server.add(CLUSTER, "v3", server::bytes(&eds_cluster("v3")));
        until("it is told", || !server.refusals().is_empty()).await;
        let expected = format!("late@{}: ", server.version(CLUSTER, "late"));
        let refusal = server.refusals().remove(0);
        assert!(refusal.starts_with(&expected), "{refusal}");
        // Another server has to be told, too.
        server.reset();
        until("it is told again", || server.refusals().len() > 1).await;
        let refusal = server.refusals().remove(1);
        assert!(refusal.starts_with(&expected), "{refusal}");
    };
    LocalSet::new().run_until(test).await;
}

#[tokio::test]
async fn the_server_hears_what_is_refused_and_the_rest_is_in_force() {
    let test = async {
        let server = Server::start("refusal").await;
        let readiness = Readiness::default();
        let (proxy, driver) = follow(&server, &readiness).await;
        resources(&server, "v1", proxy.server.local_addr().unwrap());
        until("it is configured", || readiness.missing().is_empty()).await;
        let mut bad = http_listener("bad", 81, "9080");
        bad.transparent = Some(true);
        let good = http_listener("good", 82, "9080");
        server.add(LISTENER, "bad", server::bytes(&bad));
        server.add(LISTENER, "good", server::bytes(&good));
        until("it is refused", || !server.refusals().is_empty()).await;
        let refusal = server.refusals().remove(0);
        assert!(refusal.starts_with("bad@"), "{refusal}");
        assert!(
            refusal.ends_with(": transparent: is not supported by this proxy"),
            "{refusal}"
        );
        let has_good = || {
            driver
                .tables
                .borrow()
                .listeners
                .outbound
                .ports
                .contains_key(&82)
        };
        until("the other one is in force", has_good).await;
        let dump = dump(&driver).await;
        assert!(dump.to_string().contains("error_state"), "{dump:#}");
    };
    LocalSet::new().run_until(test).await;
}
