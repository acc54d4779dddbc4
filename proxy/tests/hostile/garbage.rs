//! What is no protocol at all, on every port that listens.

use std::{
    io::Write as _,
    net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr},
};

use crate::{
    client::{connect, read_to_end},
    place::Place,
    pod::{APPLICATION, HOSTILE, MANY, POD, Pod},
};

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Pieces of garbage, none of which is a request.
fn garbage() -> Vec<Vec<u8>> {
    let mut state = 1_u64;
    let mut random = |size: usize| {
        let next = |_| {
            // xorshift64
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[0]
        };
        (0..size).map(next).collect::<Vec<u8>>()
    };
    vec![
        random(64),
        random(100_000),
        vec![0; 100_000],
        b"GET / HTTP/9.9\r\n\r\n".to_vec(),
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n".to_vec(),
        [b"GET /", &vec![b'a'; 200_000][..]].concat(),
        [
            b"\x16\x03\x01\x40\x00\x01\x00\x3f\xfc\x03\x03",
            &random(50_000)[..],
        ]
        .concat(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nGET / HTTP/1.1\r\n\r\n".to_vec(),
        // DATA of no stream.
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0\0\0\x01\0\0\0\0\0\0a".to_vec(),
        b"SSH-2.0-OpenSSH_9.2\r\n".to_vec(),
        b"\r\n\r\n\r\n\r\n".to_vec(),
    ]
}

/// Sends all of it, each piece by a connection of its own, which has to end.
pub fn send(place: &Place, from: IpAddr, to: SocketAddr) {
    place.run(move || {
        for piece in garbage() {
            // Who is refused at once may not even hear of having been connected.
            let Ok(mut stream) = connect(from, to) else {
                continue;
            };
            // The other side may have had enough before the end.
            let _ = stream.write_all(&piece);
            let _ = stream.shutdown(Shutdown::Write);
            read_to_end(&mut stream);
        }
    });
}

fn port(address: IpAddr, port: u16) -> SocketAddr {
    SocketAddr::new(address, port)
}

fn count() -> u64 {
    garbage().len().try_into().unwrap()
}

#[test]
fn where_captured_traffic_comes_in() {
    let pod = pod!(MANY);
    let own = |pod: &Pod, reporter: &str, at_least| {
        let labels = [reporter, "reason=\"own_port\""];
        pod.counts("pillion_connections_refused_total", &labels, at_least);
    };
    for number in [15001, 15006, 15000] {
        send(&pod.outside, HOSTILE, port(POD, number));
        pod.serves();
    }
    own(&pod, "reporter=\"destination\"", 3 * count());
    for number in [15001, 15006] {
        send(&pod.inside, LOOPBACK, port(LOOPBACK, number));
        pod.serves();
    }
    own(&pod, "reporter=\"source\"", count());
    own(&pod, "reporter=\"destination\"", 4 * count());
    pod.recovers();
}

#[test]
fn where_the_proxy_answers_itself() {
    let pod = pod!(MANY);
    let failed = "pillion_own_ports_connections_failed_total";
    for number in [15020, 15021, 15090] {
        let before = pod.counted(failed, &[]);
        send(&pod.outside, HOSTILE, port(POD, number));
        pod.serves();
        pod.counts(failed, &[], before + 5);
    }
    let before = pod.counted(failed, &[]);
    send(&pod.inside, LOOPBACK, port(LOOPBACK, 15000));
    pod.counts(failed, &[], before + 5);
    pod.recovers();
}

#[test]
fn where_the_application_listens() {
    let pod = pod!(MANY);
    for _ in 0..5 {
        send(&pod.outside, HOSTILE, APPLICATION);
        pod.serves();
    }
    // What is HTTP and wrong is answered; what is not HTTP is the application's.
    pod.counts("istio_requests_total", &["response_code=\"400\""], 5);
    pod.counts("istio_tcp_connections_closed_total", &[], 5);
    pod.counts("pillion_http2_violations_total", &[], 5);
    pod.recovers();
}
