//! The server's end of the state-of-the-world variant.

use pillion_envoy_api::{
    envoy::service::discovery::v3::{DiscoveryRequest, DiscoveryResponse},
    google::rpc::Status,
};
use pillion_xds::{Snapshot, server::SotwStream};

use crate::support::*;

fn request(type_url: &str, names: &[&str], nonce: &str) -> DiscoveryRequest {
    DiscoveryRequest {
        type_url: type_url.to_owned(),
        resource_names: names.iter().map(ToString::to_string).collect(),
        response_nonce: nonce.to_owned(),
        ..DiscoveryRequest::default()
    }
}

fn contents(response: &DiscoveryResponse) -> Vec<String> {
    let all = response.resources.iter();
    all.map(|one| String::from_utf8_lossy(&one.value).into_owned())
        .collect()
}

/// Sends and accepts responses with these names until there are no more.
fn drain(stream: &mut SotwStream, names: &[&str]) -> Vec<Vec<String>> {
    let mut all = Vec::new();
    while let Some(response) = stream.next(&()) {
        all.push(contents(&response));
        let ack = request(&response.type_url, names, &response.nonce);
        assert!(stream.request(&ack).unwrap().is_some());
    }
    all
}

fn clusters(all: &[(&str, &str)]) -> Snapshot {
    snapshot(&[(CLUSTER, all)])
}

#[test]
fn sends_all_listeners_and_clusters_whenever_one_changes() {
    let mut stream = SotwStream::new(clusters(&[("a", "a1"), ("b", "b1")]));
    stream.request(&request(CLUSTER, &[], "")).unwrap();
    assert_eq!(drain(&mut stream, &[]), [["a1", "b1"]]);
    stream.update(clusters(&[("a", "a1"), ("b", "b2")]));
    assert_eq!(drain(&mut stream, &[]), [["a1", "b2"]]);
    stream.update(clusters(&[("a", "a1"), ("b", "b2")]));
    assert_eq!(drain(&mut stream, &[]), [[""; 0]; 0]);
}

#[test]
fn sends_of_other_types_what_changed_and_is_asked_for() {
    let endpoints = |all: &[(&str, &str)]| snapshot(&[(ENDPOINTS, all)]);
    let mut stream = SotwStream::new(endpoints(&[("a", "a1"), ("b", "b1"), ("c", "c1")]));
    stream
        .request(&request(ENDPOINTS, &["a", "b"], ""))
        .unwrap();
    assert_eq!(drain(&mut stream, &["a", "b"]), [["a1", "b1"]]);
    stream.update(endpoints(&[("a", "a1"), ("b", "b2"), ("c", "c2")]));
    assert_eq!(drain(&mut stream, &["a", "b"]), [["b2"]]);
}

#[test]
fn sends_a_name_that_is_added_later() {
    let endpoints = snapshot(&[(ENDPOINTS, &[("a", "a1"), ("b", "b1")])]);
    let mut stream = SotwStream::new(endpoints);
    stream.request(&request(ENDPOINTS, &["a"], "")).unwrap();
    let first = stream.next(&()).unwrap();
    stream
        .request(&request(ENDPOINTS, &["a", "b"], &first.nonce))
        .unwrap();
    let second = stream.next(&()).unwrap();
    assert_eq!(contents(&second), ["b1"]);
    // No response is in flight, and the newest nonce is cited.
    stream
        .request(&request(ENDPOINTS, &["a", "b"], &second.nonce))
        .unwrap();
    stream
        .request(&request(ENDPOINTS, &["b"], &second.nonce))
        .unwrap();
    stream
        .request(&request(ENDPOINTS, &["a", "b"], &second.nonce))
        .unwrap();
    assert_eq!(drain(&mut stream, &["a", "b"]), [["a1"]]);
}

#[test]
fn answers_an_empty_world() {
    let mut stream = SotwStream::new(Snapshot::new());
    stream.request(&request(LISTENER, &[], "")).unwrap();
    assert_eq!(drain(&mut stream, &[]), [[""; 0]]);
}

#[test]
fn leaves_a_cluster_out_once_its_routes_are_gone() {
    let mut stream = SotwStream::new(snapshot(&[
        (CLUSTER, &[("old", "old")]),
        (ROUTES, &[("80", "to old")]),
    ]));
    stream.request(&request(CLUSTER, &[], "")).unwrap();
    stream.request(&request(ROUTES, &["80"], "")).unwrap();
    while let Some(response) = stream.next(&()) {
        let names: &[_] = if response.type_url == ROUTES {
            &["80"]
        } else {
            &[]
        };
        stream
            .request(&request(&response.type_url, names, &response.nonce))
            .unwrap();
    }
    stream.update(snapshot(&[
        (CLUSTER, &[("new", "new")]),
        (ROUTES, &[("80", "to new")]),
    ]));
    let mut all = Vec::new();
    while let Some(response) = stream.next(&()) {
        let names: &[_] = if response.type_url == ROUTES {
            &["80"]
        } else {
            &[]
        };
        stream
            .request(&request(&response.type_url, names, &response.nonce))
            .unwrap();
        all.push(contents(&response));
    }
    assert_eq!(all, [vec!["new", "old"], vec!["to new"], vec!["new"]]);
}

#[test]
fn assignments_do_not_wait_for_the_reply_to_clusters() {
    let with = |clusters| {
        snapshot(&[
            (CLUSTER, clusters),
            (ENDPOINTS, &[("a", "a1"), ("b", "b1")]),
            (ROUTES, &[("80", "to a")]),
        ])
    };
    let mut stream = SotwStream::new(with(&[("a", "a")]));
    stream.request(&request(CLUSTER, &[], "")).unwrap();
    stream.request(&request(ROUTES, &["80"], "")).unwrap();
    let clusters = stream.next(&()).unwrap();
    // There is one more, which has to wait for the reply, and with it the routes.
    stream.update(with(&[("a", "a"), ("b", "b")]));
    assert!(stream.next(&()).is_none());
    stream.request(&request(ENDPOINTS, &["a"], "")).unwrap();
    let assignments = stream.next(&()).unwrap();
    assert_eq!(contents(&assignments), ["a1"]);
    assert!(stream.next(&()).is_none());
    for (response, names) in [(clusters, &[][..]), (assignments, &["a"][..])] {
        let ack = request(&response.type_url, names, &response.nonce);
        assert!(stream.request(&ack).unwrap().is_some());
    }
    assert_eq!(contents(&stream.next(&()).unwrap()), ["a", "b"]);
    assert_eq!(contents(&stream.next(&()).unwrap()), ["to a"]);
    assert!(stream.next(&()).is_none());
}

#[test]
fn ignores_requests_with_a_stale_nonce() {
    let mut stream = SotwStream::new(clusters(&[("a", "a1")]));
    stream.request(&request(CLUSTER, &[], "")).unwrap();
    let response = stream.next(&()).unwrap();
    for nonce in ["", "other"] {
        assert_eq!(
            stream.request(&request(CLUSTER, &["b"], nonce)).unwrap(),
            None
        );
    }
    stream.update(clusters(&[("a", "a2")]));
    assert!(stream.next(&()).is_none());
    stream
        .request(&request(CLUSTER, &[], &response.nonce))
        .unwrap();
    assert_eq!(drain(&mut stream, &[]), [["a2"]]);
}

#[test]
fn does_not_send_a_refused_version_again() {
    let mut stream = SotwStream::new(clusters(&[("a", "bad")]));
    stream.request(&request(CLUSTER, &[], "")).unwrap();
    let response = stream.next(&()).unwrap();
    let refusal = DiscoveryRequest {
        error_detail: Some(Status {
            message: "no".to_owned(),
            ..Status::default()
        }),
        ..request(CLUSTER, &[], &response.nonce)
    };
    let reply = stream.request(&refusal).unwrap().unwrap();
    assert_eq!(reply.refusal.as_deref(), Some("no"));
    assert!(stream.next(&()).is_none());
    stream.update(clusters(&[("a", "good")]));
    assert_eq!(drain(&mut stream, &[]), [["good"]]);
}

#[test]
fn versions_are_those_of_the_content() {
    let version = |all: &[(&str, &str)]| {
        let mut stream = SotwStream::new(clusters(all));
        stream.request(&request(CLUSTER, &[], "")).unwrap();
        stream.next(&()).unwrap().version_info
    };
    assert_eq!(version(&[("a", "1")]), version(&[("a", "1")]));
    assert_ne!(version(&[("a", "1")]), version(&[("a", "2")]));
    assert_ne!(version(&[("a", "1")]), version(&[("a", "1"), ("b", "1")]));
}
