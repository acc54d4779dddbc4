//! Connections that are not HTTP: BusyBox's `nc`, Python's sockets, OpenSSL's own client
//! and server.

use std::fs;

use crate::{
    namespace::python,
    pair::{assert_file, bytes},
    pod::wait_for,
};

const HALVES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/strangers/halves.py");

#[test]
fn a_client_that_has_ended_its_half_gets_the_answer() {
    let pods = pods!();
    // The answer needs all of the question.
    let server = "busybox nc -l -p 9000 -e sha256sum";
    let _nc = pods.server.serve("nc", server, &[9000]);
    fs::write(pods.client.folder().join("sent"), bytes(5_000_001)).unwrap();
    let expected = pods.client.sh("sha256sum <sent");
    let got = pods.client.sh("timeout 30 busybox nc 10.9.0.2 9000 <sent");
    assert_eq!(got, expected);
    pods.carried_tcp(1);
}

#[test]
fn a_server_that_has_ended_its_half_gets_the_rest() {
    // The server speaks first.
    let short = [("PILLION_PROTOCOL_DETECTION_TIMEOUT", "100ms")];
    let pods = pods!(&short, &short);
    let program = format!("{} {HALVES}", python());
    fs::write(pods.server.folder().join("sent"), bytes(1_000_001)).unwrap();
    fs::write(pods.client.folder().join("sent"), bytes(2_000_001)).unwrap();
    let server = format!("{program} serve");
    let _server = pods.server.serve("server", &server, &[9000]);
    pods.client.sh(&format!("timeout 30 {program} ask"));
    wait_for("the rest", || pods.server.log("server") == "has all\n");
    assert_file(&pods.client, "got", &bytes(1_000_001));
    assert_file(&pods.server, "got", &bytes(2_000_001));
    pods.carried_tcp(1);
}

#[test]
fn openssl_s_own_client_and_server_shake_hands_with_each_other() {
    let pods = pods!();
    pods.server.sh(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=shop.example -keyout key.pem -out certificate.pem",
    );
    let server = "openssl s_server -accept 9443 -key key.pem -cert certificate.pem -Verify 1 -verify_return_error -rev -CAfile certificate.pem";
    let _server = pods.server.serve("s_server", server, &[9443]);
    for file in ["key.pem", "certificate.pem"] {
        let own = pods.client.folder().join(file);
        fs::copy(pods.server.folder().join(file), own).unwrap();
    }
    let client = "printf 'desserts\\nCLOSE\\n' | timeout 30 openssl s_client -connect 10.9.0.2:9443 -servername shop.example \
                  -CAfile certificate.pem -cert certificate.pem -key key.pem -verify_return_error -quiet";
    let said = pods.client.sh(client);
    assert!(said.contains("stressed"), "{said}");
    pods.carried_tcp(1);
}
