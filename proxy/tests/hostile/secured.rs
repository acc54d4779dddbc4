//! Clients of mutual TLS that have proved who they are, and break the rules of TLS then.

use std::io::Write as _;

use rustls::ContentType::{Alert, ApplicationData, Handshake};

use crate::{
    client::{flood, read_to_end},
    pod::{MANY, Pod},
    records::Records,
    workload::{Version, hello},
};

/// How many flood at a time.
const PEERS: u64 = 8;
/// Far more than what may come without content.
const MOST: usize = 64 * 1024 * 1024;
const VIOLATIONS: &str = "pillion_tls_violations_total";

/// A warning (RFC 8446, 6).
const fn warning(description: u8) -> [u8; 2] {
    [1, description]
}
const USER_CANCELED: [u8; 2] = warning(90);
const NO_RENEGOTIATION: [u8; 2] = warning(100);

/// Many connections go on with such pieces. All are cut, which is counted.
fn are_cut(pod: &Pod, version: Version, what: &str, piece: fn(&mut Records) -> Vec<u8>) {
    println!("{version:?}: {what}");
    let workload = pod.workload();
    let to = pod.entrance;
    let before = pod.counted(VIOLATIONS, &[]);
    let peers: Vec<_> = (0..PEERS)
        .map(|_| {
            let workload = workload.clone();
            pod.outside.spawn(move || {
                let (stream, mut records) = workload.connect(to, version);
                let next = || (0..100).flat_map(|_| piece(&mut records)).collect();
                flood(stream, next, MOST);
            })
        })
        .collect();
    pod.serves_beside(peers);
    pod.counts(VIOLATIONS, &[], before + PEERS);
    pod.serves_workload();
}

/// The message of a handshake, without its record.
fn hello_again(records: &mut Records) -> Vec<u8> {
    records.record(Handshake, &hello(Version::Tls13)[5..])
}

/// The largest record there may be, encrypted by nobody.
fn garbage(_: &mut Records) -> Vec<u8> {
    let mut record = vec![23, 3, 3, 0x41, 0];
    record.resize(5 + 0x4100, 7);
    record
}

fn empty(records: &mut Records) -> Vec<u8> {
    records.record(ApplicationData, b"")
}

/// rustls allows 32 records that are empty, and as many updates of keys, and each resets the number
/// of the other: where they take turns, their bytes are bounded by ours.
#[test]
fn floods_of_records() {
    let pod = in_mesh!(MANY);
    let version = Version::Tls13;
    are_cut(&pod, version, "updates of keys", Records::key_update);
    are_cut(&pod, version, "empty records", empty);
    are_cut(&pod, version, "both in turn", |records| {
        [records.key_update(), empty(records)].concat()
    });
    are_cut(&pod, version, "warnings", |records| {
        records.record(Alert, &USER_CANCELED)
    });
    are_cut(&pod, version, "another hello", hello_again);
    are_cut(&pod, version, "garbage", garbage);
    pod.recovers();
}

#[test]
fn floods_of_records_of_tls_1_2() {
    let pod = in_mesh!(MANY);
    let version = Version::Tls12;
    are_cut(&pod, version, "empty records", empty);
    are_cut(&pod, version, "warnings", |records| {
        records.record(Alert, &NO_RENEGOTIATION)
    });
    // The first is declined by a warning.
    are_cut(&pod, version, "renegotiation", hello_again);
    are_cut(&pod, version, "garbage", garbage);
    pod.recovers();
}

/// Each of that is allowed in small numbers, and hurts nobody.
#[test]
fn a_few_such_records_are_followed() {
    let pod = in_mesh!(MANY);
    let workload = pod.workload();
    let to = pod.entrance;
    let received = pod.outside.run(move || {
        let (mut stream, mut records) = workload.connect(to, Version::Tls13);
        let mut sent = records.record(Alert, &USER_CANCELED);
        for _ in 0..20 {
            sent.extend(records.key_update());
            sent.extend(empty(&mut records));
        }
        let request = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        for byte in request {
            sent.extend(records.record(ApplicationData, &[*byte]));
            sent.extend(records.key_update());
        }
        stream.write_all(&sent).unwrap();
        read_to_end(&mut stream).received.len()
    });
    assert!(received > 0);
    let served = [
        "connection_security_policy=\"mutual_tls\"",
        "response_code=\"200\"",
    ];
    pod.counts("istio_requests_total", &served, 1);
    assert_eq!(pod.counted(VIOLATIONS, &[]), 0);
    pod.recovers();
}
