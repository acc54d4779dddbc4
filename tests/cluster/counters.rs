//! Each protocol between two injected pods, and what both sidecars have counted of it.

use serde_json::Value;

use crate::harness::{
    Counters, Namespace, Reporter, busybox, eventually, pod, samples, server, service,
    until_answered,
};

/// Two pods, `client` with both images' tools and `server` with one application, and the latter's Service.
struct Pair {
    shop: Namespace,
    /// What the client's sidecar and the server's had counted when the test began.
    before: [Counters; 2],
}

/// Who reports, of which pod.
const SIDES: [(&str, Reporter); 2] = [
    ("client", Reporter::Source),
    ("server", Reporter::Destination),
];

impl Pair {
    async fn new(prefix: &str, application: &[&str], port: u16) -> Option<Self> {
        let shop = Namespace::injected(prefix).await?;
        let tools = [
            busybox("busybox", "exec sleep infinity"),
            samples("samples", &["pillion-samples", "sleep"]),
        ];
        let objects = [
            pod("server", &[server("server", application, port)]),
            pod("client", &tools),
            service("server", &[port]),
        ];
        shop.create(&objects).await;
        shop.wait_ready(&["server", "client"]).await;
        shop.sh("client", &until_answered("server", port)).await;
        let before = Self::settled(&shop).await;
        Some(Self { shop, before })
    }

    /// Both sidecars' counters, when no connection is open.
    async fn settled(shop: &Namespace) -> [Counters; 2] {
        eventually("all connections have ended", async || {
            let [client, server] = SIDES.map(|(pod, _)| shop.counters(pod));
            let both = [client.await, server.await];
            let open = |counters: &Counters, reporter| {
                counters.tcp_opened(reporter) > counters.tcp_closed(reporter)
            };
            let any = SIDES
                .iter()
                .zip(&both)
                .any(|((_, reporter), counters)| open(counters, *reporter));
            (!any).then_some(both)
        })
        .await
    }

    /// By how much a counter has grown on both sides since the test began.
    async fn grown(&self, counter: impl Fn(&Counters, Reporter) -> u64) -> [u64; 2] {
        let after = Self::settled(&self.shop).await;
        [0, 1].map(|side| {
            let (_, reporter) = SIDES[side];
            counter(&after[side], reporter) - counter(&self.before[side], reporter)
        })
    }

    /// What a tool of the samples prints at the client.
    async fn tool(&self, command: &[&str]) -> String {
        let command = [&["pillion-samples"], command].concat();
        self.shop.exec_in("client", "samples", &command).await
    }

    /// The report of a load of ten requests, each over a connection of its own.
    async fn ten_requests(&self, options: &[&str], url: &str) -> Value {
        let load = ["load", "-n", "10", "--no-keep-alive", "--json"];
        let report = self.tool(&[&load, options, &[url]].concat()).await;
        serde_json::from_str(&report).unwrap()
    }
}

#[tokio::test]
async fn counts_tcp_connections_and_their_bytes_on_both_sides() {
    let Some(pair) = Pair::new("tcp", &["tcp-echo", "9000", "one"], 9000).await else {
        return;
    };
    let script = "for i in $(seq 20); do echo hello | nc server 9000 | grep -q 'one hello'; done";
    pair.shop.sh("client", script).await;
    assert_eq!(pair.grown(Counters::tcp_opened).await, [20, 20]);
    assert_eq!(pair.grown(Counters::tcp_closed).await, [20, 20]);
    let received = 20 * "hello\n".len() as u64;
    assert_eq!(
        pair.grown(Counters::tcp_received).await,
        [received, received]
    );
    let sent = 20 * "one hello\n".len() as u64;
    assert_eq!(pair.grown(Counters::tcp_sent).await, [sent, sent]);
}

#[tokio::test]
async fn counts_a_connection_on_which_the_server_speaks_first() {
    let Some(pair) = Pair::new("first", &["server-first"], 9100).await else {
        return;
    };
    let said = pair.shop.sh("client", "echo quit | nc server 9100").await;
    assert_eq!(said, "220 server ready\r\n221 bye\r\n");
    assert_eq!(pair.grown(Counters::tcp_opened).await, [1, 1]);
}

#[tokio::test]
async fn counts_http1_on_both_sides() {
    let Some(pair) = Pair::new("http", &["httpbin"], 8080).await else {
        return;
    };
    let report = pair
        .ten_requests(&[], "http://server:8080/status/418")
        .await;
    assert_eq!(report["status"]["418"], 10, "{report}");
    assert_eq!(pair.grown(Counters::carried).await, [10, 10]);
}

#[tokio::test]
async fn counts_http2_with_prior_knowledge_on_both_sides() {
    let Some(pair) = Pair::new("http2", &["httpbin"], 8080).await else {
        return;
    };
    let url = "http://server:8080/bytes/100000";
    let report = pair.ten_requests(&["--http2"], url).await;
    assert_eq!(report["status"]["200"], 10, "{report}");
    assert_eq!(report["bytes"], 1_000_000, "{report}");
    assert_eq!(pair.grown(Counters::carried).await, [10, 10]);
}

#[tokio::test]
async fn counts_grpc_calls_and_streams_on_both_sides() {
    let Some(pair) = Pair::new("grpc", &["grpc-echo"], 7070).await else {
        return;
    };
    for method in ["unary", "server-stream", "client-stream", "bidirectional"] {
        let answer = pair.tool(&["grpc-call", "server:7070", method]).await;
        assert!(answer.starts_with("v1 server "), "{method}: {answer}");
    }
    assert_eq!(pair.grown(Counters::carried).await, [4, 4]);
}
