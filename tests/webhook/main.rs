//! The webhook behind real TLS on a loopback port: what callers get, good and
//! bad ones, fast and slow ones, and what the end of the process does to them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod bad_input;
mod client;
mod crowds;
mod drain;
mod http2_floods;
mod limits;
mod protocols;
mod server;
mod status;
