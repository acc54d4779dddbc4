//! Node's servers, and its own clients.

use crate::{
    nginx,
    pair::Pair,
    pod::{Pod, Server},
};

const SERVER: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/strangers/node-server.js"
);
const CLIENT: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/strangers/node-client.js"
);

/// Starts the servers.
pub fn start(pod: &Pod) -> Server<'_> {
    pod.serve("node", &format!("node {SERVER}"), &[8080, 8199, 8082])
}

/// Has a client run a test of its file.
fn ask(pods: &Pair, test: &str) {
    pods.client.sh(&format!("node {CLIENT} {test}"));
}

#[test]
fn an_agent_s_connection_is_kept_all_the_way() {
    let pods = pods!();
    let _node = start(&pods.server);
    ask(&pods, "reuse");
    pods.carried(&[("200", 30)]);
}

#[test]
fn twenty_connections_carry_two_hundred_requests() {
    let pods = pods!();
    let _node = start(&pods.server);
    ask(&pods, "many");
    pods.carried(&[("200", 200)]);
}

#[test]
fn no_request_fails_when_the_server_s_keep_alive_ends() {
    let pods = pods!();
    let _node = start(&pods.server);
    ask(&pods, "pauses");
    pods.carried(&[("200", 180)]);
}

#[test]
fn early_hints_and_trailers_are_passed_on() {
    let pods = pods!();
    let _node = start(&pods.server);
    ask(&pods, "hints");
    ask(&pods, "trailers");
    pods.carried(&[("200", 2)]);
}

#[test]
fn a_response_that_breaks_off_breaks_off_for_the_client() {
    let pods = pods!();
    let _node = start(&pods.server);
    ask(&pods, "cut");
    pods.carried_by("response_flags", &[("UC", 50)]);
    pods.carried(&[("200", 50)]);
}

#[test]
fn a_stream_that_breaks_off_breaks_off_for_the_client() {
    let pods = pods!();
    let _node = start(&pods.server);
    ask(&pods, "cutStream");
    pods.carried_by("response_flags", &[("UR", 50)]);
    pods.carried(&[("200", 50)]);
}

#[test]
fn an_upgraded_connection_carries_bytes_both_ways() {
    let pods = pods!();
    let _node = start(&pods.server);
    ask(&pods, "upgrade");
    pods.carried(&[("101", 1)]);
}

#[test]
fn streams_of_http_2_send_both_ways_at_once() {
    let pods = pods!();
    let _node = start(&pods.server);
    ask(&pods, "streams");
    pods.carried(&[("200", 20)]);
}

/// nginx, and its files for the client to compare.
fn start_nginx(pods: &Pair) -> Server<'_> {
    let nginx = nginx::start(&pods.server);
    let files = pods.server.folder().join("files");
    let expected = pods.client.folder().join("expected");
    pods.client
        .sh(&format!("cp -r {} {}", files.display(), expected.display()));
    nginx
}

#[test]
fn streams_of_nginx_share_a_connection_all_the_way() {
    let pods = pods!();
    let _nginx = start_nginx(&pods);
    ask(&pods, "nginx");
    let requests = nginx::requests(&pods.server, 20);
    assert!(requests.iter().all(|it| it.contains(" HTTP/2.0 GET")));
    assert_eq!(nginx::connections(&requests), 1, "{requests:#?}");
    pods.carried(&[("200", 20)]);
}

#[test]
fn a_server_may_end_its_connections_after_a_few_requests() {
    let pods = pods!();
    let _nginx = start_nginx(&pods);
    ask(&pods, "few");
    let requests = nginx::requests(&pods.server, 100);
    assert!(nginx::connections(&requests) >= 8, "{requests:#?}");
    pods.carried(&[("200", 100)]);
}

#[test]
fn a_server_may_end_its_connections_while_requests_are_on_their_way() {
    let pods = pods!();
    let _nginx = start_nginx(&pods);
    ask(&pods, "crowd");
    let requests = nginx::requests(&pods.server, 50);
    assert!(nginx::connections(&requests) > 1, "{requests:#?}");
    pods.carried(&[("200", 50)]);
}

#[test]
fn uploads_are_sent_again_where_the_server_has_not_taken_them() {
    let pods = pods!();
    let _nginx = nginx::start(&pods.server);
    ask(&pods, "uploads");
    pods.carried(&[("201", 50)]);
}
