//! curl asks nginx.

use std::fs;

use crate::{
    namespace::python,
    nginx::{self, SIZE, WORDS},
    node,
    pair::{Pair, SERVER, assert_file, bytes},
    pod::wait_for,
};

const HTTP1: &str = "http://10.9.0.2:8080";
const HTTP2: &str = "http://10.9.0.2:8081";

/// Runs curl, and returns what it prints.
fn curl(pods: &Pair, arguments: &str) -> String {
    pods.client.sh(&format!("curl -sS -m 30 {arguments}"))
}

#[test]
fn files_come_whole_in_part_and_not_at_all() {
    let pods = pods!();
    let _nginx = nginx::start(&pods.server);
    curl(&pods, &format!("-o whole {HTTP1}/numbers"));
    assert_file(&pods.client, "whole", &bytes(SIZE));
    curl(&pods, &format!("-o part -r 1000-1999 {HTTP1}/numbers"));
    assert_file(&pods.client, "part", &bytes(SIZE)[1000..2000]);
    let parts = curl(&pods, &format!("-i -r 0-1,10-11 {HTTP1}/words.txt"));
    assert!(parts.contains("multipart/byteranges"), "{parts}");
    let words = curl(&pods, &format!("--compressed {HTTP1}/words.txt"));
    assert!(words == WORDS.repeat(1000));
    let status = "-o /dev/null -w '%{http_code} %{http_version} %header{content-length}'";
    let head = curl(&pods, &format!("-I {status} {HTTP1}/numbers"));
    assert_eq!(head, "200 1.1 3000000");
    let beyond = curl(&pods, &format!("-r 9000000- {status} {HTTP1}/numbers"));
    assert!(beyond.starts_with("416"), "{beyond}");
    curl(
        &pods,
        &format!("--etag-save etag -o /dev/null {HTTP1}/words.txt"),
    );
    let known = curl(
        &pods,
        &format!("--etag-compare etag {status} {HTTP1}/words.txt"),
    );
    assert!(known.starts_with("304"), "{known}");
    let nothing = curl(&pods, &format!("{status} {HTTP1}/nothing"));
    assert!(nothing.starts_with("204"), "{nothing}");
    let moved = curl(&pods, &format!("-L -o moved {HTTP1}/moved"));
    assert_eq!(moved, "");
    assert_file(&pods.client, "moved", &bytes(SIZE));
    let absent = curl(&pods, &format!("{status} {HTTP1}/absent"));
    assert!(absent.starts_with("404"), "{absent}");
    pods.carried(&[
        ("200", 5),
        ("204", 1),
        ("206", 2),
        ("301", 1),
        ("304", 1),
        ("404", 1),
        ("416", 1),
    ]);
}

#[test]
fn requests_of_one_connection_reach_the_server_by_one() {
    let pods = pods!();
    let _nginx = nginx::start(&pods.server);
    let urls = format!("-o /dev/null {HTTP1}/words.txt ").repeat(20);
    let said = curl(&pods, &format!("{urls} -w '%{{num_connects}} '"));
    assert_eq!(said, format!("1 {}", "0 ".repeat(19)));
    let requests = nginx::requests(&pods.server, 20);
    assert_eq!(nginx::connections(&requests), 1, "{requests:#?}");
    pods.carried(&[("200", 20)]);
}

/// Each on a connection of its own: this curl fails with a second one of HTTP/2 also
/// without a proxy.
#[test]
fn http_2_has_heads_ranges_and_uploads_too() {
    let pods = pods!();
    let _nginx = nginx::start(&pods.server);
    let status = "--http2-prior-knowledge -o /dev/null -w '%{http_code}'";
    let head = curl(&pods, &format!("-I {status} {HTTP2}/numbers"));
    assert_eq!(head, "200");
    let part = "-r 1000-1999 -o part --http2-prior-knowledge";
    curl(&pods, &format!("{part} {HTTP2}/numbers"));
    assert_file(&pods.client, "part", &bytes(SIZE)[1000..2000]);
    let sent = bytes(5_000_001);
    fs::write(pods.client.folder().join("sent"), &sent).unwrap();
    assert_eq!(curl(&pods, &format!("-T sent {status} {HTTP2}/put")), "201");
    assert_file(&pods.server, "files/put", &sent);
    let piped = "cat sent | curl -sS -m 30 -T - ";
    let piped = pods.client.sh(&format!("{piped} {status} {HTTP2}/piped"));
    assert_eq!(piped, "201");
    assert_file(&pods.server, "files/piped", &sent);
    pods.carried(&[("200", 1), ("201", 2), ("206", 1)]);
}

/// A client outside the mesh: the user whose traffic is not captured.
const OUTSIDE: &str = "setpriv --reuid 1337 --clear-groups";

/// The client's sidecar asks the server's in HTTP/1.1.
#[test]
fn clients_of_http_1_0_are_served_in_the_mesh_and_outside_if_so_told() {
    let pods = pods!(&[], &[("ISTIO_META_HTTP10", "1")]);
    let _nginx = nginx::start(&pods.server);
    for client in ["", OUTSIDE] {
        let script = format!("{client} curl -sS -m 30 -0 {HTTP1}/numbers >old");
        pods.client.sh(&script);
        assert_file(&pods.client, "old", &bytes(SIZE));
    }
    pods.client.has_counted("response_code", &[("200", 1)]);
    pods.server.has_counted("response_code", &[("200", 2)]);
}

#[test]
fn clients_of_http_1_0_outside_the_mesh_are_asked_for_a_newer_one() {
    let pods = pods!();
    let _nginx = nginx::start(&pods.server);
    let options = "-sS -m 30 -0 -o /dev/null -w '%{http_code}'";
    let outside = format!("{OUTSIDE} curl {options} {HTTP1}/numbers");
    assert_eq!(pods.client.sh(&outside), "426");
    pods.client.has_counted("response_code", &[]);
    pods.server.has_counted("response_code", &[("426", 1)]);
}

#[test]
fn an_upload_waits_for_100_continue() {
    let pods = pods!();
    let _nginx = nginx::start(&pods.server);
    let sent = bytes(8_000_001);
    fs::write(pods.client.folder().join("sent"), &sent).unwrap();
    let options = "-v --expect100-timeout 20 -H 'Expect: 100-continue' -T sent";
    let said = curl(&pods, &format!("{options} {HTTP1}/put"));
    assert!(said.contains("< HTTP/1.1 100 Continue"), "{said}");
    assert!(said.contains("< HTTP/1.1 201 Created"), "{said}");
    assert_file(&pods.server, "files/put", &sent);
    pods.carried(&[("201", 1)]);
}

#[test]
fn uploads_come_with_a_length_and_in_chunks() {
    let pods = pods!();
    let _nginx = nginx::start(&pods.server);
    let sent = bytes(5_000_001);
    fs::write(pods.client.folder().join("sent"), &sent).unwrap();
    let options = "-H Expect: -w '%{http_code}'";
    assert_eq!(
        curl(&pods, &format!("{options} -T sent {HTTP1}/put")),
        "201"
    );
    assert_file(&pods.server, "files/put", &sent);
    let script = format!("cat sent | curl -sS -m 30 {options} -T - {HTTP1}/chunks");
    assert_eq!(pods.client.sh(&script), "201");
    assert_file(&pods.server, "files/chunks", &sent);
    pods.carried(&[("201", 2)]);
}

#[test]
fn a_refusal_reaches_a_client_that_is_still_sending() {
    let pods = pods!();
    let _nginx = nginx::start(&pods.server);
    fs::write(pods.client.folder().join("sent"), bytes(8_000_001)).unwrap();
    let options = "-o /dev/null -w '%{http_code}' -T sent";
    for expect in ["100-continue", ""] {
        let said = curl(
            &pods,
            &format!("{options} -H 'Expect: {expect}' {HTTP1}/small/put"),
        );
        assert_eq!(said, "413", "Expect: {expect}");
    }
    pods.carried(&[("413", 2)]);
}

/// nginx buffers both bodies, and asks in HTTP/1.0 unless it is told otherwise.
#[test]
fn nginx_passes_on_requests_to_node() {
    let pods = pods!();
    let _node = node::start(&pods.server);
    let _nginx = nginx::start(&pods.client);
    let sent = bytes(1_000_001);
    fs::write(pods.client.folder().join("sent"), &sent).unwrap();
    for way in ["old", "kept"] {
        let url = format!("http://127.0.0.1:8090/{way}");
        for _ in 0..5 {
            let options = "--data-binary @sent -H Expect: -o got";
            curl(&pods, &format!("{options} {url}/echo"));
            assert_file(&pods.client, "got", &sent);
        }
    }
    pods.carried(&[("200", 10)]);
}

#[test]
fn a_client_does_not_notice_that_its_server_was_restarted() {
    let pods = pods!();
    let nginx = nginx::start(&pods.server);
    fs::write(
        pods.client.folder().join("restart.py"),
        include_str!("restart.py"),
    )
    .unwrap();
    let client = format!("{} restart.py {SERVER} 8080", python());
    let _client = pods.client.serve("client", &client, &[]);
    let says = |line: &str| {
        wait_for(line, || {
            pods.client.log("client").lines().any(|it| it == line)
        });
    };
    says("GET 200");
    nginx.terminate();
    let _nginx = nginx::start(&pods.server);
    fs::write(pods.client.folder().join("go-on"), "").unwrap();
    says("done");
    let log = pods.client.log("client");
    assert_eq!(log, "GET 200\nPUT 201\nGET 200\nDELETE 204\ndone\n");
    pods.carried(&[("200", 2), ("201", 1), ("204", 1)]);
}

#[test]
fn tls_is_passed_on_untouched() {
    let pods = pods!();
    let _nginx = nginx::start(&pods.server);
    let certificate = fs::read(pods.server.folder().join("certificate.pem")).unwrap();
    fs::write(pods.client.folder().join("ca.pem"), certificate).unwrap();
    let trust = "--cacert ca.pem --resolve shop.example:8443:10.9.0.2";
    for version in ["1.1", "2"] {
        let options = format!("{trust} --http{version} -o secret -w '%{{http_version}}'");
        let said = curl(
            &pods,
            &format!("{options} https://shop.example:8443/numbers"),
        );
        assert_eq!(said, version);
        assert_file(&pods.client, "secret", &bytes(SIZE));
    }
    pods.carried_tcp(2);
}
