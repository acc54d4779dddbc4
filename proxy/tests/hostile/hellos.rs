//! TLS clients whose hello is huge or never ends.

use std::io::Write as _;

use crate::{
    client::{connect, flood},
    pod::{APPLICATION, HOSTILE, MANY},
};

const PEERS: u64 = 50;

/// The beginning of a hello of 16 MB, in records of 16 KiB.
fn record(is_first: bool) -> Vec<u8> {
    let mut record = vec![0x16, 3, 1, 0x40, 0];
    if is_first {
        record.extend_from_slice(&[1, 0xff, 0xff, 0xff, 3, 3]);
    }
    record.resize(5 + 0x4000, 7);
    record
}

/// 16 KiB are looked at. Then it is TCP, and the application's to judge.
#[test]
fn giants() {
    let pod = pod!(MANY);
    let peers: Vec<_> = (0..PEERS)
        .map(|_| {
            pod.outside.spawn(|| {
                let stream = connect(HOSTILE, APPLICATION).unwrap();
                let mut is_first = true;
                let next = || record(std::mem::take(&mut is_first));
                flood(stream, next, 256 * 1024 * 1024);
            })
        })
        .collect();
    pod.serves_beside(peers);
    pod.counts("istio_tcp_connections_opened_total", &[], PEERS);
    pod.recovers();
}

/// After 5 s it is TCP.
#[test]
fn halves() {
    let pod = pod!(MANY);
    let halves = pod.outside.run(|| {
        let half = |_| {
            let mut stream = connect(HOSTILE, APPLICATION).unwrap();
            stream.write_all(&record(true)[..300]).unwrap();
            stream
        };
        (0..PEERS).map(half).collect::<Vec<_>>()
    });
    pod.serves();
    pod.counts("istio_tcp_connections_opened_total", &[], PEERS);
    drop(halves);
    pod.counts("istio_tcp_connections_closed_total", &[], PEERS);
    pod.recovers();
}
