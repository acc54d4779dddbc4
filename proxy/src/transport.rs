//! Mutual TLS on the connections of the traffic.
//!
//! Tables say how TLS is spoken and with whom ([`DownstreamTls`], [`UpstreamTls`]), and the workload's
//! [`Credentials`] prove who it is. [`Configs`] makes rustls' configurations of both, which all workers
//! share with their sessions; [`Transport`] is a worker's view of it, and [`ClientTransport`] that of other
//! threads. New credentials count from the next handshake on, and no connection ends for them.
//!
//! [`DownstreamTls`]: crate::tables::DownstreamTls
//! [`UpstreamTls`]: crate::tables::UpstreamTls
//! [`Credentials`]: crate::identity::Credentials

mod client;
mod configs;
mod downstream;
mod failure;
mod secured;
#[cfg(test)]
pub(crate) mod test_util;
#[cfg(test)]
mod tests;
mod upstream;
mod worker;

pub(crate) use self::{
    client::ClientTransport, configs::Configs, downstream::accept, failure::TlsFailure,
    secured::Secured, upstream::secure, worker::Transport,
};
