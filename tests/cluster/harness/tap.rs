//! What goes over the wire between pods, as a tap on the node sees it.

use std::process::Stdio;

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    process::{Child, ChildStdout},
};

use super::namespace::Namespace;

const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cluster/harness/tap.py");

/// Hears everything that TCP carries between some pods.
pub struct Tap {
    child: Child,
    output: BufReader<ChildStdout>,
}

/// What went one way over a connection, from the first byte that the tap has heard.
#[derive(Debug)]
pub struct Flow {
    from: String,
    to: String,
    bytes: Vec<u8>,
}

/// The types of TLS' records and messages that go unencrypted in TLS 1.3.
const HANDSHAKE: u8 = 22;
const RECORDS: std::ops::RangeInclusive<u8> = 20..=23;
const SERVER_HELLO: u8 = 2;
/// The longest record that is allowed.
const LONGEST: usize = 16384 + 256;
/// TLS 1.3 as a server's hello says it: the extension, the length of its value, and the version.
const TLS_1_3: [u8; 6] = [0, 43, 0, 2, 3, 4];

impl Tap {
    /// Listens to what these pods say to each other from now on.
    pub async fn between(shop: &Namespace, pods: &[&str]) -> Self {
        // The node has its pods' traffic on its bridge.
        let mut tap = shop.cluster.hack(&["enter", "python3", PROGRAM]);
        for pod in pods {
            tap.arg(shop.address(pod).await);
        }
        tap.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = tap.kill_on_drop(true).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).await.unwrap();
        assert_eq!(line, "listening\n", "the tap does not start");
        Self { child, output }
    }

    /// What it has heard.
    pub async fn finish(mut self) -> Vec<Flow> {
        drop(self.child.stdin.take());
        let mut text = String::new();
        self.output.read_to_string(&mut text).await.unwrap();
        assert!(self.child.wait().await.unwrap().success(), "the tap failed");
        let flows: Vec<Value> = serde_json::from_str(&text).unwrap();
        flows.iter().map(Flow::read).collect()
    }
}

impl Flow {
    fn read(flow: &Value) -> Self {
        let text = |name: &str| flow[name].as_str().unwrap().to_owned();
        let hex = text("bytes");
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16);
        Self {
            from: text("from"),
            to: text("to"),
            bytes: hex
                .as_bytes()
                .chunks(2)
                .map(|pair| byte(pair).unwrap())
                .collect(),
        }
    }

    /// Whether it went from one address to another's port.
    pub fn is_to(&self, from: &str, to: &str, port: u16) -> bool {
        self.from.starts_with(&format!("{from}:")) && self.to == format!("{to}:{port}")
    }

    /// Whether it went between two addresses, either way.
    pub fn is_between(&self, one: &str, other: &str) -> bool {
        let (one, other) = (format!("{one}:"), format!("{other}:"));
        let is = |from: &str, to: &str| self.from.starts_with(from) && self.to.starts_with(to);
        is(&one, &other) || is(&other, &one)
    }

    /// Whether it is what came back on another's connection.
    pub fn answers(&self, other: &Self) -> bool {
        (&self.from, &self.to) == (&other.to, &other.from)
    }

    /// Whether these words went in the clear.
    pub fn says(&self, words: &str) -> bool {
        self.bytes
            .windows(words.len())
            .any(|window| window == words.as_bytes())
    }

    /// Whether it is TLS from its first byte to its last, and begins with the handshake.
    pub fn is_tls(&self) -> bool {
        self.bytes.first() == Some(&HANDSHAKE) && self.records().is_some()
    }

    /// Whether a server agrees to TLS 1.3.
    pub fn agrees_to_tls_1_3(&self) -> bool {
        let records = self.records().unwrap_or_default();
        let is_hello =
            |record: &&[u8]| record[0] == HANDSHAKE && record.get(5) == Some(&SERVER_HELLO);
        let hello = records.into_iter().find(is_hello);
        hello.is_some_and(|hello| hello.windows(6).any(|window| window == TLS_1_3))
    }

    /// All records, the last of which may be cut; `None` if something else is between them.
    fn records(&self) -> Option<Vec<&[u8]>> {
        let (mut rest, mut records) = (&self.bytes[..], Vec::new());
        while rest.len() >= 5 {
            let length = usize::from(u16::from_be_bytes([rest[3], rest[4]]));
            let is_record = RECORDS.contains(&rest[0]) && rest[1] == 3 && length <= LONGEST;
            let (record, others) = rest.split_at((5 + length).min(rest.len()));
            records.push(is_record.then_some(record)?);
            rest = others;
        }
        Some(records)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(bytes: &[u8]) -> Flow {
        Flow {
            from: "10.0.0.1:1".to_owned(),
            to: "10.0.0.2:80".to_owned(),
            bytes: bytes.to_owned(),
        }
    }

    #[test]
    fn tells_tls_from_what_is_none() {
        let mut hello = vec![22, 3, 3, 0, 7, SERVER_HELLO];
        hello.extend(TLS_1_3);
        let whole = [&hello[..], &[23, 3, 3, 0, 1, 9, 23, 3]].concat();
        assert!(flow(&whole).is_tls() && flow(&whole).agrees_to_tls_1_3());
        let later = [&hello[..], b"GET / HTTP/1.1"].concat();
        assert!(!flow(&later).is_tls());
        assert!(!flow(b"GET / HTTP/1.1").is_tls());
        assert!(flow(b"GET / HTTP/1.1").says("HTTP"));
        assert!(flow(&whole).is_to("10.0.0.1", "10.0.0.2", 80));
        assert!(!flow(&whole).is_to("10.0.0", "10.0.0.2", 80));
    }
}
