//! Slow callers, half-open connections, floods.

use std::{sync::Arc, time::Duration};

use futures::future::join_all;
use hyper::{Response, StatusCode, body::Incoming};
use pillion::webhook::Limits;
use tokio::{io::AsyncReadExt as _, net::TcpStream, task::JoinHandle};

use super::{
    client::{BOTH, Caller, Raw, ask, ask_from, post, tls},
    server::{PATIENCE, Server, review, soon},
};

/// A limit of time that a test waits out, and nobody has to keep.
const SHORT: Duration = Duration::from_millis(50);
/// One that the test's own caller has to keep, too, on a machine that is busy.
const ROOMY: Duration = Duration::from_secs(2);

#[tokio::test]
async fn ends_a_connection_without_a_handshake() {
    let server = Server::limited(Limits {
        handshake: SHORT,
        ..Limits::default()
    })
    .await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let mut read = Vec::new();
    soon("the connection's end", stream.read_to_end(&mut read))
        .await
        .unwrap();
    assert!(read.is_empty());
    server
        .until_metric(r#"pillion_webhook_timeouts_total{phase="handshake"} 1"#)
        .await;
}

#[tokio::test]
async fn ends_a_connection_whose_head_trickles_in() {
    let server = Server::limited(Limits {
        head: ROOMY,
        ..Limits::default()
    })
    .await;
    let mut caller = Raw::open(&server).await;
    caller
        .send("POST /inject HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: ")
        .await;
    assert_eq!(caller.closed().await, "");
    server
        .until_metric(r#"pillion_webhook_timeouts_total{phase="head"} 1"#)
        .await;
}

#[tokio::test]
async fn ends_an_idle_connection_http1() {
    let server = Server::limited(Limits {
        idle: SHORT,
        ..Limits::default()
    })
    .await;
    let caller = Raw::open(&server).await;
    assert_eq!(caller.closed().await, "");
    server
        .until_metric(r#"pillion_webhook_timeouts_total{phase="idle"} 1"#)
        .await;
    server.until_metric("pillion_webhook_connections 0").await;
}

#[tokio::test]
async fn ends_an_idle_connection_http2() {
    let server = Server::limited(Limits {
        idle: ROOMY,
        ..Limits::default()
    })
    .await;
    let Caller::Http2(mut caller) = Caller::http2(&server).await else {
        unreachable!()
    };
    soon("the connection's end", async {
        while caller.ready().await.is_ok() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
    server
        .until_metric(r#"pillion_webhook_timeouts_total{phase="idle"} 1"#)
        .await;
    server.until_metric("pillion_webhook_connections 0").await;
}

#[tokio::test]
async fn ends_a_connection_that_never_starts_http2() {
    let server = Server::limited(Limits {
        idle: SHORT,
        ..Limits::default()
    })
    .await;
    let caller = Raw(tls(&server, &["h2"], BOTH).await);
    caller.closed().await;
    server.until_metric("pillion_webhook_connections 0").await;
}

#[tokio::test]
async fn answers_408_to_a_body_that_does_not_come() {
    let server = Server::limited(Limits {
        body: ROOMY,
        ..Limits::default()
    })
    .await;
    let mut caller = Raw::open(&server).await;
    caller.send_head(1000).await;
    caller.send("{\"kind\":").await;
    let answer = caller.answer().await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    server
        .until_metric(r#"pillion_webhook_timeouts_total{phase="body"} 1"#)
        .await;
}

#[tokio::test]
async fn answers_503_at_once_beyond_the_limit_in_flight() {
    let server = Server::limited(Limits {
        callers: 1,
        in_flight: 1,
        ..Limits::default()
    })
    .await;
    let body = review().to_string();
    let mut slow = Raw::open(&server).await;
    slow.send_head(body.len()).await;
    server.until_in_flight(1).await;

    let mut other = Caller::http1(&server).await;
    let answer = other.post("/inject", body.clone()).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.headers["retry-after"], "1");
    assert!(answer.message().contains("too many"));
    server
        .until_metric(r#"pillion_webhook_overloads_total{limit="reviews"} 1"#)
        .await;

    slow.send(&body).await;
    assert!(slow.answer().await.starts_with("HTTP/1.1 200"));
    ask(&server, "/inject", body).await.assert_injected();
}

#[tokio::test]
async fn answers_503_beyond_the_memory_for_bodies() {
    let limits = Limits {
        callers: 1,
        buffered_bytes: 64 * 1024,
        ..Limits::default()
    };
    let server = Server::limited(limits).await;
    let answer = ask(&server, "/inject", vec![b' '; 64 * 1024 + 1]).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.headers["retry-after"], "1");
    server
        .until_metric(r#"pillion_webhook_overloads_total{limit="bytes"} 1"#)
        .await;
    ask(&server, "/inject", review().to_string())
        .await
        .assert_injected();
}

/// Asks for so many reviews on a connection whose caller reads no body of an
/// answer; the heads.
async fn unread(server: &Server, count: usize) -> Vec<hyper::Result<Response<Incoming>>> {
    let caller = Caller::http2_without_window(server).await;
    let asked = (0..count).map(|_| {
        let request = post("/inject", "application/json", review().to_string());
        caller.clone().send_request(request)
    });
    soon("the answers' heads", join_all(asked)).await
}

#[tokio::test]
async fn answers_503_beyond_the_memory_for_answers_that_are_not_read() {
    const ROOM_FOR: usize = 8;
    let limits = Limits {
        callers: 1,
        buffered_bytes: ROOM_FOR * 16 * 1024,
        ..Limits::default()
    };
    let server = Server::limited(limits).await;
    let unread = unread(&server, 64).await;
    let statuses = unread.iter().flatten().map(Response::status);
    let answered = statuses.filter(StatusCode::is_success).count();
    assert!((ROOM_FOR..64).contains(&answered), "{answered}");
    let other = ask(&server, "/inject", review().to_string()).await;
    assert_eq!(other.status, StatusCode::SERVICE_UNAVAILABLE);

    drop(unread);
    let answered = async {
        while ask(&server, "/inject", review().to_string()).await.status != StatusCode::OK {}
    };
    soon("room for an answer", answered).await;
}

#[tokio::test]
async fn ends_a_connection_whose_answers_are_not_read() {
    let limits = Limits {
        answer: SHORT,
        head: ROOMY,
        ..Limits::default()
    };
    let server = Server::limited(limits).await;
    let _unread = unread(&server, 8).await;
    server
        .until_metric(r#"pillion_webhook_timeouts_total{phase="answer"} 1"#)
        .await;
    server.until_metric("pillion_webhook_connections 0").await;
}

#[tokio::test]
async fn serves_on_while_idle_connections_take_all_places() {
    let limits = Limits {
        callers: 1,
        connections: 4,
        crowded: ROOMY,
        place: PATIENCE,
        ..Limits::default()
    };
    let server = Server::limited(limits).await;
    let mut idle = Vec::new();
    for _ in 0..4 {
        idle.push(Raw::open(&server).await);
    }
    ask(&server, "/inject", review().to_string())
        .await
        .assert_injected();
}

#[tokio::test]
async fn serves_on_while_half_open_connections_take_all_places() {
    let limits = Limits {
        callers: 1,
        connections: 4,
        handshake: ROOMY,
        place: PATIENCE,
        ..Limits::default()
    };
    let server = Server::limited(limits).await;
    let mut half_open = Vec::new();
    for _ in 0..12 {
        half_open.push(TcpStream::connect(server.address).await.unwrap());
    }
    ask(&server, "/inject", review().to_string())
        .await
        .assert_injected();
}

/// Clients that ask often enough to be never idle.
#[tokio::test]
async fn serves_on_while_busy_connections_take_all_places() {
    let limits = Limits {
        callers: 1,
        connections: 4,
        crowded: ROOMY,
        place: PATIENCE,
        ..Limits::default()
    };
    let server = Arc::new(Server::limited(limits).await);
    let busy: Vec<_> = (0..4)
        .map(|_| {
            let server = Arc::clone(&server);
            tokio::spawn(async move {
                loop {
                    let mut caller = Raw::open(&server).await;
                    let asked = async {
                        loop {
                            caller.send_head(2).await;
                            caller.send("{}").await;
                            let mut answer = [0; 4096];
                            if caller.0.read(&mut answer).await.unwrap_or_default() == 0 {
                                return;
                            }
                        }
                    };
                    asked.await;
                }
            })
        })
        .collect();
    server.until_metric("pillion_webhook_connections 4").await;
    ask(&server, "/inject", review().to_string())
        .await
        .assert_injected();
    busy.iter().for_each(JoinHandle::abort);
}

#[tokio::test]
async fn answers_503_to_an_address_that_takes_more_than_its_part() {
    let limits = Limits {
        in_flight: 2,
        ..Limits::default()
    };
    let server = Server::limited(limits).await;
    let body = review().to_string();
    let mut slow = Raw::open(&server).await;
    slow.send_head(body.len()).await;
    server.until_in_flight(1).await;
    let answer = ask(&server, "/inject", body.clone()).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.message().contains("your address"));
    server
        .until_metric(r#"pillion_webhook_overloads_total{limit="caller"} 1"#)
        .await;
    ask_from("127.0.0.2", &server, "/inject", body)
        .await
        .assert_injected();
}

#[tokio::test]
async fn closes_connections_of_an_address_that_has_too_many() {
    let limits = Limits {
        connections: 2,
        place: ROOMY,
        ..Limits::default()
    };
    let server = Server::limited(limits).await;
    let open = Raw::open(&server).await;
    let mut refused = TcpStream::connect(server.address).await.unwrap();
    let mut nothing = [0; 16];
    let closed = refused.read(&mut nothing);
    assert_eq!(soon("the connection's end", closed).await.unwrap_or(0), 0);
    server
        .until_metric("pillion_webhook_connections_refused_total 1")
        .await;
    ask_from("127.0.0.2", &server, "/inject", review().to_string())
        .await
        .assert_injected();
    drop(open);
}

#[tokio::test]
async fn rejects_a_head_that_is_too_large() {
    let server = Server::start().await;
    let mut caller = Raw::open(&server).await;
    let header = "x".repeat(1024 * 1024);
    // The server answers and closes before it has read all, so that neither the
    // writing nor the answer is sure to come to its end.
    let request = format!("POST /inject HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Long: {header}\r\n\r\n");
    let _ = tokio::io::AsyncWriteExt::write_all(&mut caller.0, request.as_bytes()).await;
    let answer = caller.closed().await;
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 431"),
        "{answer}"
    );
}
