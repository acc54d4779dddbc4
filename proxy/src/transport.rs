//! TLS on the connections of the traffic: the mesh's, and that of servers outside of it.
//!
//! Tables say how TLS is spoken and with whom ([`DownstreamTls`], [`UpstreamTls`]), and the workload's
//! [`Credentials`] prove who it is. [`Configs`] makes rustls' configurations of both, which all workers
//! share with their sessions; [`Transport`] is a worker's view of it, and [`ClientTransport`] that of other
//! threads. New credentials count from the next handshake on, and no connection ends for them.
//! Servers outside the mesh prove who they are by the roots in a file, and this end shows them nothing, or the certificate
//! in another one. These files are followed.
//!
//! [`DownstreamTls`]: crate::tables::DownstreamTls
//! [`UpstreamTls`]: crate::tables::UpstreamTls
//! [`Credentials`]: crate::identity::Credentials

mod certificate_files;
mod client;
mod configs;
mod downstream;
mod failure;
mod files;
mod followed;
mod outside;
mod root_files;
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
