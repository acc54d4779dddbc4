//! The format of scenarios.

use std::{
    collections::BTreeMap,
    fs,
    net::{IpAddr, SocketAddr},
    path::Path,
};

use serde::Deserialize;
use serde_json::{Map, Value};

/// A scenario.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Case {
    /// The name of its file.
    #[serde(skip)]
    pub name: String,
    /// The rules that it shows, by their ids in the notes on Istio's semantics.
    pub rules: Vec<String>,
    /// What it shows.
    pub about: String,
    /// Who sends the requests. Default: an application with a sidecar.
    #[serde(default)]
    pub client: Client,
    /// Fields of MeshConfig.
    #[serde(default)]
    pub mesh: Map<String, Value>,
    /// What the proxy sends requests to.
    #[serde(default)]
    pub servers: Vec<Server>,
    /// Kubernetes' and Istio's objects. `apiVersion` and the namespace `default` go without
    /// saying; pods and endpoints of Services follow from `servers`.
    pub resources: Vec<Value>,
    /// What is sent, in this order.
    pub requests: Vec<Exchange>,
    /// Where the proxies differ on purpose.
    #[serde(default)]
    pub differs: Vec<Difference>,
    /// Any of the servers may get a request: their names are not compared.
    #[serde(default)]
    pub interchangeable: bool,
}

/// Who sends requests.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub struct Client {
    /// What the proxy is.
    pub kind: Kind,
    /// The namespace of its pod. Default: `default`.
    pub namespace: Option<String>,
    /// How many proxies in front of a gateway are trusted.
    pub trusted_proxies: u32,
    /// The labels of its pod. Default: those of Istio's ingress gateway, if it is one.
    pub labels: BTreeMap<String, String>,
}

impl Client {
    /// The namespace of the pod.
    pub fn namespace(&self) -> &str {
        self.namespace.as_deref().unwrap_or("default")
    }
}

/// What the proxy is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    #[default]
    Sidecar,
    Gateway,
}

/// A server.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// What it calls itself.
    pub name: String,
    /// The Services, as `NAME` or `NAMESPACE/NAME`, of which it is an endpoint.
    #[serde(default)]
    pub of: Vec<String>,
    /// Its address. Default: 10.2.0.1 for the first server, and so on. With the address of the
    /// client's pod it is the application there.
    pub ip: Option<IpAddr>,
    /// The pod that it is in, if others are in there, too, or a sidecar is. Default: one of its own, which is made.
    pub pod: Option<String>,
    /// Its ports, besides the target ports of its Services.
    #[serde(default)]
    pub ports: Vec<u16>,
    /// The labels of its pod.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Whether it is ready.
    #[serde(default = "yes")]
    pub ready: bool,
    /// Nothing listens at its ports.
    #[serde(default)]
    pub down: bool,
    /// It answers lines of bytes rather than HTTP.
    #[serde(default)]
    pub tcp: bool,
    /// It is a collector: what it gets are spans, and no requests of the scenario.
    #[serde(default)]
    pub spans: bool,
    /// The answers to the first, second, … try of a request; the last one is repeated. Default:
    /// a 200 that says `NAME METHOD PATH` and repeats the body.
    #[serde(default)]
    pub answers: Vec<Answer>,
}

fn yes() -> bool {
    true
}

/// A server's answer.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Answer {
    /// Default: 200.
    pub status: Option<u16>,
    /// Header lines, `name: value`.
    pub headers: Vec<String>,
    /// Default: as above.
    pub body: Option<String>,
    /// Milliseconds before it answers.
    pub delay: u64,
    /// It closes the connection instead.
    pub close: bool,
}

/// A request, or bytes, and what must come of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exchange {
    /// `METHOD http://HOST[:PORT]/TARGET`. The host of a Service is its address.
    pub request: Option<String>,
    /// Bytes to send instead; a line is appended to what comes back until the server closes.
    pub send: Option<String>,
    /// The address to connect to. Default: that of the host, or of the gateway.
    pub to: Option<SocketAddr>,
    /// The client is outside of the pod. A gateway's always is.
    #[serde(default)]
    pub outside: bool,
    /// The client's address outside. Default: any.
    pub source: Option<IpAddr>,
    /// Header lines, `name: value`. `host` takes the place of the URL's.
    #[serde(default)]
    pub headers: Vec<String>,
    /// A header of so many bytes besides.
    #[serde(default)]
    pub padding: usize,
    /// So many short header lines besides.
    #[serde(default)]
    pub lines: usize,
    /// The body.
    pub body: Option<String>,
    /// `1.0` for HTTP/1.0.
    pub version: Option<String>,
    /// How often it is sent, one after the other. Only counts are compared if it is more than once.
    #[serde(default = "once")]
    pub times: u32,
    /// What must come of it with both proxies (the text of a failure is compared only if it is
    /// expected here: each proxy has words of its own), by the names of `outcome.rs`. `null` means that
    /// there is nothing of that name.
    #[serde(default)]
    pub expect: BTreeMap<String, Value>,
    /// The weights of servers: each gets its share of all requests, as chance has it.
    #[serde(default)]
    pub split: BTreeMap<String, u32>,
}

fn once() -> u32 {
    1
}

/// Where the proxies differ on purpose.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Difference {
    /// The number of the request, from 1. Default: every request.
    pub request: Option<usize>,
    /// The name of the value.
    pub what: String,
    /// Where both the client and the server have a sidecar (`mutual.rs`): whose being ours makes the difference.
    pub of: Option<End>,
    /// What ours is; `null` for none.
    pub ours: Value,
    /// What Envoy's is; `null` for none.
    pub envoy: Value,
    /// Why.
    pub why: String,
}

/// An end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum End {
    Client,
    Server,
}

/// Reads the scenarios of a folder whose names have a part, in the order of their names.
pub fn all(folder: &str, part: &str) -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/scenarios")
        .join(folder);
    let mut cases: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|kind| kind == "yaml"))
        .map(|path| {
            (
                path.file_stem().unwrap().to_string_lossy().into_owned(),
                path,
            )
        })
        .filter(|(name, _)| name.contains(part))
        .map(|(name, path)| read(name, &path))
        .collect();
    cases.sort_by(|one, other| one.name.cmp(&other.name));
    cases
}

fn read(name: String, path: &Path) -> Case {
    let text = fs::read_to_string(path).unwrap();
    let value =
        pillion_inject::yaml::parse(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
    let mut case: Case =
        serde_json::from_value(value).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert!(!case.rules.is_empty(), "{name} names no rule");
    for difference in &case.differs {
        assert!(
            !difference.why.is_empty(),
            "{name}: a difference without a reason"
        );
    }
    case.name = name;
    case
}
