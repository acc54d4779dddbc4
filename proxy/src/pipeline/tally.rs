//! What is known of a request, for its record.

use std::{
    borrow::Cow,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Duration, SystemTime},
};

use http::StatusCode;
use tokio::time::Instant;

use super::{
    connection::Connection,
    failure::Failure,
    local_reply::is_grpc,
    pump::{GRPC_MESSAGE, grpc_status},
};
use crate::{
    message::{Broken, Fields, RequestHead},
    records::{
        DownstreamTls, Parties, RequestRecord, ResponseFlag, ResponseFlags, connect_failure,
        tls_failure,
    },
    tables::{Cluster, Route},
    traffic::Direction,
};

/// What a request's record will say.
#[derive(Debug)]
pub(super) struct Tally {
    started: SystemTime,
    clock: Instant,
    pub flags: ResponseFlags,
    pub details: Cow<'static, str>,
    pub status: Option<StatusCode>,
    pub service_time: Option<Duration>,
    pub request_bytes: u64,
    pub response_bytes: u64,
    pub grpc_status: Option<u32>,
    /// Of the trailers.
    pub grpc_message: Option<Box<[u8]>>,
    pub upstream_host: Option<SocketAddr>,
    pub upstream_local: Option<SocketAddr>,
    pub upstream_failure: Option<String>,
    /// This proxy and the server, if both have proved who they are.
    pub upstream_parties: Option<Arc<Parties>>,
    /// The client that a trusted proxy speaks for.
    pub client: Option<IpAddr>,
    pub response_fields: Option<Fields>,
}

impl Tally {
    /// Starts the clock. Nothing else is known yet.
    pub fn new() -> Self {
        Self {
            started: SystemTime::now(),
            clock: Instant::now(),
            flags: ResponseFlags::default(),
            details: Cow::Borrowed(""),
            status: None,
            service_time: None,
            request_bytes: 0,
            response_bytes: 0,
            grpc_status: None,
            grpc_message: None,
            upstream_host: None,
            upstream_local: None,
            upstream_failure: None,
            upstream_parties: None,
            client: None,
            response_fields: None,
        }
    }

    /// The proxy answers, because of this.
    pub fn failed(&mut self, failure: &Failure) {
        self.flags.insert(failure.flag());
        self.details = failure.details();
        self.upstream_failure = match failure {
            Failure::Connect { error, .. } => Some(connect_failure(error)),
            Failure::Tls { failure, .. } => Some(tls_failure(failure)),
            Failure::Upstream {
                broken: Broken::Alert(alert),
                ..
            } => Some(tls_failure(alert)),
            _ => return,
        };
    }

    /// The client has gone.
    pub fn client_gone(&mut self) {
        self.flags
            .insert(ResponseFlag::DownstreamConnectionTermination);
        self.details = "downstream_remote_disconnect".into();
    }

    /// Looks for the status of gRPC, which may be in the head or in the trailers.
    pub fn read_grpc_status(&mut self, fields: &Fields) {
        self.grpc_status = grpc_status(fields).or(self.grpc_status);
    }

    /// Why a call of gRPC has failed. There need not be trailers.
    fn grpc_message(&self) -> Option<&[u8]> {
        let in_head = || self.response_fields.as_ref()?.find(GRPC_MESSAGE);
        let has_failed = self.grpc_status.is_some_and(|status| status != 0);
        let message = self.grpc_message.as_deref();
        has_failed.then(|| message.or_else(in_head)).flatten()
    }

    /// The record of the request, which has ended. `route` and `cluster` are where it went.
    pub fn record<'a>(
        &'a self,
        request: &'a RequestHead,
        connection: &'a Connection,
        (route, cluster): (Option<&'a Route>, Option<&'a Cluster>),
    ) -> RequestRecord<'a> {
        let secured = connection.secured.as_deref();
        RequestRecord {
            direction: connection.direction,
            request,
            status: self.status,
            flags: self.flags,
            details: &self.details,
            started: self.started,
            duration: self.clock.elapsed(),
            upstream_service_time: self.service_time,
            request_bytes: self.request_bytes,
            response_bytes: self.response_bytes,
            grpc_status: self.grpc_status,
            grpc_message: self.grpc_message(),
            is_grpc: is_grpc(request),
            route: route.map_or("", |route| &route.name),
            cluster: cluster.map_or("", Cluster::name),
            service: cluster.and_then(|cluster| cluster.settings.service.as_ref()),
            upstream_host: self.upstream_host,
            upstream_local: self.upstream_local,
            downstream_local: connection.original,
            downstream_remote: connection.peer,
            client: self.client,
            server_name: secured.and_then(|secured| secured.hello.name()),
            downstream_tls: secured.map(|secured| DownstreamTls {
                parties: &secured.parties,
                version: secured.version,
            }),
            parties: match connection.direction {
                Direction::Inbound => secured.map(|secured| &*secured.parties),
                Direction::Outbound => self.upstream_parties.as_deref(),
            },
            upstream_failure: self.upstream_failure.as_deref(),
            response_fields: self.response_fields.as_ref(),
            trace: None,
        }
    }
}
