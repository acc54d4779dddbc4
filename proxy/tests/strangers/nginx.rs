//! Debian's nginx: HTTP/1 on 8080, HTTP/2 with prior knowledge on 8081, both by TLS on 8443;
//! on 8083 and 8084 the same, with few requests for each connection; on 8090, it passes on what it is asked to the server's pod.

use std::{collections::BTreeSet, fs};

use crate::{
    pair::bytes,
    pod::{Pod, Server, wait_for},
};

/// The size of its file `numbers`.
pub const SIZE: usize = 3_000_000;
/// Its file `words.txt`.
pub const WORDS: &str = "the same words again and again, ";

/// Starts it, with its files.
pub fn start(pod: &Pod) -> Server<'_> {
    let folder = pod.folder();
    fs::create_dir_all(folder.join("files")).unwrap();
    fs::write(folder.join("files/numbers"), bytes(SIZE)).unwrap();
    fs::write(folder.join("files/words.txt"), WORDS.repeat(1000)).unwrap();
    fs::write(folder.join("nginx.conf"), include_str!("nginx.conf")).unwrap();
    pod.sh(
        "[ -e key.pem ] || openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=shop.example \
         -addext subjectAltName=DNS:shop.example -keyout key.pem -out certificate.pem",
    );
    let script = "nginx -e stderr -p . -c nginx.conf";
    pod.serve("nginx", script, &[8080, 8081, 8443, 8090])
}

/// What nginx has logged, once there are that many requests: each line is
/// CONNECTION PROTOCOL METHOD PATH STATUS.
pub fn requests(pod: &Pod, count: usize) -> Vec<String> {
    let mut lines = Vec::new();
    wait_for("nginx's log", || {
        let log = fs::read_to_string(pod.folder().join("requests")).unwrap_or_default();
        lines = log.lines().map(str::to_owned).collect();
        lines.len() >= count
    });
    assert_eq!(lines.len(), count, "{lines:#?}");
    lines
}

/// How many connections they came by.
pub fn connections(requests: &[String]) -> usize {
    let numbers = requests.iter().map(|line| line.split(' ').next());
    numbers.collect::<BTreeSet<_>>().len()
}
