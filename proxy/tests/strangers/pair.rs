//! Two pods: requests of one to the other pass both sidecars.

use std::fs;

use crate::{
    namespace::{Namespace, can_run},
    pod::Pod,
};

/// The server's address.
pub const SERVER: &str = "10.9.0.2";
const CLIENT: &str = "10.9.0.1";

/// What the tests need, and the command that brings it.
const PROGRAMS: [(&str, &str); 11] = [
    ("ss", "apt-get install iproute2"),
    ("iptables-nft-save", "apt-get install iptables"),
    ("setpriv", "apt-get install util-linux"),
    ("curl", "apt-get install curl"),
    ("openssl", "apt-get install openssl"),
    ("python3", "apt-get install python3"),
    ("busybox", "apt-get install busybox"),
    ("nginx", "apt-get install nginx"),
    ("node", "apt-get install nodejs"),
    ("mariadbd", "apt-get install mariadb-server-core"),
    ("mariadb", "apt-get install mariadb-client-core"),
];

pub struct Pair {
    pub client: Pod,
    pub server: Pod,
}

impl Pair {
    /// Starts both, with these variables of their sidecars; `None` where that can't be.
    pub fn start(client: &[(&str, &str)], server: &[(&str, &str)]) -> Option<Self> {
        if !can_run(&PROGRAMS) {
            return None;
        }
        let here = Namespace::new();
        let there = here.peer();
        Some(Self {
            client: Pod::start(here, CLIENT, "source", client),
            server: Pod::start(there, SERVER, "destination", server),
        })
    }

    /// Both sidecars have counted these requests by their status, and nothing else.
    pub fn carried(&self, expected: &[(&str, u64)]) {
        self.carried_by("response_code", expected);
        for pod in [&self.client, &self.server] {
            pod.has_counted_connections("opened", 0);
        }
    }

    /// The same, by another label.
    pub fn carried_by(&self, label: &str, expected: &[(&str, u64)]) {
        for pod in [&self.client, &self.server] {
            pod.has_counted(label, expected);
        }
    }

    /// Both sidecars have counted that many TCP connections, all of which have ended, and
    /// no request.
    pub fn carried_tcp(&self, count: u64) {
        for pod in [&self.client, &self.server] {
            pod.has_counted_connections("opened", count);
            pod.has_counted_connections("closed", count);
            pod.has_counted("response_code", &[]);
        }
    }
}

/// Returns `size` pseudo-random bytes, so that a test notices a part that is out of place.
pub fn bytes(size: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let next = |_| {
        // xorshift64
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let mut bytes: Vec<u8> = (0..size.div_ceil(8)).flat_map(next).collect();
    bytes.truncate(size);
    bytes
}

/// A file of the pod is these bytes.
pub fn assert_file(pod: &Pod, name: &str, expected: &[u8]) {
    let got = fs::read(pod.folder().join(name)).unwrap();
    assert_eq!(got.len(), expected.len(), "{name}");
    assert!(got == expected, "{name} differs");
}
