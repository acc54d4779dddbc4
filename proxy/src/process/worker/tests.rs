//! Workers whose entrances open and close.

mod mutual;

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::sleep,
};

use super::*;
use crate::{
    records::{AccessLogConfig, Workload},
    tables::{
        ClusterSettings, ClusterStates, Clusters, Detection, EndpointSettings, EndpointSource,
        Hosts, HttpListener, Listener, Listeners, Publisher, TcpRoute, TcpRoutes,
    },
};

/// Two workers of a gateway whose tables have that listener for the port.
struct Gateway {
    workers: Workers,
    entrances: Entrances,
    records: Arc<Records>,
    _publisher: Publisher,
}

fn gateway(port: u16, listener: Listener, clusters: Clusters, records: Records) -> Gateway {
    let credentials = watch::channel(None).1;
    gateway_as(credentials, port, listener, (clusters, records))
}

fn gateway_as(
    credentials: watch::Receiver<Option<Arc<Credentials>>>,
    port: u16,
    listener: Listener,
    (clusters, records): (Clusters, Records),
) -> Gateway {
    let records = Arc::new(records);
    let listeners = Listeners {
        bound: [(port, Arc::new(listener))].into(),
        ..Listeners::default()
    };
    let server = Arc::from("test");
    let snapshot = Snapshot::new(1, Arc::new(listeners), Arc::new(clusters), server);
    let (publisher, tables) = Publisher::new(snapshot);
    let shared = Shared {
        traffic: Arc::new(Traffic::new(100)),
        metrics: Arc::new(Metrics::new(Arc::clone(&records))),
        records: Arc::clone(&records),
        tables,
        drain: CancellationToken::new(),
        accepts_http10: false,
        edge: Some(Edge::default()),
        node: Arc::default(),
        configs: Arc::default(),
        credentials,
    };
    let (workers, entrances) = Workers::start(2, &shared).unwrap();
    Gateway {
        workers,
        entrances,
        records,
        _publisher: publisher,
    }
}

/// One whose listener has no hosts.
fn without_hosts(port: u16) -> Gateway {
    let listener = Listener {
        name: Arc::from("test"),
        detection: Detection::Http,
        http: Some(HttpListener::new(Arc::new(Hosts::default()))),
        tcp: TcpRoutes::default(),
        tls: None,
    };
    let records = Records::new(Workload::default(), None);
    gateway(port, listener, Clusters::default(), records)
}

/// One that passes on the bytes of all connections to that server.
fn to(port: u16, server: SocketAddr, records: Records) -> Gateway {
    let listener = Listener {
        name: Arc::from("test"),
        detection: Detection::Tcp,
        http: None,
        tcp: TcpRoutes {
            routes: Vec::new(),
            default: Some(TcpRoute::to("server")),
        },
        tls: None,
    };
    let endpoints = EndpointSource::List(vec![EndpointSettings::new(server)]);
    let cluster = ClusterStates::default().build(ClusterSettings::new("server"), endpoints);
    gateway(port, listener, Clusters::from_iter([cluster]), records)
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
    let gateway = without_hosts(port);
    let entrance = Entrance::Bound(port);
    assert!(ask(port).await.is_err());
    gateway.entrances.open(entrance, port).unwrap();
    // Each of the workers gets some.
    for _ in 0..20 {
        let answer = ask(port).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
    }
    gateway.entrances.close(entrance);
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
    let gateway = without_hosts(port);
    let error = gateway
        .entrances
        .open(Entrance::Bound(port), port)
        .unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
}

#[tokio::test]
async fn connections_that_are_cut_at_the_end_are_recorded() {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = free_port().await;
    let log = std::env::temp_dir().join(format!("pillion-cut-{}", std::process::id()));
    let config =
        format!(r#"{{"accessLogFile": {log:?}, "accessLogFormat": "%BYTES_RECEIVED%\n"}}"#);
    let config = AccessLogConfig::parse(&config).unwrap().0;
    let records = Records::new(Workload::default(), config);
    let gateway = to(port, server.local_addr().unwrap(), records);
    gateway.entrances.open(Entrance::Bound(port), port).unwrap();
    let mut client = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let (mut carried, _) = server.accept().await.unwrap();
    client.write_all(b"x").await.unwrap();
    carried.read_u8().await.unwrap();
    let closed = || {
        let mut text = String::new();
        gateway.records.encode(&mut text);
        let mut series = text.lines().filter_map(|line| {
            let line = line.strip_prefix("istio_tcp_connections_closed_total{")?;
            line.rsplit_once("} ").map(|(_, count)| count.to_owned())
        });
        series.next()
    };
    assert_eq!(closed().as_deref(), Some("0"));
    gateway.workers.stop().await;
    assert_eq!(closed().as_deref(), Some("1"));
    gateway.records.flush();
    let lines = std::fs::read_to_string(&log).unwrap();
    std::fs::remove_file(&log).unwrap();
    assert_eq!(lines, "1\n");
}
