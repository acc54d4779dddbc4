//! Workers whose entrances open and close.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::sleep,
};

use super::*;
use crate::{
    records::Workload,
    tables::{Clusters, Detection, Hosts, HttpListener, Listener, Listeners, Publisher, TcpRoutes},
};

/// Two workers of a gateway whose tables have a listener without hosts for the port.
fn gateway(port: u16) -> (Workers, Entrances, Publisher) {
    let listener = Listener {
        name: Arc::from("test"),
        detection: Detection::Http,
        http: Some(HttpListener::new(Arc::new(Hosts::default()))),
        tcp: TcpRoutes::default(),
    };
    let listeners = Listeners {
        bound: [(port, Arc::new(listener))].into(),
        ..Listeners::default()
    };
    let clusters = Arc::new(Clusters::default());
    let snapshot = Snapshot::new(1, Arc::new(listeners), clusters, Arc::from("test"));
    let (publisher, tables) = Publisher::new(snapshot);
    let records = Arc::new(Records::new(Workload::default(), None));
    let shared = Shared {
        traffic: Arc::new(Traffic::new(100)),
        metrics: Arc::new(Metrics::new(Arc::clone(&records))),
        records,
        tables,
        drain: CancellationToken::new(),
        accepts_http10: false,
        edge: Some(Edge::default()),
    };
    let (workers, entrances) = Workers::start(2, &shared).unwrap();
    (workers, entrances, publisher)
}

async fn free_port() -> u16 {
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    listener.local_addr().unwrap().port()
}

async fn ask(port: u16) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n")
        .await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

#[tokio::test]
async fn a_port_is_served_until_it_is_closed() {
    let port = free_port().await;
    let (_workers, entrances, _tables) = gateway(port);
    let entrance = Entrance::Bound(port);
    assert!(ask(port).await.is_err());
    entrances.open(entrance, port).unwrap();
    // Each of the workers gets some.
    for _ in 0..20 {
        let answer = ask(port).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
    }
    entrances.close(entrance);
    for _ in 0..500 {
        if ask(port).await.is_err() {
            return;
        }
        sleep(Duration::from_millis(10)).await;
    }
    panic!("the port is still open");
}

#[tokio::test]
async fn a_port_that_is_taken_is_an_error() {
    let taken = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let port = taken.local_addr().unwrap().port();
    let (_workers, entrances, _tables) = gateway(port);
    let error = entrances.open(Entrance::Bound(port), port).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
}
