//! Handshakes between two ends of ours, and with servers outside the mesh.

mod outside;

use std::{sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::Instant,
};

use super::{
    Secured, TlsFailure, Transport, accept, secure,
    test_util::{Mesh, pair},
};
use crate::{
    net::{input::Input, stream::Stream},
    sniff::{Protocol, sniff},
    tables::{Carried, ClientHello, DownstreamTls, SanMatch, UpstreamTls},
};

const LONG: Duration = Duration::from_secs(30);
const SNI: &str = "outbound_.9080_._.reviews.shop.svc.cluster.local";

fn server_tls() -> Arc<DownstreamTls> {
    Arc::new(DownstreamTls::new(
        vec!["h2".into(), "http/1.1".into()],
        vec![SanMatch::Prefix("spiffe://cluster.local/".into())],
    ))
}

fn client_tls(account: &str) -> Arc<UpstreamTls> {
    tls_offering(account, &["istio"])
}

fn tls_offering(account: &str, alpn: &[&str]) -> Arc<UpstreamTls> {
    let san = format!("spiffe://cluster.local/ns/shop/sa/{account}");
    Arc::new(UpstreamTls::new(
        SNI.into(),
        alpn.iter().map(|protocol| Box::from(*protocol)).collect(),
        vec![SanMatch::Exact(san.into())],
    ))
}

/// The time that there is for a connection which begins now.
fn long() -> (Instant, Duration) {
    (Instant::now(), LONG)
}

/// The beginning of a handshake, as it is found out what a client speaks.
async fn hello(stream: &mut tokio::net::TcpStream) -> (ClientHello, Input) {
    let mut input = Input::default();
    loop {
        let receive = std::future::poll_fn(|context| input.poll_receive(stream, context));
        assert_ne!(receive.await.unwrap(), 0);
        if let Some(Protocol::Tls {
            server_name,
            protocols,
        }) = sniff(input.bytes())
        {
            let hello = ClientHello {
                server_name: server_name.map(std::sync::Arc::from),
                protocols: protocols.into_iter().map(Vec::into_boxed_slice).collect(),
            };
            return (hello, input);
        }
    }
}

struct Done {
    client: Result<Stream, TlsFailure>,
    server: Result<(Stream, Secured), TlsFailure>,
}

/// A handshake of a client that expects an account with a server.
async fn shake(ends: (&Transport, &Transport), expected: &str, carried: Carried) -> Done {
    shake_as(ends, (expected, &client_tls(expected)), carried).await
}

async fn shake_as(
    (client, server): (&Transport, &Transport),
    (expected, tls): (&str, &Arc<UpstreamTls>),
    carried: Carried,
) -> Done {
    let (connected, mut accepted, _) = pair().await;
    // All servers of these tests have the same address, as far as sessions are concerned.
    let to = (carried, ([10, 0, 0, 1], 9080).into());
    let ask = async {
        let (stream, parties) = secure(client, tls, to, connected, long()).await?;
        assert!(parties.unwrap().destination().ends_with(expected));
        Ok(stream)
    };
    let answer = async {
        let (hello, input) = hello(&mut accepted).await;
        accept(server, &server_tls(), (accepted, input), hello).await
    };
    let (client, server) = tokio::join!(ask, answer);
    Done { client, server }
}

#[tokio::test]
async fn both_know_each_other_and_what_is_inside() {
    let mesh = Mesh::new();
    let ends = (&mesh.transport("web"), &mesh.transport("reviews"));
    for (carried, agreed) in [
        (Carried::Http1, Some(&b"http/1.1"[..])),
        (Carried::Http2, Some(b"h2")),
        (Carried::Bytes, None),
    ] {
        let done = shake(ends, "reviews", carried).await;
        let (mut server, secured) = done.server.unwrap();
        assert_eq!(secured.protocol.as_deref(), agreed);
        assert_eq!(secured.version, "TLSv1.3");
        assert_eq!(secured.hello.name(), Some(SNI));
        let web = "spiffe://cluster.local/ns/shop/sa/web";
        assert_eq!((secured.parties.source(), secured.peer.uri()), (web, web));
        let mut client = done.client.unwrap();
        client.write_all(b"question").await.unwrap();
        client.flush().await.unwrap();
        let mut got = [0; 8];
        server.read_exact(&mut got).await.unwrap();
        assert_eq!(&got, b"question");
        assert!(client.plain().is_none());
    }
}

#[tokio::test]
async fn megabytes_go_through() {
    let mesh = Mesh::new();
    let ends = (&mesh.transport("web"), &mesh.transport("reviews"));
    let done = shake(ends, "reviews", Carried::Bytes).await;
    let (mut client, (mut server, _)) = (done.client.unwrap(), done.server.unwrap());
    let sent: Vec<u8> = (0..3_000_000_u32).map(|byte| byte as u8).collect();
    let write = async {
        client.write_all(&sent).await.unwrap();
        client.shutdown().await.unwrap();
    };
    let mut got = Vec::new();
    let (read, ()) = tokio::join!(server.read_to_end(&mut got), write);
    read.unwrap();
    assert!(got == sent);
}

#[tokio::test]
async fn a_session_is_resumed() {
    let mesh = Mesh::new();
    let ends = (&mesh.transport("web"), &mesh.transport("reviews"));
    let mut kinds = Vec::new();
    for _ in 0..2 {
        let done = shake(ends, "reviews", Carried::Http1).await;
        let (mut server, secured) = done.server.unwrap();
        assert!(secured.parties.source().ends_with("web"));
        let mut client = done.client.unwrap();
        // The ticket comes with the first bytes.
        server.write_all(b"x").await.unwrap();
        server.flush().await.unwrap();
        client.read_u8().await.unwrap();
        let Stream::Tls(stream) = &client else {
            panic!("it is plaintext");
        };
        kinds.push(stream.state().handshake_kind().unwrap());
    }
    use rustls::HandshakeKind::{Full, Resumed};
    assert_eq!(kinds, [Full, Resumed]);
}

#[tokio::test]
async fn a_server_of_another_account_is_refused_in_words() {
    let mesh = Mesh::new();
    let ends = (&mesh.transport("web"), &mesh.transport("stranger"));
    let done = shake(ends, "reviews", Carried::Http1).await;
    let client = done.client.unwrap_err().to_string();
    assert!(
        client.contains("sa/stranger") && client.contains("sa/reviews"),
        "{client}"
    );
    let server = done.server.unwrap_err();
    assert!(matches!(server, TlsFailure::Alert(_)), "{server}");
}

#[tokio::test]
async fn a_foreign_client_hears_why() {
    let (mesh, other) = (Mesh::new(), Mesh::new());
    let server = mesh.transport("reviews");
    let foreign = other.transport("web");
    let done = shake((&foreign, &server), "reviews", Carried::Http1).await;
    // Each finds the other one's certificate foreign; the client is first.
    let client = done.client.unwrap_err();
    assert!(matches!(client, TlsFailure::Peer(_)), "{client}");
    assert!(matches!(done.server, Err(TlsFailure::Alert(_))));
}

#[tokio::test]
async fn without_a_certificate_there_is_no_handshake() {
    let mesh = Mesh::new();
    let (none, server) = (Transport::default(), mesh.transport("reviews"));
    let (connected, _accepted, address) = pair().await;
    let to = (Carried::Bytes, address);
    let failed = secure(&none, &client_tls("reviews"), to, connected, long()).await;
    assert!(matches!(failed, Err(TlsFailure::NoIdentity)));
    let (_connected, accepted, _) = pair().await;
    let sent = (accepted, Input::default());
    let failed = accept(&none, &server_tls(), sent, ClientHello::default()).await;
    assert!(matches!(failed, Err(TlsFailure::NoIdentity)));
    drop(server);
}

#[tokio::test]
async fn a_server_of_plaintext_is_told_from_one_of_tls() {
    let mesh = Mesh::new();
    let client = mesh.transport("web");
    let (connected, mut accepted, address) = pair().await;
    let to = (Carried::Http1, address);
    let tls = client_tls("reviews");
    let ask = secure(&client, &tls, to, connected, long());
    let answer = async {
        accepted
            .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .await
            .unwrap();
        accepted
    };
    let (failed, _accepted) = tokio::join!(ask, answer);
    let failed = failed.map(|_| ()).unwrap_err();
    assert_eq!(failed.kind(), "tls_plaintext", "{failed}");
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_a_silent_server() {
    let mesh = Mesh::new();
    let client = mesh.transport("web");
    let (connected, _accepted, address) = pair().await;
    let to = (Carried::Http1, address);
    let began = Instant::now();
    let failed = secure(&client, &client_tls("reviews"), to, connected, long()).await;
    assert!(matches!(failed, Err(TlsFailure::TimedOut(LONG))));
    assert_eq!(began.elapsed(), LONG);
}

/// What is told is the time that is configured, and not what was left of it for the handshake.
#[tokio::test(start_paused = true)]
async fn the_time_includes_that_of_the_connection() {
    let mesh = Mesh::new();
    let client = mesh.transport("web");
    let (connected, _accepted, address) = pair().await;
    let began = Instant::now();
    tokio::time::advance(LONG).await;
    let to = (Carried::Http1, address);
    let failed = secure(
        &client,
        &client_tls("reviews"),
        to,
        connected,
        (began, LONG),
    )
    .await;
    let failed = failed.map(|_| ()).unwrap_err();
    assert_eq!(failed.to_string(), "the handshake was not done within 30s");
    assert_eq!(began.elapsed(), LONG);
}

#[tokio::test]
async fn requests_of_http1_are_never_agreed_to_be_of_http2() {
    let mesh = Mesh::new();
    let ends = (&mesh.transport("web"), &mesh.transport("reviews"));
    // The server would take HTTP/2 first.
    let tls = tls_offering("reviews", &["h2", "http/1.1"]);
    for (carried, agreed) in [
        (Carried::Http1, Some(&b"http/1.1"[..])),
        (Carried::Http2, Some(b"h2")),
        (Carried::Bytes, None),
    ] {
        let done = shake_as(ends, ("reviews", &tls), carried).await;
        assert!(done.client.is_ok());
        assert_eq!(done.server.unwrap().1.protocol.as_deref(), agreed);
    }
}

#[test]
fn trust_is_told_from_identity() {
    let mesh = Mesh::new();
    let transport = Transport::default();
    let mut seen = vec![transport.trust_number()];
    for credentials in [
        mesh.credentials("a", 1),
        // Another certificate.
        mesh.credentials("a", 2),
        Mesh::new().credentials("a", 3),
    ] {
        transport.take(Some(credentials));
        seen.push(transport.trust_number());
    }
    assert_eq!(seen, [0, 1, 1, 2]);
}
