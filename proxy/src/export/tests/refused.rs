//! Reports that collectors do not take.

use std::time::Duration;

use http::StatusCode;
use tokio::time::Instant;

use super::{Sender, names, server::Server};
use crate::tables::SpanProtocol;

#[tokio::test]
async fn a_report_that_may_be_taken_later_is_sent_again() {
    for protocol in [SpanProtocol::OtlpHttp, SpanProtocol::OtlpGrpc] {
        let server = Server::start(protocol).await;
        server.refuse(1, StatusCode::SERVICE_UNAVAILABLE);
        let sender = Sender::to(protocol, server.address);
        sender.record("a");
        sender.until("spans_sent", 1).await;
        assert_eq!(names(&server.taken()), ["a"], "{protocol:?}");
        assert_eq!(sender.counted("reports_failed"), 1, "{protocol:?}");
    }
}

#[tokio::test]
async fn a_report_that_is_refused_is_dropped_and_counted() {
    for protocol in [
        SpanProtocol::Zipkin,
        SpanProtocol::OtlpHttp,
        SpanProtocol::OtlpGrpc,
    ] {
        let server = Server::start(protocol).await;
        server.refuse(1, StatusCode::BAD_REQUEST);
        let sender = Sender::to(protocol, server.address);
        sender.record("a");
        sender.until("spans_dropped", 1).await;
        sender.record("b");
        sender.until("spans_sent", 1).await;
        assert_eq!(names(&server.taken()), ["b"], "{protocol:?}");
        // There is nothing wrong with the connection.
        assert_eq!(server.connections(), 1, "{protocol:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_refuses_report_after_report_gets_them_less_often() {
    let server = Server::start(SpanProtocol::Zipkin).await;
    server.refuse(5, StatusCode::BAD_REQUEST);
    let sender = Sender::to(SpanProtocol::Zipkin, server.address);
    let (mut last, mut pause) = (Instant::now(), Duration::ZERO);
    for count in 1..=5 {
        sender.record("a");
        sender.until("spans_dropped", count).await;
        pause = last.elapsed();
        last = Instant::now();
    }
    // Otherwise there would be a report each second.
    assert!(pause >= Duration::from_secs(4), "{pause:?}");
}

#[tokio::test(start_paused = true)]
async fn a_report_that_is_never_taken_makes_way_for_the_next_one() {
    let server = Server::start(SpanProtocol::OtlpHttp).await;
    server.refuse(5, StatusCode::SERVICE_UNAVAILABLE);
    let sender = Sender::to(SpanProtocol::OtlpHttp, server.address);
    sender.record("poison");
    sender.until("spans_dropped", 1).await;
    assert_eq!(sender.counted("reports_failed"), 5);
    sender.record("next");
    sender.until("spans_sent", 1).await;
    assert_eq!(names(&server.taken()), ["next"]);
}

#[tokio::test]
async fn spans_that_a_collector_rejects_are_counted() {
    for protocol in [SpanProtocol::OtlpHttp, SpanProtocol::OtlpGrpc] {
        let server = Server::start(protocol).await;
        server.reject(1);
        let sender = Sender::to(protocol, server.address);
        sender.record("a");
        sender.record("b");
        sender.until("reports_sent", 1).await;
        let counted = ["spans_sent", "spans_dropped"].map(|name| sender.counted(name));
        assert_eq!(counted, [1, 1], "{protocol:?}");
    }
}
