//! Hostile peers of a sidecar and of a gateway that run: each gets a bounded answer and is
//! counted, others are served meanwhile, and afterwards the process has what it had before.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

#[path = "hostile/addresses.rs"]
mod addresses;
#[path = "hostile/application.rs"]
mod application;
#[path = "hostile/bounds.rs"]
mod bounds;
#[path = "hostile/client.rs"]
mod client;
#[path = "hostile/control_plane.rs"]
mod control_plane;
#[path = "hostile/mutual_tls.rs"]
mod mutual_tls;
#[allow(dead_code)] // other binaries use more of it
#[path = "network/namespace.rs"]
mod namespace;
#[path = "hostile/place.rs"]
mod place;
#[path = "hostile/pod.rs"]
mod pod;
#[path = "network/program.rs"]
mod program;
#[path = "hostile/records.rs"]
mod records;
#[allow(dead_code)] // the unit tests that have these files use more of them
#[path = "../src/config/test_util.rs"]
mod resources;
#[allow(dead_code)]
#[path = "../src/config/tests/server.rs"]
mod server;
#[allow(dead_code)]
#[path = "../src/net/sizes.rs"]
mod sizes;
#[path = "hostile/starting.rs"]
mod starting;
#[path = "hostile/usage.rs"]
mod usage;
#[path = "hostile/workload.rs"]
mod workload;

/// A pod under attack, with so many descriptors for its proxy; or a loud message that there
/// can't be one.
macro_rules! pod {
    ($files:expr) => {
        match $crate::pod::Pod::start($files) {
            Some(pod) => pod,
            None => return,
        }
    };
}

/// The same of a pod whose application's port takes mutual TLS, too.
macro_rules! in_mesh {
    ($files:expr) => {
        match $crate::pod::Pod::start_in_mesh($files) {
            Some(pod) => pod,
            None => return,
        }
    };
}

#[path = "hostile/floods.rs"]
mod floods;
#[path = "hostile/garbage.rs"]
mod garbage;
#[path = "hostile/gateway.rs"]
mod gateway;
#[path = "hostile/handshakes.rs"]
mod handshakes;
#[path = "hostile/hellos.rs"]
mod hellos;
#[path = "hostile/http2_servers.rs"]
mod http2_servers;
#[path = "hostile/secured.rs"]
mod secured;
#[path = "hostile/servers.rs"]
mod servers;
#[path = "hostile/slow.rs"]
mod slow;
#[path = "hostile/stalls.rs"]
mod stalls;
#[path = "hostile/storms.rs"]
mod storms;
