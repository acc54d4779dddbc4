//! Which requests tell whether the application passes traces on.

use super::*;
use crate::records::{Counts, PassedOn, TraceId};

/// What is counted of a request that is answered while another trace is open.
async fn counted(setup: Setup, tracing: Tracing, text: &str) -> Counts {
    let proxy = setup.start_tracing(tracing).await;
    let chains = proxy.records.chains();
    let _open = chains.come(TraceId::new(1).unwrap(), Propagation::B3);
    exchange(&proxy, text, OK).await;
    chains.seen().0
}

#[tokio::test(flavor = "local")]
async fn what_leaves_without_a_trace_is_counted_with_what_it_has_instead() {
    let traced = || tracing(Propagation::B3);
    // The proxy has made its id.
    let alone = counted(Setup::default(), traced(), GET).await;
    let expected = Counts {
        alone: 1,
        ..Counts::default()
    };
    assert_eq!(alone, expected);
    let text = "GET / HTTP/1.1\r\nHost: a\r\nX-Request-Id: mine\r\nb3: 1\r\ntraceparent: x\r\n\r\n";
    let alone = counted(Setup::default(), traced(), text).await;
    let expected = Counts {
        alone: 1,
        with_request_id: 1,
        with_b3: 1,
        with_trace_parent: 1,
        ..Counts::default()
    };
    assert_eq!(alone, expected);
}

#[tokio::test(flavor = "local")]
async fn nobody_else_should_have_a_trace() {
    let mut to_collector = tracing(Propagation::B3);
    Arc::make_mut(&mut to_collector.collector).cluster = Arc::from("reviews");
    let mut untold = tracing(Propagation::B3);
    untold.tells_servers = false;
    for (setup, traced) in [
        (Setup::default(), to_collector),
        (Setup::default(), untold),
        (Setup::gateway(), tracing(Propagation::B3)),
    ] {
        let counts = counted(setup, traced, GET).await;
        assert_eq!(counts, Counts::default());
    }
    // What comes in is the beginning of a trace, and nothing that leaves.
    let counts = counted(Setup::inbound(), tracing(Propagation::B3), GET).await;
    assert_eq!((counts.alone, counts.ended), (0, 1));
}

#[tokio::test(flavor = "local")]
async fn a_trace_that_leaves_by_the_proxy_is_continued() {
    let proxy = Setup::default()
        .start_tracing(tracing(Propagation::B3))
        .await;
    let chains = proxy.records.chains();
    let trace = u128::from_str_radix(TRACE, 16).unwrap();
    let open = chains.come(TraceId::new(trace).unwrap(), Propagation::B3);
    let text = format!("GET / HTTP/1.1\r\nHost: a\r\nb3: {TRACE}-{SPAN}-1\r\n\r\n");
    exchange(&proxy, &text, OK).await;
    drop(open);
    let expected = Counts {
        continued: 1,
        ..Counts::default()
    };
    assert_eq!(chains.seen(), (expected, Some(Propagation::B3)));
}

#[tokio::test(flavor = "local")]
async fn a_request_that_comes_in_is_looked_at_until_its_end_if_its_span_is_wanted() {
    for (random, cut) in [(10_000, 1), (0, 0)] {
        let mut traced = tracing(Propagation::B3);
        traced.sampling.random = random;
        let proxy = Setup::inbound().start_tracing(traced).await;
        let chains = proxy.records.chains();
        let (mut client, mut server, _) = proxy.request(GET).await;
        chains.left(&PassedOn::default());
        assert_eq!(chains.seen().0.cut, 0);
        server.send(OK).await;
        client.until("ok").await;
        proxy.sees(&["istio_requests_total"]).await;
        assert_eq!(chains.seen().0.cut, cut);
    }
}
