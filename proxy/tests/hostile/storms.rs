//! More connections than there are places, and connections whose clients have vanished.

use std::net::{Shutdown, SocketAddr, TcpStream};

use crate::{
    client::connect,
    pod::{FEW, HOSTILE, MANY, POD, Pod},
};

fn many(pod: &Pod, count: usize) -> Vec<TcpStream> {
    let to = pod.entrance;
    let open = move || {
        let open = |_| connect(HOSTILE, to).unwrap();
        (0..count).map(open).collect()
    };
    pod.outside.run(open)
}

fn refused(pod: &Pod, at_least: u64) {
    let labels = [pod.reporter, "reason=\"no_room\""];
    pod.counts("pillion_connections_refused_total", &labels, at_least);
}

/// 400 connections for 64 places.
pub fn past_the_limit(pod: &Pod) {
    let storm = many(pod, 400);
    refused(pod, 336);
    for _ in 0..20 {
        pod.serves();
    }
    pod.counts("pillion_connections_evicted_total", &[], 1);
    drop(storm);
}

#[test]
fn connections_past_the_limit() {
    let pod = pod!(FEW);
    past_the_limit(&pod);
    pod.recovers();
}

#[test]
fn connections_that_come_and_go() {
    let pod = pod!(MANY);
    let to = pod.entrance;
    let storm = pod.outside.spawn(move || {
        for _ in 0..5000 {
            drop(connect(HOSTILE, to).unwrap());
        }
    });
    while !storm.is_finished() {
        pod.serves();
    }
    storm.join().unwrap();
    // What said nothing is passed on as TCP, and ends with its client. Where the workers are
    // slower than the storm, some find no place.
    pod.counts_either(
        "istio_tcp_connections_closed_total",
        "pillion_connections_refused_total",
        4900,
    );
    pod.recovers();
}

/// Each of the proxy's own ports has 64 places, half of them for one address.
#[test]
fn connections_to_the_proxy_s_own_ports() {
    let pod = pod!(MANY);
    let to = SocketAddr::new(POD, 15090);
    let open = move || {
        let open = |_| connect(HOSTILE, to).unwrap();
        (0..200).map(open).collect::<Vec<_>>()
    };
    let storm = pod.outside.run(open);
    // The count comes by the same port.
    let refused = "pillion_own_ports_connections_refused_total";
    pod.counts(refused, &[], 100);
    pod.serves();
    drop(storm);
    pod.recovers();
}

#[test]
fn clients_that_have_ended_what_they_send() {
    let pod = pod!(FEW);
    let storm = many(&pod, 100);
    for stream in &storm {
        let _ = stream.shutdown(Shutdown::Write);
    }
    pod.serves();
    refused(&pod, 1);
    drop(storm);
    pod.recovers();
}

#[test]
fn clients_that_vanish_without_an_end() {
    let pod = pod!(FEW);
    let storm = many(&pod, 64);
    pod.world().sh("iptables -A OUTPUT -s 10.9.0.2 -j DROP");
    drop(storm);
    // Nobody has told the proxy that they are gone.
    for _ in 0..20 {
        pod.serves();
    }
    pod.counts("pillion_connections_evicted_total", &[], 1);
    pod.world().sh("iptables -D OUTPUT -s 10.9.0.2 -j DROP");
    pod.recovers();
}
