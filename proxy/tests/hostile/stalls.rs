//! Clients that ask for much and never open their windows.

use std::{cell::RefCell, io::Write as _, net::TcpStream};

use pillion_grammar::frames::{
    END_HEADERS, END_STREAM, PREFACE, frame,
    kind::{HEADERS, SETTINGS},
    literal,
};

use crate::{
    bounds::{BULK, PLACES},
    client::connect,
    pod::{FEW, HOSTILE, Pod},
};

/// What may come on top while 64 places are taken by 12 connections of clients, in KiB: what is
/// not charged to places is up to 1 MiB in each direction of a connection on both sides
/// (SECURITY.md).
const MOST: u64 = PLACES + BULK + 24 * 2 * 1024;
/// Everything that has no buffer: heads, tasks, and what the allocator needs to hold them.
const REST: u64 = 2 * 1024;

/// Asks for that many large responses, with that window for each.
fn ask(stream: &mut TcpStream, window: u32, streams: u32) {
    let mut bytes = PREFACE.to_vec();
    let setting = [&[0, 4][..], &window.to_be_bytes()].concat();
    frame(&mut bytes, SETTINGS, 0, 0, &setting);
    let fields = [
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", "a"),
        (":path", "/large"),
    ];
    let fields = fields.iter();
    let head = fields.flat_map(|(name, value)| literal(name.as_bytes(), value.as_bytes()));
    let head: Vec<u8> = head.collect();
    for number in 0..streams {
        let flags = END_HEADERS | END_STREAM;
        frame(&mut bytes, HEADERS, flags, 2 * number + 1, &head);
    }
    // The connection may be taken away meanwhile.
    let _ = stream.write_all(&bytes);
}

/// Asks for much with that window.
pub fn stall(pod: &Pod, window: u32) {
    let to = pod.entrance;
    let ask = move || {
        // All are there before the first one takes a place of another.
        let mut streams: Vec<_> = (0..12).map(|_| connect(HOSTILE, to).unwrap()).collect();
        for stream in &mut streams {
            ask(stream, window, 100);
        }
        streams
    };
    let stalled = pod.outside.run(ask);
    // 1,200 streams take 150 places, and there are 64: there is no room for the last.
    pod.counts("istio_requests_total", &["response_flags=\"OM\""], 100);
    let grown = pod.before().grown(pod.process());
    assert!(grown < MOST, "{grown} KiB");
    // An honest client gets a place of theirs.
    pod.serves();
    pod.counts("pillion_connections_evicted_total", &[], 1);
    drop(stalled);
}

#[test]
fn a_window_that_is_never_opened() {
    let pod = pod!(FEW);
    stall(&pod, 0);
    pod.recovers_from_stalls();
}

#[test]
fn a_window_that_is_filled_and_not_opened_again() {
    let pod = pod!(FEW);
    stall(&pod, 65_535);
    pod.recovers_from_stalls();
}

/// What a client of HTTP/1 does not read stays where it is.
#[test]
fn a_response_that_nobody_reads() {
    let pod = pod!(FEW);
    let to = pod.entrance;
    let stalled = pod.outside.run(move || {
        let ask = |_| {
            let mut stream = connect(HOSTILE, to).unwrap();
            let request = "GET /large HTTP/1.1\r\nHost: a\r\n\r\n";
            // All of them at once: the responses to the others have to wait.
            let _ = stream.write_all(request.repeat(100).as_bytes());
            stream
        };
        (0..64).map(ask).collect::<Vec<_>>()
    });
    pod.serves();
    // The last place may have been that of an honest client who was about to leave.
    let more = RefCell::new(Vec::new());
    pod.counts_after("pillion_connections_evicted_total", || {
        let another = pod.outside.run(move || connect(HOSTILE, to));
        more.borrow_mut().push(another);
        pod.serves();
    });
    let grown = pod.before().grown(pod.process());
    assert!(grown < PLACES + BULK + REST, "{grown} KiB");
    drop((stalled, more));
    pod.counts("istio_requests_total", &["response_flags=\"DC\""], 60);
    pod.recovers_from_stalls();
}
