//! HTTP/1.1 and HTTP/2, TLS 1.2 and up.

use rustls::{
    ProtocolVersion,
    version::{TLS12, TLS13},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::{
    client::{BOTH, Caller, Raw, tls},
    server::{Server, review, soon},
};

#[tokio::test]
async fn accepts_http1_with_many_reviews_on_a_connection() {
    let server = Server::start().await;
    let mut caller = Caller::http1(&server).await;
    for _ in 0..3 {
        caller
            .post("/inject", review().to_string())
            .await
            .assert_injected();
    }
}

#[tokio::test]
async fn accepts_http2_with_many_reviews_on_a_connection() {
    let server = Server::start().await;
    let mut caller = Caller::http2(&server).await;
    for _ in 0..3 {
        caller
            .post("/inject", review().to_string())
            .await
            .assert_injected();
    }
}

#[tokio::test]
async fn prefers_http2_where_both_are_offered() {
    let server = Server::start().await;
    let stream = tls(&server, &["http/1.1", "h2"], BOTH).await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
}

#[tokio::test]
async fn speaks_http1_to_callers_without_alpn() {
    let server = Server::start().await;
    let mut caller = Raw(tls(&server, &[], BOTH).await);
    let body = review().to_string();
    caller.send_head(body.len()).await;
    caller.send(&body).await;
    assert!(caller.answer().await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn sends_the_body_only_when_told_to_continue() {
    let server = Server::start().await;
    let mut caller = Raw::open(&server).await;
    let body = review().to_string();
    let head = format!(
        "POST /inject HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n\
         Expect: 100-continue\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    caller.send(head).await;
    assert!(caller.answer().await.starts_with("HTTP/1.1 100"));
    caller.send(&body).await;
    assert!(caller.answer().await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn accepts_tls_1_2_and_1_3() {
    let server = Server::start().await;
    for (version, is) in [
        (&TLS12, ProtocolVersion::TLSv1_2),
        (&TLS13, ProtocolVersion::TLSv1_3),
    ] {
        let stream = tls(&server, &["http/1.1"], &[version]).await;
        assert_eq!(stream.get_ref().1.protocol_version(), Some(is));
        let mut caller = Raw(stream);
        let body = review().to_string();
        caller.send_head(body.len()).await;
        caller.send(&body).await;
        assert!(caller.answer().await.starts_with("HTTP/1.1 200"));
    }
}

/// A ClientHello that knows nothing newer than TLS 1.1.
fn hello_of_tls_1_1() -> Vec<u8> {
    let mut hello = vec![0x03, 0x02]; // TLS 1.1
    hello.extend([7; 32]); // random
    hello.push(0); // no session
    hello.extend([0x00, 0x02, 0xc0, 0x13]); // ECDHE_RSA_WITH_AES_128_CBC_SHA
    hello.extend([0x01, 0x00]); // no compression
    // Signature algorithms, without which it would not even be looked at.
    hello.extend([0x00, 0x08, 0x00, 0x0d, 0x00, 0x04, 0x00, 0x02, 0x04, 0x01]);
    let mut message = vec![0x01, 0x00];
    message.extend(u16::try_from(hello.len()).unwrap().to_be_bytes());
    message.extend(hello);
    let mut record = vec![0x16, 0x03, 0x01];
    record.extend(u16::try_from(message.len()).unwrap().to_be_bytes());
    record.extend(message);
    record
}

#[tokio::test]
async fn rejects_tls_1_1_with_an_alert() {
    let server = Server::start().await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(&hello_of_tls_1_1()).await.unwrap();
    let mut alert = Vec::new();
    soon("the alert", stream.read_to_end(&mut alert))
        .await
        .unwrap();
    // A record of type alert: fatal, protocol_version.
    assert_eq!(alert.first(), Some(&0x15), "{alert:?}");
    assert_eq!(alert[5..], [2, 70], "{alert:?}");
    server
        .until_metric("pillion_webhook_tls_handshake_failures_total 1")
        .await;
}

#[tokio::test]
async fn takes_a_probe_of_the_port_for_no_failed_handshake() {
    let server = Server::start().await;
    drop(TcpStream::connect(server.address).await.unwrap());
    let _after_it = tls(&server, &["h2"], BOTH).await;
    server.until_metric("pillion_webhook_connections 1").await;
    server
        .until_metric("pillion_webhook_tls_handshake_failures_total 0")
        .await;
}
