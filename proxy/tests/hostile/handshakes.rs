//! Clients of mutual TLS that never come to the end of their handshakes.

use std::{io::Write as _, net::TcpStream};

use crate::{
    bounds::{BULK, PLACES},
    client::{connect, flood, read_to_end},
    garbage,
    pod::{FEW, HOSTILE, MANY, Pod},
    workload::{Version, hello, prove_nothing},
};

const PEERS: u64 = 20;
/// Who is refused may go on for 2 s, to hear of it. So much is not taken in that time.
const MOST: usize = 1024 * 1024 * 1024;
/// What rustls has for each of 64 connections beside their buffers, in KiB.
const HANDSHAKES: u64 = 64 * 64;
const REQUESTS: &str = "istio_requests_total";
/// 400, or 431 where so much of it has come at once.
const BAD: [&str; 1] = ["response_code=\"4"];
const REFUSED: &str = "pillion_connections_refused_total";

fn refused(pod: &Pod, reason: &str, at_least: u64) {
    let reason = format!("reason=\"{reason}\"");
    pod.counts(REFUSED, &["reporter=\"destination\"", &reason], at_least);
}

/// Connections that begin so.
fn begin(pod: &Pod, starts: Vec<Vec<u8>>) -> Vec<TcpStream> {
    let to = pod.entrance;
    pod.outside.run(move || {
        let begin = |start: Vec<u8>| {
            let mut stream = connect(HOSTILE, to).unwrap();
            // There may be no place for it.
            let _ = stream.write_all(&start);
            stream
        };
        starts.into_iter().map(begin).collect()
    })
}

/// At the first byte, in the middle of the hello, and behind it: there are 64 places, and nobody waits
/// for who says nothing more.
#[test]
fn stalls() {
    let pod = in_mesh!(FEW);
    let hello = hello(Version::Tls13);
    let starts = [1, hello.len() / 2, hello.len()].into_iter().cycle();
    let starts = starts.take(400).map(|end| hello[..end].to_vec());
    let stalled = begin(&pod, starts.collect());
    refused(&pod, "no_room", 336);
    for _ in 0..10 {
        pod.serves_workload();
    }
    pod.counts("pillion_connections_evicted_total", &[], 1);
    let grown = pod.before().grown(pod.process());
    assert!(grown < PLACES + BULK + HANDSHAKES, "{grown} KiB");
    drop(stalled);
    // A third of those that had a place.
    refused(&pod, "tls_closed", 15);
    pod.serves_workload();
    pod.recovers();
}

/// Each of them costs the proxy a signature.
#[test]
fn hellos_that_come_and_go() {
    let pod = in_mesh!(MANY);
    let (to, hello) = (pod.entrance, hello(Version::Tls13));
    let storm = pod.outside.spawn(move || {
        for _ in 0..1000 {
            let mut stream = connect(HOSTILE, to).unwrap();
            stream.write_all(&hello).unwrap();
        }
    });
    while !storm.is_finished() {
        pod.serves();
    }
    storm.join().unwrap();
    // Where the workers are slower than the storm, some find no place.
    pod.counts(REFUSED, &[], 950);
    pod.serves_workload();
    pod.recovers();
}

/// Peers that begin so, and go on with that piece for as long as they are let. All are cut.
fn are_cut(pod: &Pod, start: &[u8], piece: &[u8]) {
    let to = pod.entrance;
    let peers: Vec<_> = (0..PEERS)
        .map(|_| {
            let (mut start, piece) = (Some(start.to_vec()), piece.to_vec());
            pod.outside.spawn(move || {
                let stream = connect(HOSTILE, to).unwrap();
                let next = || start.take().unwrap_or_else(|| piece.clone());
                flood(stream, next, MOST);
            })
        })
        .collect();
    pod.serves_beside(peers);
}

/// A record of a handshake.
fn record(payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
    [&[22, 3, 1][..], &length, payload].concat()
}

/// Hellos of 16 MB, in the largest records and in those of one byte. 16 KiB are looked at, and then it is
/// what a port of HTTP can't read.
#[test]
fn giant_hellos() {
    let pod = in_mesh!(MANY);
    let start = [1, 0xff, 0xff, 0xff, 3, 3];
    are_cut(&pod, &record(&start), &record(&[7; 0x4000]));
    pod.counts(REQUESTS, &BAD, PEERS);
    let start: Vec<u8> = start.iter().flat_map(|byte| record(&[*byte])).collect();
    are_cut(&pod, &start, &record(&[7]).repeat(1000));
    pod.counts(REQUESTS, &BAD, 2 * PEERS);
    pod.serves_workload();
    pod.recovers();
}

/// A hello may come in as many records as it has bytes.
#[test]
fn hellos_in_fragments() {
    let pod = in_mesh!(MANY);
    let to = pod.entrance;
    let fragments: Vec<u8> = hello(Version::Tls13)[5..]
        .iter()
        .flat_map(|byte| record(&[*byte]))
        .collect();
    pod.outside.run(move || {
        for _ in 0..PEERS {
            let mut stream = connect(HOSTILE, to).unwrap();
            for piece in fragments.chunks(100) {
                stream.write_all(piece).unwrap();
            }
            stream.shutdown(std::net::Shutdown::Write).unwrap();
            // The server's own part of the handshake.
            let received = read_to_end(&mut stream).received;
            assert_eq!(received.first(), Some(&22), "{received:?}");
        }
    });
    refused(&pod, "tls_closed", PEERS);
    pod.serves_workload();
    pod.recovers();
}

/// The largest records there may be, and larger ones, behind a hello: encrypted by nobody.
#[test]
fn garbage_behind_hellos() {
    let pod = in_mesh!(MANY);
    let hello = hello(Version::Tls13);
    for (kind, length) in [(22, 0x4100_u16), (23, 0x4100), (23, 0xffff)] {
        let mut piece = [&[kind, 3, 3][..], &length.to_be_bytes()].concat();
        piece.resize(5 + usize::from(length), 7);
        let before = pod.counted(REFUSED, &["reason=\"tls_handshake\""]);
        are_cut(&pod, &hello, &piece);
        refused(&pod, "tls_handshake", before + PEERS);
    }
    pod.serves_workload();
    pod.recovers();
}

#[test]
fn garbage_is_answered() {
    let pod = in_mesh!(MANY);
    for _ in 0..5 {
        garbage::send(&pod.outside, HOSTILE, pod.entrance);
        pod.serves_workload();
    }
    pod.counts(REQUESTS, &BAD, 5);
    pod.counts("pillion_http2_violations_total", &[], 5);
    pod.recovers();
}

#[test]
fn who_has_no_certificate() {
    let pod = in_mesh!(MANY);
    let to = pod.entrance;
    for (version, so_far) in [(Version::Tls13, 0), (Version::Tls12, PEERS)] {
        pod.outside.run(move || {
            for _ in 0..PEERS {
                let refused = prove_nothing(to, version).unwrap_err().to_string();
                assert!(refused.contains("CertificateRequired"), "{refused}");
            }
        });
        refused(&pod, "tls_peer_refused", so_far + PEERS);
    }
    pod.serves_workload();
    pod.recovers();
}
