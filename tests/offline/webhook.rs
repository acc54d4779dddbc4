//! The webhook behind real TLS on a loopback port: what callers get, good and
//! bad ones, fast and slow ones, and what the end of the process does to them.

mod bad_input;
mod client;
mod crowds;
mod drain;
mod http2_floods;
mod limits;
mod protocols;
mod server;
mod status;
