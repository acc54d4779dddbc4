//! The aggregated discovery service: streams of proxies, each with the identity that its
//! token proves.

mod memory;
mod observer;
mod service;
mod stream;
mod streams;

pub(super) use service::{DELTA, SOTW};
pub(super) use stream::Ads;
