//! A scenario's request, sent by way of one of the proxies.

use crate::{
    case::{Case, Exchange, Kind},
    client,
    objects::{Cluster, POD, gateway_address},
    outcome::{self, Outcome},
    pod::Pod,
    spans,
};

/// What came of one request, and the client's port, by which the log has it.
pub struct Sent {
    pub outcome: Outcome,
    pub client: Option<u16>,
}

/// Sends a request as often as the scenario says.
pub async fn send(pod: &Pod, case: &Case, cluster: &Cluster, exchange: &Exchange) -> Vec<Sent> {
    let url = exchange.request.as_deref().map(Url::parse);
    let is_gateway = case.client.kind == Kind::Gateway;
    let outside = is_gateway || exchange.outside;
    let to = exchange.to.unwrap_or_else(|| {
        let url = url.as_ref().expect("bytes need an address");
        let found = match (is_gateway, outside) {
            (true, _) => Some(gateway_address(url.port)),
            (false, true) => Some((POD, url.port).into()),
            (false, false) => cluster.address(url.host, url.port),
        };
        found.unwrap_or_else(|| panic!("{}: where is {}?", case.name, url.host))
    });
    let bytes = match &url {
        Some(url) => request(url, exchange),
        None => exchange.send.clone().unwrap_or_default().into_bytes(),
    };
    let place = if outside { &pod.outside } else { &pod.inside };
    let mut all = Vec::new();
    for _ in 0..exchange.times {
        pod.recorder.take();
        let got = place
            .run(client::exchange(to, exchange.source, bytes.clone()))
            .await;
        let received = pod.recorder.take();
        let mut outcome = match url {
            Some(_) => outcome::of_request(&got, &received),
            None => outcome::of_bytes(&got, &received),
        };
        spans::steady(&mut outcome, exchange);
        let context = spans::context(exchange, &received);
        if let Some((trace, _)) = &context {
            pod.recorder.remember_trace(trace.clone());
        }
        if exchange.times == 1 && case.servers.iter().any(|server| server.spans) {
            spans::add(&mut outcome, exchange, context, &pod.recorder).await;
        }
        let client = got.client;
        all.push(Sent { outcome, client });
    }
    all
}

/// `METHOD http://HOST[:PORT]/TARGET`, whose target is taken as it is.
struct Url<'a> {
    method: &'a str,
    authority: &'a str,
    host: &'a str,
    port: u16,
    target: &'a str,
}

impl<'a> Url<'a> {
    fn parse(text: &'a str) -> Self {
        let (method, rest) = text
            .split_once(" http://")
            .expect("METHOD http://HOST/PATH");
        let slash = rest.find('/').expect("a path");
        let (authority, target) = rest.split_at(slash);
        let (host, port) = authority.split_once(':').unwrap_or((authority, "80"));
        Self {
            method,
            authority,
            host,
            port: port.parse().unwrap(),
            target,
        }
    }
}

fn request(url: &Url<'_>, exchange: &Exchange) -> Vec<u8> {
    let has = |name: &str| {
        let mut lines = exchange.headers.iter();
        lines.any(|line| line.to_ascii_lowercase().starts_with(&format!("{name}:")))
    };
    let version = exchange.version.as_deref().unwrap_or("1.1");
    let mut text = format!("{} {} HTTP/{version}\r\n", url.method, url.target);
    if !has("host") {
        text += &format!("host: {}\r\n", url.authority);
    }
    for line in &exchange.headers {
        text += &format!("{line}\r\n");
    }
    if exchange.padding > 0 {
        text += &format!("x-padding: {}\r\n", "a".repeat(exchange.padding));
    }
    for number in 0..exchange.lines {
        text += &format!("x-line-{number}: a\r\n");
    }
    if !has("connection") {
        text += "connection: close\r\n";
    }
    let body = exchange.body.as_deref().unwrap_or_default();
    if !body.is_empty() {
        text += &format!("content-length: {}\r\n", body.len());
    }
    format!("{text}\r\n{body}").into_bytes()
}
