//! The client's end.

use std::sync::Arc;

use pillion_envoy_api::envoy::{
    config::core::v3::Node,
    service::discovery::v3::{DeltaDiscoveryRequest, DeltaDiscoveryResponse, Resource as Sent},
};
use pillion_xds::{
    client::{Client, ProtocolError, Refusal, SubscribeError, Update},
    limits,
    server::DeltaStream,
};
use prost::Message as _;

use crate::support::*;

fn client() -> Client {
    Client::new(Node {
        id: "sidecar~10.0.0.1~a.b~b.svc.cluster.local".to_owned(),
        ..Node::default()
    })
}

/// A client on a stream, which has asked for these names of clusters.
fn subscribed(all: &[&str]) -> Client {
    let mut client = client();
    client.subscribe(CLUSTER, names(all)).unwrap();
    client.connected();
    client.next_request().unwrap();
    client
}

fn response(nonce: &str, all: &[(&str, &str)], removed: &[&str]) -> DeltaDiscoveryResponse {
    let sent = |(name, content): &(&str, &str)| {
        let resource = resource(CLUSTER, name, content);
        Sent {
            name: resource.name.to_string(),
            version: resource.version.to_string(),
            resource: Some(resource.body),
            ..Sent::default()
        }
    };
    DeltaDiscoveryResponse {
        type_url: CLUSTER.to_owned(),
        nonce: nonce.to_owned(),
        resources: all.iter().map(sent).collect(),
        removed_resources: removed.iter().map(ToString::to_string).collect(),
        ..DeltaDiscoveryResponse::default()
    }
}

fn receive(client: &mut Client, response: DeltaDiscoveryResponse) -> Update {
    client.receive(response).unwrap().expect("an update")
}

fn changed(update: &Update) -> Vec<&str> {
    update.changed.iter().map(|one| &*one.name).collect()
}

fn held(client: &Client) -> Vec<String> {
    client
        .held(CLUSTER)
        .keys()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn introduces_itself_once_and_asks_for_its_names() {
    let mut client = client();
    client.subscribe(LISTENER, names(&["*"])).unwrap();
    client.subscribe(CLUSTER, names(&["b", "a"])).unwrap();
    client.connected();
    let first = client.next_request().unwrap();
    assert_eq!(
        first.node.unwrap().id,
        "sidecar~10.0.0.1~a.b~b.svc.cluster.local"
    );
    assert_eq!(first.type_url, CLUSTER);
    assert_eq!(first.resource_names_subscribe, ["a", "b"]);
    assert_eq!(client.next_request(), Some(subscribe(LISTENER, &["*"])));
    assert_eq!(client.next_request(), None);
}

#[test]
fn opens_no_type_without_names() {
    let mut client = client();
    client.subscribe(CLUSTER, names(&["a"])).unwrap();
    client.unsubscribe(CLUSTER, names(&["a"]));
    client.connected();
    assert_eq!(client.next_request(), None);
}

#[test]
fn asks_only_for_what_is_new() {
    let mut client = subscribed(&["a"]);
    client.subscribe(CLUSTER, names(&["a", "b"])).unwrap();
    assert_eq!(client.next_request(), Some(subscribe(CLUSTER, &["b"])));
    client.unsubscribe(CLUSTER, names(&["c", "a"]));
    assert_eq!(client.next_request(), Some(unsubscribe(CLUSTER, &["a"])));
    assert_eq!(client.next_request(), None);
}

#[test]
fn says_nothing_of_a_name_that_came_and_went() {
    let mut client = subscribed(&["a"]);
    client.subscribe(CLUSTER, names(&["b"])).unwrap();
    client.unsubscribe(CLUSTER, names(&["b"]));
    assert_eq!(client.next_request(), None);
}

#[test]
fn asks_again_for_a_name_that_went_and_came() {
    let mut client = subscribed(&["a"]);
    client.unsubscribe(CLUSTER, names(&["a"]));
    client.subscribe(CLUSTER, names(&["a"])).unwrap();
    assert_eq!(client.next_request(), Some(unsubscribe(CLUSTER, &["a"])));
    assert_eq!(client.next_request(), Some(subscribe(CLUSTER, &["a"])));
}

#[test]
fn acknowledges_before_it_asks_for_more() {
    let mut client = subscribed(&["a"]);
    let update = receive(&mut client, response("1", &[("a", "1")], &[]));
    client.subscribe(CLUSTER, names(&["b"])).unwrap();
    client.ack(CLUSTER, &update.nonce);
    let first = client.next_request().unwrap();
    assert_eq!(first.response_nonce, "1");
    assert!(first.resource_names_subscribe.is_empty() && first.error_detail.is_none());
    assert_eq!(client.next_request(), Some(subscribe(CLUSTER, &["b"])));
}

#[test]
fn resumes_with_the_versions_that_it_accepted() {
    let mut client = subscribed(&["a", "b", "c"]);
    receive(
        &mut client,
        response("1", &[("a", "1"), ("b", "1")], &["c"]),
    );
    client.ack(CLUSTER, "1");
    client.connected();
    let request = client.next_request().unwrap();
    let version = |name| resource(CLUSTER, name, "1").version.to_string();
    assert_eq!(request.resource_names_subscribe, ["a", "b", "c"]);
    assert_eq!(
        request.initial_resource_versions,
        [
            ("a".to_owned(), version("a")),
            ("b".to_owned(), version("b"))
        ]
        .into()
    );
    assert_eq!(request.response_nonce, "");
}

#[test]
fn refuses_by_name_and_version_and_keeps_what_it_had() {
    let mut client = subscribed(&["a", "b"]);
    receive(&mut client, response("1", &[("a", "1")], &[]));
    client.ack(CLUSTER, "1");
    client.next_request().unwrap();
    receive(&mut client, response("2", &[("a", "2"), ("b", "1")], &[]));
    let version = |content| resource(CLUSTER, "a", content).version;
    let refusal = Refusal {
        name: "a".into(),
        version: version("2"),
        reason: "type: LOGICAL_DNS is not supported".to_owned(),
        is_used: false,
    };
    client.nack(CLUSTER, "2", &[refusal]);
    let error = client.next_request().unwrap().error_detail.unwrap();
    assert_eq!(error.code, 3);
    assert_eq!(
        error.message,
        format!("a@{}: type: LOGICAL_DNS is not supported", version("2"))
    );
    assert_eq!(client.held(CLUSTER)["a"], version("1"));
    assert_eq!(held(&client), ["a", "b"]);
}

#[test]
fn tells_of_nothing_that_it_holds_or_did_not_ask_for() {
    let mut client = subscribed(&["a"]);
    let update = receive(
        &mut client,
        response("1", &[("a", "1"), ("b", "1")], &["c"]),
    );
    assert_eq!(changed(&update), ["a"]);
    assert!(update.removed.is_empty());
    client.ack(CLUSTER, "1");
    let update = receive(&mut client, response("2", &[("a", "1")], &[]));
    assert_eq!(changed(&update), [""; 0]);
}

#[test]
fn holds_what_it_answers_after_it_has_subscribed_again() {
    let mut client = subscribed(&["a", "b"]);
    receive(&mut client, response("1", &[("a", "1"), ("b", "1")], &[]));
    client.unsubscribe(CLUSTER, names(&["a", "b"]));
    client.subscribe(CLUSTER, names(&["a"])).unwrap();
    client.ack(CLUSTER, "1");
    assert_eq!(held(&client), ["a"]);
}

#[test]
fn tells_anew_of_what_it_forgot() {
    let mut client = subscribed(&["a"]);
    receive(&mut client, response("1", &[("a", "1")], &[]));
    client.ack(CLUSTER, "1");
    client.unsubscribe(CLUSTER, names(&["a"]));
    client.subscribe(CLUSTER, names(&["a"])).unwrap();
    assert_eq!(held(&client), [""; 0]);
    let update = receive(&mut client, response("2", &[("a", "1")], &[]));
    assert_eq!(changed(&update), ["a"]);
}

#[test]
fn an_unanswered_update_is_asked_for_on_the_next_stream() {
    let mut client = subscribed(&["a"]);
    receive(&mut client, response("1", &[("a", "1")], &[]));
    client.ack(CLUSTER, "1");
    receive(&mut client, response("2", &[], &["a"]));
    client.connected();
    assert!(
        client
            .next_request()
            .unwrap()
            .initial_resource_versions
            .is_empty()
    );
    // Too late.
    client.ack(CLUSTER, "2");
    assert_eq!(client.next_request(), None);
}

#[test]
fn keeps_no_response_in_memory_for_a_part_of_it() {
    let mut client = subscribed(&["a"]);
    let response = response("1", &[("a", "1")], &[]);
    let sent = response.resources[0]
        .resource
        .as_ref()
        .unwrap()
        .value
        .as_ptr();
    let update = receive(&mut client, response);
    assert_ne!(update.changed[0].body.value.as_ptr(), sent);
}

/// What the client says of a response that it refuses by itself.
fn refusal(change: impl FnOnce(&mut DeltaDiscoveryResponse)) -> String {
    let mut client = subscribed(&["*"]);
    let mut response = response("1", &[("a", "1"), ("b", "1")], &[]);
    change(&mut response);
    assert_eq!(client.receive(response).unwrap(), None);
    let request: DeltaDiscoveryRequest = client.next_request().unwrap();
    assert_eq!(request.response_nonce, "1");
    assert_eq!(held(&client), [""; 0]);
    request.error_detail.unwrap().message
}

#[test]
fn refuses_half_a_resource() {
    let text = refusal(|response| response.resources[1].resource = None);
    assert_eq!(text, "b: the resource has no body");
    let text = refusal(|response| response.resources[1].name.clear());
    assert!(text.contains("no name"), "{text}");
    let text = refusal(|response| {
        response.resources[1].resource.as_mut().unwrap().type_url = LISTENER.to_owned();
    });
    assert!(text.starts_with("b: expected the type"), "{text}");
}

#[test]
fn refuses_what_is_there_twice() {
    let text = refusal(|response| response.resources[1].name = "a".to_owned());
    assert!(text.contains("two of this name"), "{text}");
    let text = refusal(|response| response.removed_resources = vec!["b".to_owned()]);
    assert!(text.contains("two of this name"), "{text}");
}

#[test]
fn refuses_names_and_versions_that_are_too_long() {
    let text = refusal(|response| response.resources[1].name = "x".repeat(5_000));
    assert!(text.contains("no name"), "{text}");
    let text = refusal(|response| response.resources[1].version = "x".repeat(5_000));
    assert!(text.contains("version"), "{text}");
    let text = refusal(|response| response.removed_resources = vec!["x".repeat(5_000)]);
    assert!(text.contains("no name"), "{text}");
}

#[test]
fn ends_a_stream_that_it_can_not_answer() {
    let mut client = subscribed(&["a"]);
    assert_eq!(
        client.receive(response("", &[("a", "1")], &[])),
        Err(ProtocolError::NoNonce)
    );
    let other = DeltaDiscoveryResponse {
        type_url: LISTENER.to_owned(),
        ..response("1", &[], &[])
    };
    assert_eq!(
        client.receive(other),
        Err(ProtocolError::NotAskedFor(LISTENER.to_owned()))
    );
}

#[test]
fn takes_only_so_many_responses_at_a_time() {
    let mut client = subscribed(&["a"]);
    let mut count = 0;
    while client.can_receive() {
        count += 1;
        receive(
            &mut client,
            response(&count.to_string(), &[("a", "1")], &[]),
        );
    }
    assert_eq!(count, 8);
    assert_eq!(
        client.receive(response("9", &[], &[])),
        Err(ProtocolError::TooMany)
    );
    client.ack(CLUSTER, "1");
    assert!(client.can_receive());
}

#[test]
fn subscribes_to_so_many_names_only() {
    let mut client = client();
    let many = (0..limits::MAX_NAMES).map(|index| index.to_string().into());
    client.subscribe(CLUSTER, many).unwrap();
    let (name, error) = client.subscribe(CLUSTER, names(&["0", "x"])).unwrap_err();
    assert_eq!(
        (&*name, error),
        ("x", SubscribeError::TooManyNames(limits::MAX_NAMES))
    );
    let (_, error) = client.subscribe(LISTENER, names(&[""])).unwrap_err();
    assert_eq!(error, SubscribeError::BadName);
}

#[test]
fn resumes_more_names_than_fit_into_one_request() {
    let mut client = client();
    let all: Vec<Arc<str>> = (0..40_000)
        .map(|index| format!("outbound|80||service-{index}.shop.svc.cluster.local").into())
        .collect();
    client.subscribe(ENDPOINTS, all.clone()).unwrap();
    while client.next_request().is_some() {}
    let resources =
        all.iter().map(
            |name| pillion_envoy_api::envoy::service::discovery::v3::Resource {
                name: name.to_string(),
                version: format!("{:032x}", name.len()),
                resource: Some(resource(ENDPOINTS, name, "1").body),
                ..Default::default()
            },
        );
    let response = DeltaDiscoveryResponse {
        type_url: ENDPOINTS.to_owned(),
        nonce: "1".to_owned(),
        resources: resources.collect(),
        ..DeltaDiscoveryResponse::default()
    };
    client.receive(response).unwrap().unwrap();
    client.ack(ENDPOINTS, "1");
    client.connected();
    let (mut names, mut versions) = (0, 0);
    while let Some(request) = client.next_request() {
        assert!(prost::Message::encoded_len(&request) < limits::MAX_REQUEST_BYTES);
        names += request.resource_names_subscribe.len();
        versions += request.initial_resource_versions.len();
    }
    assert_eq!((names, versions), (all.len(), all.len()));
}

/// A client that has taken `a=1` and then `a=2`, of which it uses a part or nothing.
fn refused(is_used: bool) -> Client {
    let mut client = subscribed(&["a"]);
    receive(&mut client, response("1", &[("a", "1")], &[]));
    client.ack(CLUSTER, "1");
    receive(&mut client, response("2", &[("a", "2")], &[]));
    client.nack(CLUSTER, "2", &[refusal_of("a", "2", is_used)]);
    client
}

/// The refusal of what has that content.
fn refusal_of(name: &str, content: &str, is_used: bool) -> Refusal {
    Refusal {
        name: name.into(),
        version: resource(CLUSTER, name, content).version,
        reason: "routes[1]: bad".to_owned(),
        is_used,
    }
}

/// A client that has taken `a=1` and refuses it with its answer to a later response, of these
/// resources.
fn refused_late(sent: &[(&str, &str)], removed: &[&str]) -> Client {
    let mut client = subscribed(&["a", "b"]);
    receive(&mut client, response("1", &[("a", "1")], &[]));
    client.ack(CLUSTER, "1");
    client.next_request().unwrap();
    receive(&mut client, response("2", sent, removed));
    client.nack(CLUSTER, "2", &[refusal_of("a", "1", false)]);
    client
}

#[test]
fn a_late_refusal_names_the_version_that_it_is_about_and_is_repeated() {
    let mut client = refused_late(&[("b", "1")], &[]);
    let version = resource(CLUSTER, "a", "1").version;
    let error = client.next_request().unwrap().error_detail.unwrap();
    assert_eq!(error.message, format!("a@{version}: routes[1]: bad"));
    assert_eq!(held(&client), ["a", "b"]);
    client.connected();
    let claims = client.next_request().unwrap().initial_resource_versions;
    assert_eq!(claims["a"], "");
    assert_eq!(claims["b"], *resource(CLUSTER, "b", "1").version);
    // It is looked at once more.
    let update = receive(&mut client, response("3", &[("a", "1")], &[]));
    assert_eq!(changed(&update), ["a"]);
}

#[test]
fn a_late_refusal_is_not_one_of_the_version_that_came_instead() {
    let mut client = refused_late(&[("a", "2")], &[]);
    client.connected();
    let claims = client.next_request().unwrap().initial_resource_versions;
    assert_eq!(claims["a"], *resource(CLUSTER, "a", "2").version);
    let mut client = refused_late(&[], &["a"]);
    client.connected();
    let claims = client.next_request().unwrap().initial_resource_versions;
    assert!(claims.is_empty(), "{claims:?}");
}

#[test]
fn hears_that_the_server_has_turned_back_from_what_was_refused() {
    for is_used in [true, false] {
        let mut client = refused(is_used);
        let version = resource(CLUSTER, "a", if is_used { "2" } else { "1" }).version;
        assert_eq!(client.held(CLUSTER)["a"], version);
        let update = receive(&mut client, response("3", &[("a", "1")], &[]));
        assert_eq!(changed(&update), ["a"]);
        client.ack(CLUSTER, "3");
        // From here on, it is held as any other.
        let update = receive(&mut client, response("4", &[("a", "1")], &[]));
        assert_eq!(changed(&update), [""; 0]);
    }
}

#[test]
fn asks_again_for_what_was_refused() {
    for is_used in [true, false] {
        let mut client = refused(is_used);
        client.connected();
        let request = client.next_request().unwrap();
        assert_eq!(request.initial_resource_versions["a"], "");
    }
}

#[test]
fn says_of_no_more_that_it_is_held_than_a_server_accepts() {
    let mut client = Client::new(Node::default());
    client.subscribe(CLUSTER, names(&["*"])).unwrap();
    client.connected();
    client.next_request().unwrap();
    let long = "x".repeat(80);
    let all: Vec<String> = (0..100_000).map(|index| format!("{long}{index}")).collect();
    let all: Vec<(&str, &str)> = all.iter().map(|name| (&**name, "1")).collect();
    receive(&mut client, response("1", &all, &[]));
    client.ack(CLUSTER, "1");
    client.connected();
    let request = client.next_request().unwrap();
    assert!(request.encoded_len() <= limits::MAX_REQUEST_BYTES);
    let claims = request.initial_resource_versions.len();
    assert!((10_000..100_000).contains(&claims), "{claims}");
    let snapshot = snapshot(&[(CLUSTER, &all)]);
    let mut server = DeltaStream::new(snapshot);
    server.request(&request).unwrap();
    let mut sent = 0;
    while let Some(response) = server.next(&()) {
        sent += response.resources.len();
        server.request(&ack(&response)).unwrap();
    }
    assert_eq!(sent, 100_000 - claims);
}
