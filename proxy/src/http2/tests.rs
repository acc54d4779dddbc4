//! The plain h2 crate on the other side.

mod bounds;
mod client;
mod hostile;
mod server;
mod support;
