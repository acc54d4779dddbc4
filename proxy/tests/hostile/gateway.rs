//! A gateway, whose clients are anybody: the same attacks as on a sidecar, by the port that its
//! configuration opens.

use crate::{
    floods, garbage,
    pod::{FEW, MANY, Pod},
    slow, stalls, storms,
};

/// A gateway under attack, with so many descriptors.
macro_rules! gateway {
    ($files:expr) => {
        match Pod::start_gateway($files) {
            Some(pod) => pod,
            None => return,
        }
    };
}

#[test]
fn connections_past_the_limit() {
    let pod = gateway!(FEW);
    storms::past_the_limit(&pod);
    pod.recovers();
}

#[test]
fn slow_heads() {
    let pod = gateway!(FEW);
    slow::crawl(&pod, b"GET / HTTP/1.1\r\nHost: a\r\nx: ");
    pod.recovers();
}

#[test]
fn slow_bodies() {
    let pod = gateway!(FEW);
    slow::crawl(
        &pod,
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n",
    );
    pod.counts("istio_requests_total", &["response_flags=\"DC\""], 60);
    pod.recovers();
}

/// Each stream has a connection to a server of HTTP/1, and a buffer of it that nobody takes.
#[test]
fn windows_that_are_never_opened() {
    let pod = gateway!(FEW);
    stalls::stall(&pod, 0);
    pod.recovers_from_stalls();
}

#[test]
fn floods_of_frames() {
    let pod = gateway!(MANY);
    floods::all(&pod);
    pod.recovers();
}

#[test]
fn garbage_is_answered() {
    let pod = gateway!(MANY);
    for _ in 0..5 {
        garbage::send(&pod.outside, crate::pod::HOSTILE, pod.entrance);
        pod.serves();
    }
    // Its port is declared as HTTP: what is anything else is answered, too.
    pod.counts("istio_requests_total", &["response_code=\"400\""], 5);
    pod.counts("pillion_http2_violations_total", &[], 5);
    pod.recovers();
}
