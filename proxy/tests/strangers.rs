//! Strangers as applications: programs that others wrote are the clients and the servers
//! of two pods, each in a network namespace with its own init and sidecar.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

#[path = "network/namespace.rs"]
mod namespace;
#[path = "strangers/nginx.rs"]
mod nginx;
#[path = "strangers/pair.rs"]
mod pair;
#[path = "strangers/pod.rs"]
mod pod;
#[path = "network/program.rs"]
mod program;

/// Two pods of the test's own, with variables of the client's and the server's sidecar; or
/// a loud message that there can't be any.
macro_rules! pods {
    () => {
        pods!(&[], &[])
    };
    ($client:expr, $server:expr) => {
        match $crate::pair::Pair::start($client, $server) {
            Some(pods) => pods,
            None => return,
        }
    };
}

#[path = "strangers/busybox.rs"]
mod busybox;
#[path = "strangers/curl.rs"]
mod curl;
#[path = "strangers/grpc.rs"]
mod grpc;
#[path = "strangers/mariadb.rs"]
mod mariadb;
#[path = "strangers/node.rs"]
mod node;
#[path = "strangers/python.rs"]
mod python;
#[path = "strangers/tcp.rs"]
mod tcp;
