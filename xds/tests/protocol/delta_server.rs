//! The server's end of the incremental variant.

use std::sync::Mutex;

use pillion_envoy_api::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse,
};
use pillion_xds::{
    Resource, Snapshot, limits, resources,
    server::{DeltaStream, Observer, StreamError},
};

use crate::support::*;

/// What a server sends next.
fn next(stream: &mut DeltaStream) -> DeltaDiscoveryResponse {
    stream.next(&()).expect("a response")
}

fn nothing(stream: &mut DeltaStream) {
    let response = stream.next(&());
    assert!(response.is_none(), "{response:?}");
}

/// Sends and accepts responses until there are no more, and shows them.
fn drain(stream: &mut DeltaStream) -> Vec<Vec<String>> {
    let mut all = Vec::new();
    while let Some(response) = stream.next(&()) {
        all.push(shown(&response));
        stream.request(&ack(&response)).unwrap();
    }
    all
}

/// A stream that has been sent this snapshot, by `*`.
fn in_sync(snapshot: &Snapshot) -> DeltaStream {
    let mut stream = DeltaStream::new(snapshot.clone());
    for type_url in [CLUSTER, LISTENER, ROUTES] {
        stream.request(&subscribe(type_url, &["*"])).unwrap();
    }
    drain(&mut stream);
    stream
}

#[test]
fn sends_what_is_subscribed_to_by_name() {
    let snapshot = snapshot(&[(CLUSTER, &[("a", "1"), ("b", "1")])]);
    let mut stream = DeltaStream::new(snapshot);
    stream.request(&subscribe(CLUSTER, &["b"])).unwrap();
    assert_eq!(drain(&mut stream), [["b=1"]]);
}

#[test]
fn sends_everything_for_an_asterisk_and_for_an_empty_first_request() {
    let snapshot = snapshot(&[(CLUSTER, &[("a", "1"), ("b", "1")])]);
    for names in [&["*"][..], &[]] {
        let mut stream = DeltaStream::new(snapshot.clone());
        stream.request(&subscribe(CLUSTER, names)).unwrap();
        assert_eq!(drain(&mut stream), [["a=1", "b=1"]]);
    }
}

#[test]
fn a_later_request_without_names_subscribes_to_nothing_more() {
    let snapshot = snapshot(&[(CLUSTER, &[("a", "1"), ("b", "1")])]);
    let mut stream = DeltaStream::new(snapshot);
    stream.request(&subscribe(CLUSTER, &["a"])).unwrap();
    stream.request(&subscribe(CLUSTER, &[])).unwrap();
    assert_eq!(drain(&mut stream), [["a=1"]]);
}

#[test]
fn answers_a_wildcard_that_finds_nothing() {
    let mut stream = DeltaStream::new(Snapshot::new());
    stream.request(&subscribe(LISTENER, &["*"])).unwrap();
    assert_eq!(drain(&mut stream), [[""; 0]]);
}

#[test]
fn says_that_a_name_does_not_exist_and_sends_it_once_it_does() {
    let mut stream = DeltaStream::new(Snapshot::new());
    stream.request(&subscribe(CLUSTER, &["a"])).unwrap();
    assert_eq!(drain(&mut stream), [["-a"]]);
    stream.update(snapshot(&[(CLUSTER, &[("a", "1")])]));
    assert_eq!(drain(&mut stream), [["a=1"]]);
}

#[test]
fn sends_only_what_changed() {
    let mut stream = in_sync(&snapshot(&[(CLUSTER, &[("a", "1"), ("b", "1")])]));
    stream.update(snapshot(&[(
        CLUSTER,
        &[("a", "1"), ("b", "2"), ("c", "1")],
    )]));
    assert_eq!(drain(&mut stream), [["b=2", "c=1"]]);
    stream.update(snapshot(&[(
        CLUSTER,
        &[("a", "1"), ("b", "2"), ("c", "1")],
    )]));
    assert_eq!(drain(&mut stream), [[""; 0]; 0]);
}

#[test]
fn sends_no_change_of_what_is_not_subscribed_to() {
    let mut stream = DeltaStream::new(snapshot(&[(CLUSTER, &[("a", "1"), ("b", "1")])]));
    stream.request(&subscribe(CLUSTER, &["a"])).unwrap();
    drain(&mut stream);
    stream.update(snapshot(&[(CLUSTER, &[("a", "1"), ("b", "2")])]));
    nothing(&mut stream);
    stream.request(&unsubscribe(CLUSTER, &["a"])).unwrap();
    stream.update(snapshot(&[(CLUSTER, &[("a", "2")])]));
    nothing(&mut stream);
}

#[test]
fn answers_a_second_subscription_to_the_same_name() {
    let mut stream = in_sync(&snapshot(&[(CLUSTER, &[("a", "1")])]));
    stream.request(&subscribe(CLUSTER, &["a"])).unwrap();
    assert_eq!(drain(&mut stream), [["a=1"]]);
    stream.request(&subscribe(CLUSTER, &["a"])).unwrap();
    assert_eq!(drain(&mut stream), [["a=1"]]);
}

#[test]
fn answers_who_unsubscribes_from_a_name_that_the_wildcard_covers() {
    let mut stream = in_sync(&snapshot(&[(CLUSTER, &[("a", "1")])]));
    stream.request(&subscribe(CLUSTER, &["a", "b"])).unwrap();
    drain(&mut stream);
    stream.request(&unsubscribe(CLUSTER, &["a", "b"])).unwrap();
    assert_eq!(drain(&mut stream), [["a=1", "-b"]]);
}

#[test]
fn keeps_names_when_the_wildcard_ends() {
    let mut stream = in_sync(&snapshot(&[(CLUSTER, &[("a", "1"), ("b", "1")])]));
    stream.request(&subscribe(CLUSTER, &["a"])).unwrap();
    stream.request(&unsubscribe(CLUSTER, &["*"])).unwrap();
    drain(&mut stream);
    stream.update(snapshot(&[(CLUSTER, &[("a", "2"), ("b", "2")])]));
    assert_eq!(drain(&mut stream), [["a=2"]]);
}

#[test]
fn sends_nothing_of_what_a_returning_client_holds() {
    let snapshot = snapshot(&[(CLUSTER, &[("a", "1"), ("b", "2"), ("d", "1")])]);
    let version = |name: &str, content| {
        let version = resource(CLUSTER, name, content).version.to_string();
        (name.to_owned(), version)
    };
    let held = [version("a", "1"), version("b", "1"), version("c", "1")];
    for names in [&["*"][..], &["a", "b", "c", "d"]] {
        let mut stream = DeltaStream::new(snapshot.clone());
        let request = DeltaDiscoveryRequest {
            initial_resource_versions: held.clone().into(),
            ..subscribe(CLUSTER, names)
        };
        stream.request(&request).unwrap();
        assert_eq!(drain(&mut stream), [vec!["b=2", "d=1"], vec!["-c"]]);
    }
}

#[test]
fn sends_clusters_before_routes_and_removes_them_after() {
    let mut stream = in_sync(&snapshot(&[
        (CLUSTER, &[("old", "1")]),
        (ROUTES, &[("80", "old")]),
    ]));
    stream.update(snapshot(&[
        (ROUTES, &[("80", "new")]),
        (CLUSTER, &[("new", "1")]),
    ]));
    assert_eq!(drain(&mut stream), [["new=1"], ["80=new"], ["-old"]]);
}

#[test]
fn a_route_waits_for_clusters_that_wait_for_the_client() {
    let mut stream = in_sync(&snapshot(&[(CLUSTER, &[]), (ROUTES, &[])]));
    stream.update(snapshot(&[(CLUSTER, &[("a", "1")])]));
    let first = next(&mut stream);
    let both: &[(&str, &[(&str, &str)])] = &[
        (CLUSTER, &[("a", "1"), ("b", "1")]),
        (ROUTES, &[("80", "b")]),
    ];
    stream.update(snapshot(&[(CLUSTER, both[0].1), (ROUTES, both[1].1)]));
    nothing(&mut stream);
    stream.request(&ack(&first)).unwrap();
    assert_eq!(drain(&mut stream), [["b=1"], ["80=b"]]);
}

#[test]
fn assignments_do_not_wait_for_the_reply_to_clusters() {
    let with = |clusters| {
        snapshot(&[
            (CLUSTER, clusters),
            (ENDPOINTS, &[("a", "1"), ("b", "1")]),
            (ROUTES, &[("80", "a")]),
        ])
    };
    let mut stream = DeltaStream::new(with(&[("a", "1")]));
    stream.request(&subscribe(CLUSTER, &["*"])).unwrap();
    stream.request(&subscribe(ROUTES, &["80"])).unwrap();
    let clusters = next(&mut stream);
    // There is one more, which has to wait for the reply, and with it the routes.
    stream.update(with(&[("a", "1"), ("b", "1")]));
    nothing(&mut stream);
    stream.request(&subscribe(ENDPOINTS, &["a"])).unwrap();
    let assignments = next(&mut stream);
    assert_eq!(shown(&assignments), ["a=1"]);
    nothing(&mut stream);
    for response in [&clusters, &assignments] {
        stream.request(&ack(response)).unwrap();
    }
    assert_eq!(drain(&mut stream), [["b=1"], ["80=a"]]);
}

#[test]
fn sends_one_response_at_a_time_with_the_newest_state() {
    let mut stream = in_sync(&snapshot(&[(CLUSTER, &[("a", "1")])]));
    stream.update(snapshot(&[(CLUSTER, &[("a", "2")])]));
    let first = next(&mut stream);
    for content in ["3", "4", "5"] {
        stream.update(snapshot(&[(CLUSTER, &[("a", content)])]));
        nothing(&mut stream);
    }
    stream.request(&ack(&first)).unwrap();
    assert_eq!(drain(&mut stream), [["a=5"]]);
}

#[test]
fn sends_nothing_that_changed_back_in_the_meantime() {
    let mut stream = in_sync(&snapshot(&[(CLUSTER, &[("a", "1")])]));
    stream.request(&subscribe(CLUSTER, &["a"])).unwrap();
    let first = next(&mut stream);
    stream.update(snapshot(&[(CLUSTER, &[("a", "2")])]));
    stream.update(snapshot(&[(CLUSTER, &[("a", "1")])]));
    stream.request(&ack(&first)).unwrap();
    nothing(&mut stream);
}

#[test]
fn ignores_replies_with_another_nonce() {
    let mut stream = DeltaStream::new(snapshot(&[(CLUSTER, &[("a", "1")])]));
    stream.request(&subscribe(CLUSTER, &["a"])).unwrap();
    let response = next(&mut stream);
    stream.update(snapshot(&[(CLUSTER, &[("a", "2")])]));
    let wrong = DeltaDiscoveryResponse {
        nonce: "nonsense".to_owned(),
        ..response.clone()
    };
    assert_eq!(stream.request(&ack(&wrong)).unwrap(), None);
    nothing(&mut stream);
    assert!(stream.request(&ack(&response)).unwrap().is_some());
    // The same once more.
    assert_eq!(stream.request(&ack(&response)).unwrap(), None);
    assert_eq!(drain(&mut stream), [["a=2"]]);
}

#[test]
fn takes_names_from_a_request_whose_nonce_is_stale() {
    let mut stream = DeltaStream::new(snapshot(&[(CLUSTER, &[("a", "1")])]));
    stream.request(&subscribe(CLUSTER, &["b"])).unwrap();
    drain(&mut stream);
    let request = DeltaDiscoveryRequest {
        response_nonce: "stale".to_owned(),
        ..subscribe(CLUSTER, &["a"])
    };
    stream.request(&request).unwrap();
    assert_eq!(drain(&mut stream), [["a=1"]]);
}

#[test]
fn sends_a_refused_version_once_and_the_next_one_again() {
    let mut stream = in_sync(&snapshot(&[(CLUSTER, &[("a", "good")])]));
    stream.update(snapshot(&[(CLUSTER, &[("a", "bad")])]));
    let response = next(&mut stream);
    let reply = stream.request(&nack(&response, "no")).unwrap().unwrap();
    assert_eq!(reply.refusal.as_deref(), Some("no"));
    nothing(&mut stream);
    // Nor if something else changes.
    stream.update(snapshot(&[(CLUSTER, &[("a", "bad"), ("b", "1")])]));
    assert_eq!(drain(&mut stream), [["b=1"]]);
    // The client may have kept what it had, so this is sent.
    stream.update(snapshot(&[(CLUSTER, &[("a", "good"), ("b", "1")])]));
    assert_eq!(drain(&mut stream), [["a=good"]]);
}

#[test]
fn knows_which_versions_were_sent() {
    let mut stream = in_sync(&snapshot(&[(CLUSTER, &[("a", "1"), ("b", "1")])]));
    // Nobody is sent this while the client has something to answer.
    let new = snapshot(&[(CLUSTER, &[("a", "2"), ("b", "1"), ("c", "1")])]);
    stream.update(new.clone());
    let sent = |stream: &DeltaStream, name| stream.sent_version(CLUSTER, name);
    let version = |name, content| Some(resource(CLUSTER, name, content).version);
    assert_eq!(sent(&stream, "a"), version("a", "1"));
    assert_eq!(sent(&stream, "b"), version("b", "1"));
    assert_eq!(sent(&stream, "c"), None);
    drain(&mut stream);
    assert_eq!(sent(&stream, "a"), version("a", "2"));
    assert_eq!(sent(&stream, "c"), version("c", "1"));
    assert_eq!(stream.sent_version(ENDPOINTS, "a"), None);
    let mut other = DeltaStream::new(new);
    other.request(&subscribe(CLUSTER, &["a"])).unwrap();
    assert_eq!((sent(&other, "a"), sent(&other, "b")), (None, None));
}

#[test]
fn divides_what_is_large() {
    let content = "x".repeat(1 << 18);
    let large = (0..9).map(|index| resource(CLUSTER, &format!("{index}"), &content));
    let snapshot = Snapshot::new().with(CLUSTER, resources(large));
    let mut stream = DeltaStream::new(snapshot.with(LISTENER, set(LISTENER, &[("l", "1")])));
    for type_url in [LISTENER, CLUSTER] {
        stream.request(&subscribe(type_url, &["*"])).unwrap();
    }
    let sizes: Vec<_> = drain(&mut stream).iter().map(Vec::len).collect();
    assert_eq!(sizes, [2, 2, 2, 2, 1, 1]);
}

/// Keeps what it was told.
#[derive(Default)]
struct Notes(Mutex<Vec<String>>);

impl Observer for Notes {
    fn sent(&self, _: &str, nonce: &str, resources: usize, removed: usize) {
        let mut notes = self.0.lock().unwrap();
        notes.push(format!("sent {nonce}: {resources}, {removed}"));
    }

    fn withheld(&self, _: &str, name: &str, bytes: usize) {
        self.0
            .lock()
            .unwrap()
            .push(format!("withheld {name}: {bytes}"));
    }
}

#[test]
fn withholds_what_is_too_large_and_says_so() {
    let bytes = limits::MAX_RESOURCE_BYTES + 1;
    let all = [
        resource(CLUSTER, "huge", &"x".repeat(bytes)),
        resource(CLUSTER, "small", "1"),
    ];
    let mut stream = DeltaStream::new(Snapshot::new().with(CLUSTER, resources(all)));
    stream.request(&subscribe(CLUSTER, &["*"])).unwrap();
    let notes = Notes::default();
    while let Some(response) = stream.next(&notes) {
        stream.request(&ack(&response)).unwrap();
    }
    assert_eq!(
        *notes.0.lock().unwrap(),
        [format!("withheld huge: {bytes}"), "sent 1: 1, 1".to_owned(),]
    );
}

#[test]
fn refuses_a_flood_of_names() {
    let mut stream = DeltaStream::new(Snapshot::new());
    let many: Vec<String> = (0..=limits::MAX_NAMES)
        .map(|index| index.to_string())
        .collect();
    let mut request = subscribe(CLUSTER, &[]);
    request.resource_names_subscribe = many;
    assert_eq!(
        stream.request(&request),
        Err(StreamError::TooManyNames {
            type_url: CLUSTER.to_owned()
        })
    );
}

#[test]
fn refuses_names_and_types_that_can_not_be() {
    let long = "x".repeat(5_000);
    for (request, is_expected) in [
        (subscribe(CLUSTER, &[""]), "name"),
        (subscribe(CLUSTER, &[&long]), "name"),
        (subscribe("", &["a"]), "type_url"),
        (subscribe(&long, &["a"]), "type_url"),
    ] {
        let error = DeltaStream::new(Snapshot::new())
            .request(&request)
            .unwrap_err();
        assert!(error.to_string().contains(is_expected), "{error}");
    }
}

#[test]
fn refuses_types_that_the_server_does_not_know() {
    let mut stream = DeltaStream::new(snapshot(&[("type/known", &[])]));
    assert!(stream.request(&subscribe("type/known", &["a"])).is_ok());
    assert!(stream.request(&subscribe(LISTENER, &["a"])).is_ok());
    assert_eq!(
        stream.request(&subscribe("type/other", &["a"])),
        Err(StreamError::UnknownType("type/other".to_owned()))
    );
}

#[test]
fn refuses_names_that_take_too_much_memory_together() {
    let mut stream = DeltaStream::new(Snapshot::new());
    let refusal = [CLUSTER, LISTENER, ROUTES].iter().find_map(|type_url| {
        let name = |index| format!("{index:0>500}");
        let mut request = subscribe(type_url, &[]);
        request.resource_names_subscribe = (0..4_000).map(name).collect();
        stream.request(&request).err()
    });
    assert_eq!(refusal, Some(StreamError::TooMuch));
}

#[test]
fn takes_the_names_of_all_assignments_of_a_large_mesh() {
    let all: Vec<String> = (0..limits::MAX_ASSIGNMENTS)
        .map(|index| format!("outbound|80||service-{index}.shop.svc.cluster.local"))
        .collect();
    let of = |name: &String| resource(ENDPOINTS, name, "1");
    let snapshot = Snapshot::new().with(ENDPOINTS, resources(all.iter().map(of)));
    let mut stream = DeltaStream::new(snapshot);
    let mut request = subscribe(ENDPOINTS, &[]);
    request.resource_names_subscribe = all;
    assert_eq!(stream.request(&request), Ok(None));
    let one_more = stream.request(&subscribe(ENDPOINTS, &["x"]));
    assert!(matches!(one_more, Err(StreamError::TooManyNames { .. })));
}

#[test]
fn keeps_what_names_share_with_the_snapshot() {
    let snapshot = snapshot(&[(CLUSTER, &[("a", "1")])]);
    let one: &Resource = snapshot.get(CLUSTER).unwrap().get("a").unwrap();
    let mut stream = DeltaStream::new(snapshot.clone());
    stream.request(&subscribe(CLUSTER, &["a"])).unwrap();
    let response = next(&mut stream);
    let sent = response.resources[0].resource.as_ref().unwrap();
    assert_eq!(sent.value.as_ptr(), one.body.value.as_ptr());
}

#[test]
fn versions_that_come_with_later_names_count() {
    let snapshot = snapshot(&[(CLUSTER, &[("a", "1"), ("b", "1"), ("c", "1")])]);
    let version = |name: &str| {
        snapshot
            .get(CLUSTER)
            .unwrap()
            .get(name)
            .unwrap()
            .version
            .to_string()
    };
    let mut stream = DeltaStream::new(snapshot.clone());
    let mut resume = |names: &[&str], held: &[&str]| {
        let mut request = subscribe(CLUSTER, names);
        let held = held.iter().map(|name| ((*name).to_owned(), version(name)));
        request.initial_resource_versions = held.collect();
        stream.request(&request).unwrap();
    };
    resume(&["a"], &["a"]);
    resume(&["b", "c"], &["b"]);
    assert_eq!(shown(&next(&mut stream)), ["c=1"]);
    assert!(stream.next(&()).is_none());
}

#[test]
fn a_resource_that_became_too_large_stays_as_it_was_held() {
    let mut stream = DeltaStream::new(snapshot(&[(CLUSTER, &[("a", "1")])]));
    stream.request(&subscribe(CLUSTER, &["a"])).unwrap();
    let response = next(&mut stream);
    stream.request(&ack(&response)).unwrap();
    let huge = "x".repeat(limits::MAX_RESOURCE_BYTES + 1);
    stream.update(snapshot(&[(CLUSTER, &[("a", &huge)])]));
    let response = next(&mut stream);
    assert!(shown(&response).is_empty());
    stream.request(&ack(&response)).unwrap();
    stream.update(snapshot(&[(CLUSTER, &[("a", "2")])]));
    assert_eq!(shown(&next(&mut stream)), ["a=2"]);
}

#[test]
fn a_changed_cluster_brings_its_assignment_again() {
    let with = |cluster| {
        snapshot(&[
            (CLUSTER, &[("a", cluster), ("b", "1")]),
            (ENDPOINTS, &[("a", "1"), ("b", "1")]),
        ])
    };
    let mut stream = DeltaStream::new(with("1"));
    stream.request(&subscribe(CLUSTER, &["*"])).unwrap();
    stream.request(&subscribe(ENDPOINTS, &["a", "b"])).unwrap();
    drain(&mut stream);
    stream.update(with("2"));
    assert_eq!(drain(&mut stream), [["a=2"], ["a=1"]]);
}
