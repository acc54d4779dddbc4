//! What the data path tells about a request or a connection.

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Duration, SystemTime},
};

use http::StatusCode;

use super::{flags::ResponseFlags, parties::Parties, trace::TraceId};
use crate::{
    message::{Fields, RequestHead},
    tables::Service,
    traffic::Direction,
};

/// One finished request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RequestRecord<'a> {
    pub direction: Direction,
    /// Its head. A route may have rewritten it; `x-envoy-original-path` then has the client's path.
    pub request: &'a RequestHead,
    /// `None` when the client got no response; it is reported as 0.
    pub status: Option<StatusCode>,
    pub flags: ResponseFlags,
    /// Envoy's response code details, such as `via_upstream` or `route_not_found`; empty
    /// when there is nothing to say.
    pub details: &'a str,
    pub started: SystemTime,
    /// From the first byte of the request to the last byte of the response.
    pub duration: Duration,
    /// What `x-envoy-upstream-service-time` says.
    pub upstream_service_time: Option<Duration>,
    /// Bytes of the request's body.
    pub request_bytes: u64,
    /// Bytes of the response's body.
    pub response_bytes: u64,
    /// What the server said in `grpc-status`, in the head or in the trailers.
    pub grpc_status: Option<u32>,
    /// Why it has failed, in the server's words: `grpc-message`.
    pub grpc_message: Option<&'a [u8]>,
    /// Whether the request's content type is gRPC's.
    pub is_grpc: bool,
    /// The route's name; empty without a route.
    pub route: &'a str,
    /// The cluster's name, such as `outbound|9080|v1|reviews.default.svc.cluster.local` or
    /// `PassthroughCluster`; empty without one.
    pub cluster: &'a str,
    /// The cluster's service, where the configuration names it.
    pub service: Option<&'a Service>,
    pub upstream_host: Option<SocketAddr>,
    pub upstream_local: Option<SocketAddr>,
    /// The original destination.
    pub downstream_local: SocketAddr,
    /// Who has connected.
    pub downstream_remote: SocketAddr,
    /// The client that a proxy speaks for which a gateway trusts.
    pub client: Option<IpAddr>,
    /// The name in the client's TLS handshake.
    pub server_name: Option<&'a str>,
    /// The TLS of the client's connection, if it ends here.
    pub downstream_tls: Option<DownstreamTls<'a>>,
    /// Who speaks to whom, if both have proved it: the client to this proxy where requests come in, this
    /// proxy to the server where they go out.
    pub parties: Option<&'a Parties>,
    /// Why the last connection to a server failed.
    pub upstream_failure: Option<&'a str>,
    pub response_fields: Option<&'a Fields>,
    /// The trace that it is part of, whether its span is wanted or not.
    pub trace: Option<TraceId>,
}

/// The TLS of a client's connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DownstreamTls<'a> {
    /// The client and this proxy.
    pub parties: &'a Parties,
    /// Such as `TLSv1.3`.
    pub version: &'static str,
}

/// A TCP connection, as far as it is known when it begins.
#[derive(Debug, Clone)]
pub(crate) struct ConnectionFacts {
    pub direction: Direction,
    /// What is known already: `UF` if the server can't be reached. Metrics have these flags,
    /// because a series can't change while its connection lives.
    pub flags: ResponseFlags,
    /// Why it is refused, as in a request's record; empty if it is not.
    pub details: &'static str,
    pub started: SystemTime,
    /// The cluster's name, as in a request's record.
    pub cluster: Arc<str>,
    /// The cluster's service, as in a request's record.
    pub service: Option<Service>,
    pub upstream_host: Option<SocketAddr>,
    pub upstream_local: Option<SocketAddr>,
    /// The original destination.
    pub downstream_local: SocketAddr,
    pub downstream_remote: SocketAddr,
    /// The name in the client's TLS handshake.
    pub server_name: Option<Arc<str>>,
    /// The ends of the client's connection of TLS, if it ends here, and its version.
    pub downstream_tls: Option<(Arc<Parties>, &'static str)>,
    /// Who speaks to whom, as in a request's record.
    pub parties: Option<Arc<Parties>>,
    /// Why the connection to the server failed.
    pub upstream_failure: Option<Arc<str>>,
}

/// What the records say of a connection to a server with which there was no TLS, in Envoy's form.
pub(crate) fn tls_failure(failure: &impl fmt::Display) -> String {
    format!("TLS_error: {failure}")
}

/// What the records say of a connection to a server that could not be made, in Envoy's words.
pub(crate) fn connect_failure(error: &io::Error) -> String {
    format!("delayed connect error: {error}")
}
