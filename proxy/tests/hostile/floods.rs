//! Floods of frames of HTTP/2: each connection has an allowance of frames that carry no
//! request, and is cut when it has used it up.

use std::{io::Write as _, iter::repeat_n};

use pillion_grammar::frames::{
    END_HEADERS, END_STREAM, PREFACE, frame,
    kind::{CONTINUATION, DATA, HEADERS, RESET, SETTINGS},
    literal,
};

use crate::{
    client::{self, connect},
    pod::{HOSTILE, MANY, Pod},
};

/// How many flood at a time.
const PEERS: u64 = 8;
/// No allowance is so large.
const MOST: usize = 64 * 1024 * 1024;
const FLOODS: &str = "pillion_http2_floods_total";

const PRIORITY: u8 = 2;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;

fn head(path: &str) -> Vec<u8> {
    let fields = [
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", "a"),
        (":path", path),
    ];
    let fields = fields.iter();
    fields
        .flat_map(|(name, value)| literal(name.as_bytes(), value.as_bytes()))
        .collect()
}

/// What many connections begin with, the pieces that they go on with, which are made for the numbers of
/// streams, and how they are counted.
struct Flood {
    name: &'static str,
    first: fn() -> Vec<u8>,
    piece: fn(u32) -> Vec<u8>,
    label: &'static str,
}

/// What h2's own limits cut, before our allowance is used up: the number of CONTINUATION, of small
/// DATA for its window, and of resets that the handler has not heard of.
const BY_H2: &str = "frame=\"other\"";

const PINGS: Flood = Flood {
    name: "PING",
    first: Vec::new,
    piece: |_| one(PING, 0, 0, &[7; 8]),
    label: "frame=\"ping\"",
};
const SETTINGS_FRAMES: Flood = Flood {
    name: "SETTINGS",
    first: Vec::new,
    piece: |_| settings(),
    label: "frame=\"settings\"",
};
const PRIORITIES: Flood = Flood {
    name: "PRIORITY",
    first: Vec::new,
    piece: |id| one(PRIORITY, 0, id, &[0, 0, 0, 0, 15]),
    label: "frame=\"priority\"",
};
const WINDOW_UPDATES: Flood = Flood {
    name: "WINDOW_UPDATE",
    first: Vec::new,
    piece: |_| one(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]),
    label: "frame=\"window_update\"",
};
const EMPTY_DATA: Flood = Flood {
    name: "empty DATA",
    first: || one(HEADERS, END_HEADERS, 1, &head("/")),
    piece: |_| one(DATA, 0, 1, &[]),
    label: BY_H2,
};
/// CVE-2023-44487.
const RAPID_RESETS: Flood = Flood {
    name: "rapid reset",
    first: Vec::new,
    piece: |id| {
        let mut bytes = one(HEADERS, END_HEADERS | END_STREAM, id, &head("/large"));
        frame(&mut bytes, RESET, 0, id, &8_u32.to_be_bytes());
        bytes
    },
    label: BY_H2,
};
/// CVE-2024-27316 and others.
const CONTINUATIONS: Flood = Flood {
    name: "CONTINUATION",
    first: || one(HEADERS, END_STREAM, 1, &head("/")),
    piece: |_| one(CONTINUATION, 0, 1, &literal(b"x", &[b'y'; 100])),
    label: BY_H2,
};

/// All are cut, which is counted.
fn are_cut(pod: &Pod, flood: &Flood) {
    println!("{}", flood.name);
    let (to, piece) = (pod.entrance, flood.piece);
    let labels = [pod.reporter, flood.label];
    let before = pod.counted(FLOODS, &labels);
    let peers: Vec<_> = repeat_n((flood.first)(), PEERS.try_into().unwrap())
        .map(|first| {
            pod.outside.spawn(move || {
                let stream = connect(HOSTILE, to).unwrap();
                let mut start = Some([PREFACE, &settings(), &first].concat());
                let mut stream_id = 1;
                let next = || {
                    start.take().unwrap_or_else(|| {
                        let mut pieces = Vec::new();
                        for _ in 0..100 {
                            stream_id += 2;
                            pieces.extend_from_slice(&piece(stream_id));
                        }
                        pieces
                    })
                };
                client::flood(stream, next, MOST);
            })
        })
        .collect();
    pod.serves_beside(peers);
    pod.counts(FLOODS, &labels, before + PEERS);
}

fn settings() -> Vec<u8> {
    let mut bytes = Vec::new();
    frame(&mut bytes, SETTINGS, 0, 0, &[]);
    bytes
}

fn one(kind: u8, flags: u8, id: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame(&mut bytes, kind, flags, id, payload);
    bytes
}

/// All of them, one after the other.
pub fn all(pod: &Pod) {
    for flood in [
        PINGS,
        SETTINGS_FRAMES,
        PRIORITIES,
        WINDOW_UPDATES,
        EMPTY_DATA,
        RAPID_RESETS,
        CONTINUATIONS,
    ] {
        are_cut(pod, &flood);
    }
}

#[test]
fn frames() {
    let pod = pod!(MANY);
    all(&pod);
    pod.recovers();
}

/// Heads whose tables unpack to megabytes: the same long field is named over and over.
#[test]
fn heads_that_unpack() {
    let pod = pod!(MANY);
    let piece = |id| {
        // A field with indexing, and references to it, which is the newest in the table.
        let long = literal(b"x", &[b'y'; 3000]);
        let mut block = head("/");
        block.push(0x40);
        block.extend_from_slice(&long[1..]);
        block.extend(repeat_n(0xbe, 8000));
        one(HEADERS, END_HEADERS | END_STREAM, id, &block)
    };
    let to = pod.entrance;
    let peers: Vec<_> = (0..PEERS)
        .map(|_| {
            pod.outside.spawn(move || {
                let mut stream = connect(HOSTILE, to).unwrap();
                let start = [PREFACE, &settings()].concat();
                stream.write_all(&start).unwrap();
                for id in 0..100 {
                    // What is refused is refused by a response, or by the end.
                    if stream.write_all(&piece(2 * id + 1)).is_err() {
                        break;
                    }
                }
                stream
            })
        })
        .collect();
    let peers: Vec<_> = peers.into_iter().map(|peer| peer.join().unwrap()).collect();
    pod.serves();
    // 800 heads of 24 MB each have been sent.
    let grown = pod.before().grown(pod.process());
    assert!(grown < 64 * 1024, "{grown} KiB");
    drop(peers);
    pod.recovers();
}
