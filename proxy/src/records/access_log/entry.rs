//! What one line is about.

use std::{
    net::{IpAddr, SocketAddr},
    time::{Duration, SystemTime},
};

use crate::records::{
    facts::{ConnectionFacts, DownstreamTls, RequestRecord},
    flags::ResponseFlags,
};

/// A request or a connection that has ended.
#[derive(Debug)]
pub(in crate::records) struct Entry<'a> {
    /// `None` for a connection.
    pub request: Option<&'a RequestRecord<'a>>,
    pub flags: ResponseFlags,
    pub details: &'a str,
    pub started: SystemTime,
    pub duration: Duration,
    /// From the client.
    pub received: u64,
    /// To the client.
    pub sent: u64,
    pub cluster: &'a str,
    pub upstream_host: Option<SocketAddr>,
    pub upstream_local: Option<SocketAddr>,
    pub downstream_local: SocketAddr,
    /// Who has connected.
    pub downstream_remote: SocketAddr,
    /// Whom that proxy speaks for.
    pub client: Option<IpAddr>,
    pub server_name: Option<&'a str>,
    /// The TLS of the client's connection, if it ends here.
    pub downstream_tls: Option<DownstreamTls<'a>>,
    pub upstream_failure: Option<&'a str>,
}

impl<'a> From<&'a RequestRecord<'a>> for Entry<'a> {
    fn from(request: &'a RequestRecord<'a>) -> Self {
        Self {
            request: Some(request),
            flags: request.flags,
            details: request.details,
            started: request.started,
            duration: request.duration,
            received: request.request_bytes,
            sent: request.response_bytes,
            cluster: request.cluster,
            upstream_host: request.upstream_host,
            upstream_local: request.upstream_local,
            downstream_local: request.downstream_local,
            downstream_remote: request.downstream_remote,
            client: request.client,
            server_name: request.server_name,
            downstream_tls: request.downstream_tls,
            upstream_failure: request.upstream_failure,
        }
    }
}

impl<'a> Entry<'a> {
    /// Of a connection, with the bytes from the client and those to it.
    pub fn of_connection(
        facts: &'a ConnectionFacts,
        duration: Duration,
        (received, sent): (u64, u64),
    ) -> Self {
        Self {
            request: None,
            flags: facts.flags,
            details: facts.details,
            started: facts.started,
            duration,
            received,
            sent,
            cluster: &facts.cluster,
            upstream_host: facts.upstream_host,
            upstream_local: facts.upstream_local,
            downstream_local: facts.downstream_local,
            downstream_remote: facts.downstream_remote,
            client: None,
            server_name: facts.server_name.as_deref(),
            downstream_tls: facts
                .downstream_tls
                .as_ref()
                .map(|(parties, version)| DownstreamTls { parties, version }),
            upstream_failure: facts.upstream_failure.as_deref(),
        }
    }
}
