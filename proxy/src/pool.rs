//! Connections to servers, which requests to the same address share.
//!
//! A pool belongs to a worker, so nothing is locked.

mod destination;
mod http1;
mod http2;
mod lease;
mod waiting;

pub(crate) use self::{
    destination::Destination,
    http1::{Http1Connection, Http1Pool},
    http2::{Company, Http2Pool},
    lease::Lease,
};
