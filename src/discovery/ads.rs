//! The aggregated discovery service: streams of proxies, each with the identity that its
//! token proves.

mod memory;
mod observer;
mod port;
mod service;
mod stream;
mod streams;

pub(super) use port::{serve, serve_plaintext};
pub(super) use stream::Ads;
