//! Python's `http.server`, `urllib` and `http.client`.

use std::fs;

use crate::{
    namespace::python,
    node,
    pair::{Pair, bytes},
};

const CLIENT: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/strangers/python-client.py"
);

fn ask(pods: &Pair, test: &str) {
    pods.client.sh(&format!("{} {CLIENT} {test}", python()));
}

#[test]
fn urllib_reads_what_http_server_has() {
    let pods = pods!();
    let files = pods.server.folder().join("files");
    fs::create_dir(&files).unwrap();
    fs::write(files.join("numbers"), bytes(1_000_001)).unwrap();
    fs::write(pods.client.folder().join("expected"), bytes(1_000_001)).unwrap();
    let server = format!("{} -m http.server --directory files", python());
    let _old = pods.server.serve("old", &format!("{server} 8000"), &[8000]);
    let newer = format!("{server} --protocol HTTP/1.1 8001");
    let _newer = pods.server.serve("newer", &newer, &[8001]);
    ask(&pods, "files");
    pods.carried(&[("200", 6), ("404", 2), ("501", 2)]);
}

#[test]
fn http_client_sends_chunks_to_node() {
    let pods = pods!();
    let _node = node::start(&pods.server);
    ask(&pods, "chunks");
    pods.carried(&[("200", 10)]);
}
