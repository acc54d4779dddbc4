//! Floods of connections from many addresses.

use std::{
    net::Ipv4Addr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use hyper::StatusCode;
use pillion::webhook::Limits;
use tokio::{
    io::AsyncReadExt as _,
    net::{TcpSocket, TcpStream},
    task::JoinSet,
    time::{Instant, sleep},
};

use super::{
    client::{Caller, Raw, ask, tls_from},
    server::{Server, review, soon},
};

const ADDRESSES: u8 = 64;
/// Connections that each address tries to hold.
const OF_AN_ADDRESS: usize = 8;

/// How long the flood lasts; `hack/test` makes it a minute.
fn duration() -> Duration {
    let seconds = std::env::var("PILLION_FLOOD_SECONDS");
    Duration::from_secs(seconds.map_or(5, |seconds| seconds.parse().unwrap()))
}

/// Opens connections from one address for ever, each as soon as the last was closed.
/// Some say nothing, some begin a request, and some send what is not a review.
async fn flood(server: Arc<Server>, address: Ipv4Addr, number: usize, opened: Arc<AtomicUsize>) {
    loop {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((address, 0).into()).unwrap();
        let Ok(mut stream) = socket.connect(server.address).await else {
            continue;
        };
        opened.fetch_add(1, Ordering::Relaxed);
        if number.is_multiple_of(3) {
            let _ = stream.read(&mut [0; 16]).await;
            continue;
        }
        let Ok(stream) = tls_from(stream, &server).await else {
            continue;
        };
        let mut caller = Raw(stream);
        if number % 3 == 1 {
            let _ = caller.try_send("POST /inject HTTP/1.1\r\n").await;
            let _ = caller.0.read(&mut [0; 16]).await;
            continue;
        }
        let request = "POST /inject HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\
                       Content-Length: 2\r\n\r\n{}";
        while caller.try_send(request).await.is_ok()
            && caller
                .0
                .read(&mut [0; 4096])
                .await
                .is_ok_and(|read| read > 0)
        {
            sleep(Duration::from_millis(50)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn loses_no_review_while_64_addresses_take_all_the_connections_they_get() {
    let limits = Limits {
        connections: 256,
        waiting: 32,
        ..Limits::default()
    };
    let server = Arc::new(Server::limited(limits).await);
    let opened = Arc::<AtomicUsize>::default();
    let mut floods = JoinSet::new();
    for address in 1..=ADDRESSES {
        for number in 0..OF_AN_ADDRESS {
            let address = Ipv4Addr::new(127, 0, 1, address);
            floods.spawn(flood(
                Arc::clone(&server),
                address,
                number,
                Arc::clone(&opened),
            ));
        }
    }
    let full = async {
        while server.metric("pillion_webhook_connections_refused_total") < 10 {
            sleep(Duration::from_millis(10)).await;
        }
    };
    soon("all places to be taken", full).await;

    // The first one comes when all places are taken, by an address nobody knows.
    let mut kept = Caller::http1(&server).await;
    let end = Instant::now() + duration();
    let mut reviews = 0;
    // On a busy machine a review waits for the flood's handshakes.
    while Instant::now() < end || reviews <= 10 {
        let answer = kept.post("/inject", review().to_string()).await;
        assert_eq!(
            answer.status,
            StatusCode::OK,
            "review {reviews}: {answer:?}"
        );
        answer.assert_injected();
        ask(&server, "/inject", review().to_string())
            .await
            .assert_injected();
        reviews += 2;
        sleep(Duration::from_millis(20)).await;
    }
    floods.shutdown().await;
    let opened = opened.load(Ordering::Relaxed);
    assert!(
        reviews > 10 && opened > 256,
        "{reviews} reviews, {opened} connections"
    );
}

#[tokio::test]
async fn a_newcomer_takes_the_place_of_the_address_that_holds_most() {
    let limits = Limits {
        connections: 8,
        callers: 1,
        ..Limits::default()
    };
    let server = Server::limited(limits).await;
    let mut held = Vec::new();
    for _ in 0..7 {
        let socket = TcpSocket::new_v4().unwrap();
        socket
            .bind((Ipv4Addr::new(127, 0, 1, 1), 0).into())
            .unwrap();
        held.push(socket.connect(server.address).await.unwrap());
    }
    server.until_metric("pillion_webhook_connections 7").await;
    ask(&server, "/inject", review().to_string())
        .await
        .assert_injected();
    server
        .until_metric("pillion_webhook_connections_evicted_total 1")
        .await;
    let newest: &mut TcpStream = held.last_mut().unwrap();
    let read = soon("the newest one's end", newest.read(&mut [0; 16])).await;
    assert_eq!(read.unwrap_or(0), 0);
}
