//! Who can have a request traced.

use super::*;
use crate::{pipeline::Edge, tables::AddressRange};

#[tokio::test(flavor = "local")]
async fn a_service_inside_can_have_a_request_traced() {
    for (address, is_forced) in [("10.0.0.1", true), ("8.8.8.8", false)] {
        let mut traced = tracing(Propagation::B3);
        traced.sampling.random = 0;
        let range = AddressRange::new([10, 0, 0, 0].into(), 8);
        traced.inside = Box::new([range.unwrap()]);
        let proxy = Setup::default().start_tracing(traced).await;
        let text = format!(
            "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: {address}\r\nX-Envoy-Force-Trace: true\r\n\r\n"
        );
        let (mut client, mut server, head) = proxy.request(&text).await;
        let id = field(&head, "x-request-id").unwrap();
        assert_eq!(&id[14..15] == "a", is_forced, "{id}");
        assert_eq!(field(&head, "x-envoy-force-trace").is_some(), is_forced);
        server.send(OK).await;
        let response = client.head().await;
        let told = is_forced.then_some(id);
        assert_eq!(field(&response, "x-request-id"), told);
    }
}

#[tokio::test(flavor = "local")]
async fn strangers_can_not_have_a_request_traced_at_a_gateway() {
    let mut traced = tracing(Propagation::B3);
    traced.sampling.random = 0;
    let proxy = Setup::gateway().start_tracing(traced).await;
    let text = "GET / HTTP/1.1\r\nHost: a\r\nX-Envoy-Force-Trace: true\r\n\
                X-Request-Id: 00000000-0000-9000-8000-000000000000\r\n\r\n";
    let (_, _, head) = proxy.request(text).await;
    assert_eq!(field(&head, "x-b3-sampled"), Some("0"));
    assert_eq!(field(&head, "x-envoy-force-trace"), None);
}

#[tokio::test(flavor = "local")]
async fn they_can_not_have_it_traced_where_a_gateway_keeps_their_ids() {
    let mut traced = tracing(Propagation::B3);
    traced.sampling.random = 0;
    let edge = Edge {
        keeps_request_id: true,
        ..Edge::default()
    };
    let setup = Setup {
        edge: Some(edge),
        ..Setup::default()
    };
    let proxy = setup.start_tracing(traced).await;
    let text = "GET / HTTP/1.1\r\nHost: a\r\n\
                X-Request-Id: 00000000-0000-9000-8000-000000000000\r\n\r\n";
    let (_, _, head) = proxy.request(text).await;
    assert_eq!(field(&head, "x-b3-sampled"), Some("0"));
    let kept = "00000000-0000-4000-8000-000000000000";
    assert_eq!(field(&head, "x-request-id"), Some(kept));
}
