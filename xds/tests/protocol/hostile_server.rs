//! A client whose server keeps to nothing.

use std::time::Duration;

use pillion_envoy_api::envoy::service::discovery::v3::{DeltaDiscoveryResponse, Resource};
use tokio::{io::AsyncWriteExt as _, net::TcpListener};
use tonic::Status;

use crate::{
    support::*,
    wire::{Application, Peer, Server, soon},
};

fn response(nonce: &str, all: &[(&str, &str)]) -> DeltaDiscoveryResponse {
    let sent = |(name, content): &(&str, &str)| {
        let resource = resource(CLUSTER, name, content);
        Resource {
            name: resource.name.to_string(),
            version: resource.version.to_string(),
            resource: Some(resource.body),
            ..Resource::default()
        }
    };
    DeltaDiscoveryResponse {
        type_url: CLUSTER.to_owned(),
        nonce: nonce.to_owned(),
        resources: all.iter().map(sent).collect(),
        ..DeltaDiscoveryResponse::default()
    }
}

/// A server, a client that subscribes to all clusters, and their stream, of which the first
/// request was read.
async fn connected() -> (Server, Application, Peer) {
    let mut server = Server::start().await;
    let client = Application::plain(&server.address, CLUSTER, &["*"]);
    let mut peer = server.accept().await;
    assert_eq!(peer.request().await.resource_names_subscribe, ["*"]);
    (server, client, peer)
}

/// The client comes back, and still works.
async fn works_again(server: &mut Server, client: &mut Application) {
    let mut peer = server.accept().await;
    assert_eq!(peer.request().await.resource_names_subscribe, ["*"]);
    peer.send(response("again", &[("z", "1")])).await;
    assert_eq!(client.take().await, ["z=1"]);
    assert_eq!(peer.request().await.response_nonce, "again");
}

#[tokio::test]
async fn comes_back_after_a_reset_with_what_it_holds() {
    let (mut server, mut client, mut peer) = connected().await;
    peer.send(response("1", &[("a", "1")])).await;
    assert_eq!(client.take().await, ["a=1"]);
    assert_eq!(peer.request().await.response_nonce, "1");
    server.reset();
    client.disconnected().await;
    let request = server.accept().await.request().await;
    let version = resource(CLUSTER, "a", "1").version.to_string();
    assert_eq!(
        request.initial_resource_versions,
        [("a".to_owned(), version)].into()
    );
}

#[tokio::test]
async fn does_not_come_back_before_an_update_is_answered() {
    let (mut server, mut client, peer) = connected().await;
    peer.send(response("1", &[("a", "1")])).await;
    let update = client.update().await;
    server.reset();
    client.disconnected().await;
    // What is answered now is held when the next stream begins.
    client.handle.ack(update.type_url, update.nonce).await;
    let request = server.accept().await.request().await;
    assert_eq!(request.initial_resource_versions.len(), 1);
}

#[tokio::test]
async fn renews_the_stream_when_the_wildcard_was_left_and_comes_back() {
    let (mut server, mut client, mut peer) = connected().await;
    client.handle.unsubscribe(CLUSTER, names(&["*"])).await;
    assert_eq!(peer.request().await.resource_names_unsubscribe, ["*"]);
    client.handle.subscribe(CLUSTER, names(&["*"])).await;
    client.disconnected().await;
    works_again(&mut server, &mut client).await;
}

#[tokio::test]
async fn comes_back_when_the_stream_ends_with_and_without_an_error() {
    let (mut server, mut client, peer) = connected().await;
    drop(peer);
    let reason = client.disconnected().await;
    assert!(reason.contains("ended the stream"), "{reason}");
    let peer = server.accept().await;
    let status = Status::unauthenticated("the token has expired");
    peer.responses.send(Err(status)).await.unwrap();
    let reason = client.disconnected().await;
    assert!(reason.contains("the token has expired"), "{reason}");
    works_again(&mut server, &mut client).await;
}

#[tokio::test]
async fn survives_who_does_not_speak_http2() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let mut client = Application::plain(&address, CLUSTER, &["*"]);
    let (mut stream, _) = soon(listener.accept()).await.unwrap();
    stream
        .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        .await
        .unwrap();
    drop(stream);
    let reason = client.disconnected().await;
    assert!(reason.contains(&address), "{reason}");
    works_again(&mut Server::on(listener), &mut client).await;
}

#[tokio::test]
async fn refuses_half_a_resource_and_takes_the_next() {
    let (_server, mut client, mut peer) = connected().await;
    let mut half = response("1", &[("a", "1")]);
    half.resources[0].resource = None;
    peer.send(half).await;
    let request = peer.request().await;
    assert_eq!(request.response_nonce, "1");
    assert_eq!(
        request.error_detail.unwrap().message,
        "a: the resource has no body"
    );
    peer.send(response("2", &[("a", "1")])).await;
    assert_eq!(client.take().await, ["a=1"]);
}

#[tokio::test]
async fn tells_of_a_duplicate_once() {
    let (_server, mut client, mut peer) = connected().await;
    for expected in [&["a=1"][..], &[], &[]] {
        peer.send(response("1", &[("a", "1")])).await;
        assert_eq!(client.take().await, expected);
        assert_eq!(peer.request().await.response_nonce, "1");
    }
}

#[tokio::test]
async fn takes_no_more_responses_than_it_has_answered() {
    let (_server, mut client, mut peer) = connected().await;
    let responses = peer.responses.clone();
    tokio::spawn(async move {
        for index in 0..100 {
            let content = index.to_string();
            let response = response(&content, &[("a", &content)]);
            responses.send(Ok(response)).await.unwrap();
        }
    });
    for index in 0..100 {
        assert_eq!(client.take().await, [format!("a={index}")]);
        assert_eq!(peer.request().await.response_nonce, index.to_string());
    }
}

#[tokio::test]
async fn leaves_a_server_that_sends_another_type_or_no_nonce() {
    let (mut server, mut client, peer) = connected().await;
    peer.send(DeltaDiscoveryResponse {
        type_url: LISTENER.to_owned(),
        ..response("1", &[])
    })
    .await;
    let reason = client.disconnected().await;
    assert!(reason.contains("was not asked for"), "{reason}");
    let peer = server.accept().await;
    peer.send(response("", &[])).await;
    let reason = client.disconnected().await;
    assert!(reason.contains("without a nonce"), "{reason}");
    works_again(&mut server, &mut client).await;
}

#[tokio::test]
async fn leaves_a_server_that_sends_too_much() {
    let (mut server, mut client, peer) = connected().await;
    peer.send(response("1", &[("a", &"x".repeat(17 << 20))]))
        .await;
    let reason = client.disconnected().await;
    assert!(reason.contains("too large"), "{reason}");
    let peer = server.accept().await;
    // Few bytes, and many times as many in memory.
    peer.send(DeltaDiscoveryResponse {
        removed_resources: vec![String::new(); 600_000],
        ..response("1", &[])
    })
    .await;
    let reason = client.disconnected().await;
    assert!(reason.contains("holds more than"), "{reason}");
    works_again(&mut server, &mut client).await;
}

#[tokio::test]
async fn leaves_a_server_that_never_answers() {
    let (_server, mut client, _peer) = connected().await;
    // From here on, time passes as soon as all wait for it.
    tokio::time::pause();
    let waited = tokio::time::timeout(Duration::from_secs(600), client.disconnected()).await;
    assert!(waited.is_ok(), "still connected");
}
