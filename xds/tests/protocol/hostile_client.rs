//! A server whose clients keep to nothing.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::{StreamExt as _, stream};
use pillion_envoy_api::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse,
};
use pillion_xds::{
    Snapshot, limits, resources,
    server::{Observer, serve_delta},
};
use tokio::{
    io::AsyncWriteExt as _,
    net::TcpStream,
    sync::{mpsc, watch},
    time::{Instant, sleep},
};
use tonic::{Code, Status, Streaming};

use crate::{
    calls::{Calls, connect},
    support::*,
    wire::{Application, Server, serve_snapshots, soon},
};

/// A server of this snapshot: its address, what replaces the snapshot, and how many streams
/// it serves.
async fn server(snapshot: Snapshot) -> (String, watch::Sender<Snapshot>, Arc<AtomicUsize>) {
    let server = Server::start().await;
    let address = server.address.clone();
    let (sender, snapshots) = watch::channel(snapshot);
    (address, sender, serve_snapshots(server, snapshots))
}

/// A well-behaved client is served.
async fn still_serves(address: &str, expected: &[&str]) {
    let mut client = Application::plain(address, CLUSTER, &["*"]);
    assert_eq!(client.take().await, expected);
}

async fn receive(responses: &mut Streaming<DeltaDiscoveryResponse>) -> DeltaDiscoveryResponse {
    soon(responses.message())
        .await
        .unwrap()
        .expect("a response")
}

/// What a stream ends with.
async fn end(mut responses: Streaming<DeltaDiscoveryResponse>) -> Status {
    loop {
        if let Err(status) = soon(responses.message()).await {
            return status;
        }
    }
}

#[tokio::test]
async fn forgets_clients_that_reset_their_connections() {
    let (address, _sender, count) = server(snapshot(&[(CLUSTER, &[("a", "1")])])).await;
    for _ in 0..50 {
        let Calls {
            requests,
            mut responses,
            connection,
        } = connect(&address, subscribe(CLUSTER, &["*"])).await;
        receive(&mut responses).await;
        connection.abort();
        drop(requests);
    }
    let gone = async {
        while count.load(Ordering::SeqCst) > 0 {
            sleep(Duration::from_millis(10)).await;
        }
    };
    soon(gone).await;
    still_serves(&address, &["a=1"]).await;
}

#[tokio::test]
async fn ignores_wrong_nonces_and_duplicates() {
    let (address, sender, _) = server(snapshot(&[(CLUSTER, &[("a", "1")])])).await;
    let mut calls = connect(&address, subscribe(CLUSTER, &["*"])).await;
    let response = receive(&mut calls.responses).await;
    for nonce in ["0", "2", "", "nonsense", "-1"] {
        let wrong = DeltaDiscoveryResponse {
            nonce: nonce.to_owned(),
            ..response.clone()
        };
        calls.requests.send(ack(&wrong)).await.unwrap();
        calls.requests.send(nack(&wrong, "no")).await.unwrap();
    }
    for _ in 0..3 {
        calls.requests.send(ack(&response)).await.unwrap();
    }
    sender.send_replace(snapshot(&[(CLUSTER, &[("a", "2")])]));
    assert_eq!(shown(&receive(&mut calls.responses).await), ["a=2"]);
}

#[tokio::test]
async fn survives_garbage() {
    let (address, _sender, _) = server(snapshot(&[(CLUSTER, &[("a", "1")])])).await;
    for garbage in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\ngarbage that is no frame at all",
        &[0xff; 4_096],
    ] {
        let mut stream = TcpStream::connect(&address).await.unwrap();
        stream.write_all(garbage).await.unwrap();
    }
    still_serves(&address, &["a=1"]).await;
}

#[tokio::test]
async fn ends_the_stream_of_who_asks_for_too_much() {
    let (address, _sender, _) = server(snapshot(&[(CLUSTER, &[("a", "1")])])).await;
    let mut flood = subscribe(CLUSTER, &[]);
    let all = (0..=limits::MAX_NAMES).map(|index| format!("outbound|80||{index}"));
    flood.resource_names_subscribe = all.collect();
    let status = end(connect(&address, flood).await.responses).await;
    assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");

    let mut hollow = subscribe(CLUSTER, &[]);
    hollow.resource_names_subscribe = vec![String::new(); 600_000];
    let status = end(connect(&address, hollow).await.responses).await;
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");

    let large = subscribe(CLUSTER, &[&"x".repeat(limits::MAX_REQUEST_BYTES)]);
    let status = end(connect(&address, large).await.responses).await;
    assert_eq!(status.code(), Code::OutOfRange, "{status:?}");
    still_serves(&address, &["a=1"]).await;
}

#[tokio::test]
async fn keeps_only_the_newest_state_for_who_does_not_read() {
    let large = |content: &str| {
        let content = content.repeat(1 << 20);
        let all = (0..4).map(|index| resource(CLUSTER, &index.to_string(), &content));
        Snapshot::new().with(CLUSTER, resources(all))
    };
    let (address, sender, _) = server(large("a")).await;
    let mut calls = connect(&address, subscribe(CLUSTER, &["*"])).await;
    for content in ["b", "c", "d"].repeat(50) {
        sender.send_replace(large(content));
        tokio::task::yield_now().await;
    }
    let mut contents = Vec::new();
    loop {
        let response = receive(&mut calls.responses).await;
        calls.requests.send(ack(&response)).await.unwrap();
        let all = response.resources.iter();
        let first = |one: &pillion_envoy_api::Any| char::from(one.value[0]);
        let new = all.map(|one| (one.name.clone(), first(one.resource.as_ref().unwrap())));
        contents.extend(new);
        let newest = ["0", "1", "2", "3"].map(|name| (name.to_owned(), 'd'));
        if contents.ends_with(&newest) {
            break;
        }
        assert!(contents.len() < 20, "{contents:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn waits_only_so_long_for_the_first_request() {
    let (_sender, snapshots) = watch::channel(Snapshot::new());
    let (sender, mut responses) = mpsc::channel(1);
    serve_delta(stream::pending(), snapshots, sender, &()).await;
    let status = responses.recv().await.unwrap().unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
}

#[tokio::test(start_paused = true)]
async fn reads_only_so_many_requests_in_a_second() {
    let (_sender, snapshots) = watch::channel(Snapshot::new());
    let (sender, mut responses) = mpsc::channel(1);
    let request = |_| {
        Ok(DeltaDiscoveryRequest {
            response_nonce: "nonsense".to_owned(),
            ..subscribe(CLUSTER, &[])
        })
    };
    let requests = stream::iter((0..2_001).map(request));
    let start = Instant::now();
    serve_delta(requests, snapshots, sender, &()).await;
    let seconds = start.elapsed().as_secs();
    assert!((10..=11).contains(&seconds), "{seconds} s");
    assert!(responses.recv().await.unwrap().is_ok());
}

/// To subscribe to all is to have all walked.
#[tokio::test(start_paused = true)]
async fn counts_what_requests_make_the_server_walk() {
    let all = (0..5_000).map(|index| resource(CLUSTER, &index.to_string(), "1"));
    let snapshot = Snapshot::new().with(CLUSTER, resources(all));
    let (_sender, snapshots) = watch::channel(snapshot);
    let (sender, mut responses) = mpsc::channel(1);
    let request = |index: usize| {
        let mut request = DeltaDiscoveryRequest {
            response_nonce: "nonsense".to_owned(),
            ..subscribe(CLUSTER, &[])
        };
        let names = vec!["*".to_owned()];
        if index.is_multiple_of(2) {
            request.resource_names_subscribe = names;
        } else {
            request.resource_names_unsubscribe = names;
        }
        Ok(request)
    };
    let requests = stream::iter((0..400).map(request));
    let start = Instant::now();
    serve_delta(requests, snapshots, sender, &()).await;
    let seconds = start.elapsed().as_secs();
    assert!(seconds >= 6, "{seconds} s");
    assert!(responses.recv().await.unwrap().is_ok());
}

/// An observer for whose streams there is room for so many bytes.
struct Room(usize);

impl Observer for Room {
    fn has_room(&self, bytes: usize) -> bool {
        bytes <= self.0
    }
}

/// An observer that keeps how much its stream takes, for which there is no room.
#[derive(Default)]
struct Taken(Mutex<Vec<usize>>);

impl Observer for Taken {
    fn has_room(&self, bytes: usize) -> bool {
        self.0.lock().unwrap().push(bytes);
        bytes == 0
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_has_ended_takes_nothing_while_its_client_does_not_read_why() {
    let all = set(CLUSTER, &[("a", "1")]);
    let resources = Arc::downgrade(&all);
    let (snapshots, receiver) = watch::channel(Snapshot::new().with(CLUSTER, all));
    // The first response takes all room there is for responses.
    let (sender, _responses) = mpsc::channel(1);
    let requests = [subscribe(CLUSTER, &["a"]), subscribe(CLUSTER, &["missing"])];
    let requests = stream::iter(requests.map(Ok)).chain(stream::pending());
    let taken = Taken::default();
    let unread = async {
        // It waits for its client for longer.
        sleep(Duration::from_secs(1)).await;
        snapshots.send_replace(Snapshot::new());
        assert!(resources.upgrade().is_none());
        assert_eq!(taken.0.lock().unwrap().last(), Some(&0));
    };
    tokio::select! {
        () = serve_delta(requests, receiver, sender, &taken) => panic!("it waits for nobody"),
        () = unread => {}
    }
}

#[tokio::test(start_paused = true)]
async fn ends_a_stream_for_which_there_is_no_room() {
    for (room, ends) in [(0, true), (1 << 20, false)] {
        let (_sender, snapshots) = watch::channel(Snapshot::new());
        let (sender, mut responses) = mpsc::channel(8);
        let requests = stream::iter([Ok(subscribe(CLUSTER, &["a"]))]);
        serve_delta(requests, snapshots, sender, &Room(room)).await;
        let mut codes = Vec::new();
        while let Some(response) = responses.recv().await {
            codes.extend(response.err().map(|status| status.code()));
        }
        let exhausted = codes.contains(&Code::ResourceExhausted);
        assert_eq!(exhausted, ends, "{codes:?}");
    }
}
