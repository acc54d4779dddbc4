//! Collectors that take mutual TLS alone.

use std::{net::SocketAddr, sync::Arc};

use pillion_certs::mesh::{ServerSettings, Tickets, server_config};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;

use super::{Sender, names, server::Server, tables, tables_with};
use crate::{
    records::trace_test_util::collector,
    tables::{EndpointSettings, SanMatch, Snapshot, SpanProtocol, UpstreamTls},
    transport::test_util::Mesh,
};

/// The sidecar of a collector, which takes mutual TLS alone. It runs as long as the runtime.
async fn sidecar(mesh: &Mesh, server: SocketAddr) -> SocketAddr {
    let credentials = mesh.credentials("collector", 1);
    let settings = ServerSettings {
        alpn: vec![b"h2".to_vec(), b"http/1.1".to_vec()],
        sans: None,
        tickets: Tickets::new().unwrap(),
    };
    let config = server_config(&credentials.identity, &credentials.trust, &settings).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let acceptor = TlsAcceptor::from(config);
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut client) = acceptor.accept(stream).await else {
                    return;
                };
                let mut server = TcpStream::connect(server).await.unwrap();
                let _ = copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    address
}

/// Tables with a collector at this address, which must prove that it is of this account.
fn secured(generation: u64, address: SocketAddr, account: &str) -> Snapshot {
    let mut endpoint = EndpointSettings::new(address);
    endpoint.is_secured = true;
    let san = format!("spiffe://cluster.local/ns/shop/sa/{account}");
    let tls = UpstreamTls::new(
        "outbound_.9411_._.collector.shop.svc.cluster.local".into(),
        vec!["istio".into()],
        vec![SanMatch::Exact(san.into())],
    );
    tables_with(generation, vec![endpoint], Some(Arc::new(tls)))
}

#[tokio::test]
async fn a_collector_that_takes_mutual_tls_alone_gets_spans_by_it() {
    for protocol in [
        SpanProtocol::Zipkin,
        SpanProtocol::OtlpHttp,
        SpanProtocol::OtlpGrpc,
    ] {
        let (mesh, server) = (Mesh::new(), Server::start(protocol).await);
        let address = sidecar(&mesh, server.address).await;
        let first = secured(1, address, "collector");
        let transport = mesh.client_transport("web");
        let sender = Sender::start_as(collector(protocol), first, transport);
        for count in 1..=2 {
            sender.record("a");
            sender.until("spans_sent", count).await;
        }
        assert_eq!(names(&server.taken()), ["a", "a"], "{protocol:?}");
        // The second report goes by the same connection.
        assert_eq!(server.connections(), 1, "{protocol:?}");
    }
}

#[tokio::test]
async fn whoever_does_not_prove_to_be_the_collector_gets_no_spans() {
    let (mesh, server) = (Mesh::new(), Server::start(SpanProtocol::Zipkin).await);
    let address = sidecar(&mesh, server.address).await;
    let sender = |account, transport| {
        let first = secured(1, address, account);
        Sender::start_as(collector(SpanProtocol::Zipkin), first, transport)
    };
    for sender in [
        sender("other", mesh.client_transport("web")),
        sender("collector", Mesh::new().client_transport("web")),
        sender("collector", super::without_identity()),
    ] {
        sender.record("a");
        sender.until("reports_failed", 1).await;
        assert_eq!(sender.counted("spans_dropped"), 0);
    }
    assert!(server.taken().is_empty());
}

#[tokio::test]
async fn a_connection_in_plaintext_is_not_used_once_its_server_has_to_prove_itself() {
    let (mesh, server) = (Mesh::new(), Server::start(SpanProtocol::Zipkin).await);
    let first = tables(1, &[server.address]);
    let transport = mesh.client_transport("web");
    let mut sender = Sender::start_as(collector(SpanProtocol::Zipkin), first, transport);
    sender.record("a");
    sender.until("spans_sent", 1).await;
    let newer = secured(2, server.address, "collector");
    sender.publisher.publish(newer);
    sender.record("b");
    sender.until("reports_failed", 1).await;
    assert_eq!(names(&server.taken()), ["a"]);
}
