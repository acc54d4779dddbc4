//! The plain h2 crate on the other side.

mod client;
mod hostile;
mod server;
mod support;
