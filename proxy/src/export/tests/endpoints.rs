//! Collectors that are away, and those that are elsewhere.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::time::{Instant, sleep};

use super::{Sender, names, server::Server, tables, tables_of, without_identity};
use crate::{
    export::courier::Courier,
    records::{
        Records, Workload,
        trace_test_util::{collector, span},
    },
    tables::{EndpointSettings, Publisher, Snapshot, SpanProtocol},
};

#[tokio::test]
async fn spans_wait_for_a_collector_that_restarts() {
    let server = Server::start(SpanProtocol::Zipkin).await;
    let sender = Sender::to(SpanProtocol::Zipkin, server.address);
    sender.record("before");
    sender.until("spans_sent", 1).await;
    let address = server.stop().await;
    sender.record("meanwhile");
    sender.until("reports_failed", 1).await;
    let server = Server::start_at(SpanProtocol::Zipkin, address).await;
    sender.until("spans_sent", 2).await;
    assert_eq!(names(&server.taken()), ["meanwhile"]);
    assert_eq!(sender.counted("spans_dropped"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_report_waits_for_a_collector_that_is_away_for_long() {
    let address = Server::start(SpanProtocol::Zipkin).await.stop().await;
    let sender = Sender::to(SpanProtocol::Zipkin, address);
    sender.record("a");
    sender.until("reports_failed", 4).await;
    sender.until("reports_failed", 6).await;
    assert_eq!(sender.counted("spans_dropped"), 0);
    let server = Server::start_at(SpanProtocol::Zipkin, address).await;
    sender.until("spans_sent", 1).await;
    assert_eq!(names(&server.taken()), ["a"]);
}

#[tokio::test]
async fn an_endpoint_that_is_away_is_not_waited_for_where_there_is_another() {
    let gone = Server::start(SpanProtocol::Zipkin).await.stop().await;
    let server = Server::start(SpanProtocol::Zipkin).await;
    let weighted = |address, weight| EndpointSettings {
        weight,
        ..EndpointSettings::new(address)
    };
    // The one that is away has the first hundreds of turns.
    let endpoints = vec![weighted(gone, 1000), weighted(server.address, 1)];
    let snapshot = tables_of(1, endpoints);
    let sender = Sender::start(collector(SpanProtocol::Zipkin), snapshot);
    sender.record("a");
    sender.until("spans_sent", 1).await;
    assert_eq!(sender.counted("reports_failed"), 1);
}

#[tokio::test]
async fn newer_tables_lead_elsewhere() {
    let old = Server::start(SpanProtocol::Zipkin).await;
    let mut sender = Sender::start(
        collector(SpanProtocol::Zipkin),
        Snapshot::pass_through(Duration::ZERO),
    );
    sender.record("a");
    // There is no such cluster.
    sender.until("reports_failed", 1).await;
    sender.publisher.publish(tables(2, &[old.address]));
    sender.until("spans_sent", 1).await;
    let new = Server::start(SpanProtocol::Zipkin).await;
    sender.publisher.publish(tables(3, &[new.address]));
    sender.record("b");
    sender.until("spans_sent", 2).await;
    assert_eq!(
        (names(&old.taken()), names(&new.taken())),
        (vec!["a"], vec!["b"])
    );
}

#[tokio::test(start_paused = true)]
async fn other_endpoints_are_tried_at_once() {
    let [old, new] = [1, 2].map(|last| SocketAddr::from(([10, 0, 0, last], 9411)));
    let records = Records::new(Workload::default(), None);
    let collector = Arc::new(collector(SpanProtocol::Zipkin));
    records.recorder().span(&collector, &span());
    let (mut publisher, updates) = Publisher::new(tables(1, &[old]));
    let outlet = records.spans().next().await;
    let mut courier = Courier::new(outlet, updates, without_identity());
    let begun = Instant::now();
    let before = courier.endpoints();
    let longest = Duration::from_secs(30);
    let publish = async {
        sleep(Duration::from_secs(1)).await;
        publisher.publish(tables(2, &[old]));
        sleep(Duration::from_secs(1)).await;
        publisher.publish(tables(3, &[old, new]));
    };
    tokio::join!(courier.wait(&before, longest), publish);
    assert_eq!(begun.elapsed().as_secs(), 2);
    // They may have come while a report was under way.
    courier.wait(&before, longest).await;
    assert_eq!(begun.elapsed().as_secs(), 2);
    // Nothing else happens.
    let before = courier.endpoints();
    courier.wait(&before, longest).await;
    drop(publisher);
    courier.wait(&before, longest).await;
    assert_eq!(begun.elapsed().as_secs(), 62);
}
