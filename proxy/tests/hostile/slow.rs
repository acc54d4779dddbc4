//! Clients that are slow, or say nothing, for as long as they may: they keep their places only
//! as long as nobody else needs them.

use std::{io::Write as _, net::TcpStream};

use crate::{
    client::connect,
    pod::{FEW, HOSTILE, Pod},
};

/// Each connection begins so and goes on byte by byte. There are 64 places.
pub fn crawl(pod: &Pod, start: &'static [u8]) {
    let to = pod.entrance;
    let begin = move || {
        let begin = |_| {
            let mut stream = connect(HOSTILE, to).unwrap();
            let _ = stream.write_all(start);
            stream
        };
        (0..100).map(begin).collect::<Vec<_>>()
    };
    let mut crawling: Vec<TcpStream> = pod.outside.run(begin);
    let refused = [pod.reporter, "reason=\"no_room\""];
    pod.counts("pillion_connections_refused_total", &refused, 36);
    for _ in 0..20 {
        for stream in &mut crawling {
            // Those that were refused have ended.
            let _ = stream.write_all(b"a");
        }
        pod.serves();
    }
    pod.counts("pillion_connections_evicted_total", &[], 1);
    drop(crawling);
}

#[test]
fn heads() {
    let pod = pod!(FEW);
    crawl(&pod, b"GET / HTTP/1.1\r\nHost: a\r\nx: ");
    pod.recovers();
}

#[test]
fn bodies() {
    let pod = pod!(FEW);
    crawl(
        &pod,
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n",
    );
    // Each of them has been sent on, and broken off.
    pod.counts("istio_requests_total", &["response_flags=\"DC\""], 60);
    pod.recovers();
}

#[test]
fn chunks() {
    let pod = pod!(FEW);
    crawl(
        &pod,
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nfffff\r\n",
    );
    pod.counts("istio_requests_total", &["response_flags=\"DC\""], 60);
    pod.recovers();
}

#[test]
fn first_lines() {
    let pod = pod!(FEW);
    crawl(&pod, b"G");
    pod.recovers();
}

#[test]
fn prefaces_of_http2() {
    let pod = pod!(FEW);
    crawl(&pod, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    // What follows the preface would be a frame of six megabytes: a violation, or as much as a
    // flood, whichever is seen first.
    pod.counts_either(
        "pillion_http2_violations_total",
        "pillion_http2_floods_total",
        60,
    );
    pod.recovers();
}
