//! What a server tells its observer of a client that holds everything already.

use std::sync::Mutex;

use futures::stream;
use pillion_envoy_api::envoy::service::discovery::v3::DeltaDiscoveryRequest;
use pillion_xds::server::{Observer, serve_delta};
use tokio::sync::{mpsc, watch};

use crate::support::*;

/// Keeps what it was told.
#[derive(Default)]
struct Notes(Mutex<Vec<&'static str>>);

impl Observer for Notes {
    fn sent(&self, _: &str, _: &str, _: usize, _: usize) {
        self.0.lock().unwrap().push("sent");
    }

    fn resumed(&self, type_url: &str) {
        assert_eq!(type_url, ENDPOINTS);
        self.0.lock().unwrap().push("resumed");
    }
}

/// What a server that has `a` and `b` tells when it gets these requests.
async fn told(requests: Vec<DeltaDiscoveryRequest>) -> Vec<&'static str> {
    let all = snapshot(&[(ENDPOINTS, &[("a", "1"), ("b", "1")])]);
    let (_snapshots, receiver) = watch::channel(all);
    let (sender, _responses) = mpsc::channel(8);
    let notes = Notes::default();
    let requests = stream::iter(requests.into_iter().map(Ok));
    serve_delta(requests, receiver, sender, &notes).await;
    notes.0.into_inner().unwrap()
}

/// A first request for names, with the contents that are held.
fn resume(names: &[&str], held: &[(&str, &str)]) -> DeltaDiscoveryRequest {
    let held = held.iter().map(|(name, content)| {
        let version = resource(ENDPOINTS, name, content).version;
        ((*name).to_owned(), version.to_string())
    });
    DeltaDiscoveryRequest {
        initial_resource_versions: held.collect(),
        ..subscribe(ENDPOINTS, names)
    }
}

#[tokio::test]
async fn a_client_that_holds_all_it_asks_for_is_told_of_without_a_response() {
    let request = resume(&["a", "b"], &[("a", "1"), ("b", "1")]);
    assert_eq!(told(vec![request]).await, ["resumed"]);
}

#[tokio::test]
async fn a_client_that_lacks_something_is_sent_that_alone() {
    for request in [
        subscribe(ENDPOINTS, &["a"]),
        resume(&["a", "b"], &[("a", "1")]),
        resume(&["a", "b"], &[("a", "1"), ("b", "0")]),
        // What is gone has to be forgotten.
        resume(&["a", "c"], &[("a", "1"), ("c", "1")]),
        // All of a type is always answered.
        resume(&["*"], &[("a", "1"), ("b", "1")]),
    ] {
        assert_eq!(told(vec![request.clone()]).await, ["sent"], "{request:?}");
    }
}

#[tokio::test]
async fn what_is_asked_for_later_is_sent() {
    let requests = vec![resume(&["a"], &[("a", "1")]), subscribe(ENDPOINTS, &["b"])];
    assert_eq!(told(requests).await, ["resumed", "sent"]);
}
