//! Facts for tests.

use std::{
    net::SocketAddr,
    time::{Duration, UNIX_EPOCH},
};

use http::{Method, StatusCode};

use super::{
    facts::{ConnectionFacts, RequestRecord},
    flags::ResponseFlags,
    workload::Workload,
};
use crate::{
    message::{Fields, RequestHead},
    traffic::Direction,
};

pub(super) fn workload() -> Workload {
    Workload {
        name: "reviews-v1".into(),
        namespace: "shop".into(),
        canonical_service: "reviews".into(),
        canonical_revision: "v1".into(),
        app: "reviews".into(),
        version: "v1".into(),
        cluster: "Kubernetes".into(),
        address: None,
    }
}

fn address(text: &str) -> Option<SocketAddr> {
    Some(text.parse().unwrap())
}

pub(super) fn head(authority: &str) -> RequestHead {
    let mut fields = Fields::default();
    fields.push(b"user-agent", b"curl/8.1");
    fields.push(b"x-request-id", b"c0ffee");
    RequestHead::new(Method::GET, Some(authority.as_bytes()), b"/a?b=c", fields)
}

pub(super) fn request(request: &RequestHead) -> RequestRecord<'_> {
    RequestRecord {
        direction: Direction::Outbound,
        request,
        status: Some(StatusCode::OK),
        flags: ResponseFlags::default(),
        details: "via_upstream",
        started: UNIX_EPOCH + Duration::from_millis(1_460_751_910_007),
        duration: Duration::from_millis(12),
        upstream_service_time: Some(Duration::from_millis(11)),
        request_bytes: 0,
        response_bytes: 300,
        grpc_status: None,
        grpc_message: None,
        is_grpc: false,
        route: "default",
        cluster: "outbound|9080|v1|ratings.shop.svc.cluster.local",
        service: None,
        upstream_host: address("10.0.0.9:9080"),
        upstream_local: address("10.0.0.5:41000"),
        downstream_local: "10.96.0.7:9080".parse().unwrap(),
        downstream_remote: "10.0.0.5:40000".parse().unwrap(),
        client: None,
        server_name: None,
        downstream_tls: None,
        parties: None,
        upstream_failure: None,
        response_fields: None,
        trace: None,
    }
}

pub(super) fn connection() -> ConnectionFacts {
    let head = head("");
    let request = request(&head);
    ConnectionFacts {
        direction: Direction::Outbound,
        flags: ResponseFlags::default(),
        details: "",
        started: request.started,
        cluster: "PassthroughCluster".into(),
        service: None,
        upstream_host: request.upstream_host,
        upstream_local: request.upstream_local,
        downstream_local: request.downstream_local,
        downstream_remote: request.downstream_remote,
        server_name: Some("db.example".into()),
        downstream_tls: None,
        parties: None,
        upstream_failure: None,
    }
}
