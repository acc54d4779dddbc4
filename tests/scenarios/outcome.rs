//! What comes of a request, as values with names, so that outcomes can be compared value by
//! value:
//!
//! | name | value |
//! |---|---|
//! | `status` | the status; `none` if there is no response |
//! | `header.NAME` | a header of the response; its lines joined by ` \| ` |
//! | `body` | the body of the response, or the bytes that came back |
//! | `broken` | how the connection ended, if not in good order |
//! | `tries` | how many requests servers received |
//! | `server`, `method`, `path`, `host`, `sent` | what the last try's server received; `sent` is the body |
//! | `up.NAME` | a header that it received; of contexts of traces, numbers that the client has not sent are `*`, and so are certificates' hashes |
//! | `mark` | what its `x-request-id` says of tracing: the digit of its version |
//! | `spans`, `span.name`, `span.kind`, `span.parent`, `span.tag.NAME` | how many spans of the request's trace its collector got by then, and the first of them; a scenario fails if it gets others in the end |
//! | `flags`, `cluster`, `route`, `logged` | response flags, cluster, route and status of the access log |
//! | `hello.sni`, `hello.alpn` | with which name and protocols the client's sidecar began TLS, where the server only listens (`mutual/hello.rs`) |
//!
//! If a request is sent many times: `status.CODE`, `count.SERVER` and `mark.MARK`, which count.

use std::collections::BTreeMap;

use crate::{client, upstream::Received};

/// What came of a request, by name.
pub type Outcome = BTreeMap<String, String>;

/// Headers whose values differ from request to request.
const UNSTEADY: [&str; 3] = ["date", "x-request-id", "x-envoy-upstream-service-time"];

/// What came of one HTTP request.
pub fn of_request(got: &client::Bytes, received: &[Received]) -> Outcome {
    let mut outcome = Outcome::new();
    match client::response(&got.bytes) {
        Some(response) => {
            set(&mut outcome, "status", response.status);
            add_headers(&mut outcome, "header", &response.headers);
            set(
                &mut outcome,
                "body",
                String::from_utf8_lossy(&response.body),
            );
        }
        None => set(&mut outcome, "status", "none"),
    }
    add_rest(&mut outcome, got, received);
    outcome
}

/// What came of bytes.
pub fn of_bytes(got: &client::Bytes, received: &[Received]) -> Outcome {
    let mut outcome = Outcome::new();
    set(&mut outcome, "body", String::from_utf8_lossy(&got.bytes));
    add_rest(&mut outcome, got, received);
    outcome
}

fn add_rest(outcome: &mut Outcome, got: &client::Bytes, received: &[Received]) {
    // Whether a connection that is closed at once is reset depends on what was read of it by then.
    let is_closed = |how: &&String| got.bytes.is_empty() && *how == "ConnectionReset";
    if let Some(broken) = got.broken.as_ref().filter(|how| !is_closed(how)) {
        set(outcome, "broken", broken);
    }
    set(outcome, "tries", received.len());
    let Some(last) = received.last() else {
        return;
    };
    set(outcome, "server", &last.server);
    for (name, value) in [
        ("method", &last.method),
        ("path", &last.path),
        ("host", &last.host),
        ("sent", &last.body),
    ] {
        if !value.is_empty() {
            set(outcome, name, value);
        }
    }
    add_headers(outcome, "up", &last.headers);
    let mut ids = last.headers.iter();
    let id = ids.find(|(name, _)| name == "x-request-id");
    if let Some(mark) = id
        .filter(|(_, id)| id.len() == 36)
        .and_then(|(_, id)| id.get(14..15))
    {
        set(outcome, "mark", mark);
    }
}

fn add_headers(outcome: &mut Outcome, prefix: &str, headers: &[(String, String)]) {
    for (name, value) in headers {
        let value = match name.as_str() {
            name if UNSTEADY.contains(&name) => "*".to_owned(),
            "x-forwarded-client-cert" => without_hashes(value),
            _ => value.clone(),
        };
        let joined = outcome.entry(format!("{prefix}.{name}")).or_default();
        if !joined.is_empty() {
            joined.push_str(" | ");
        }
        joined.push_str(&value);
    }
}

/// What is said of clients' certificates, each of which has a hash of its own.
fn without_hashes(told: &str) -> String {
    let is_hash = |text: &str| text.len() == 64 && text.bytes().all(|it| it.is_ascii_hexdigit());
    let parts = told
        .split(';')
        .map(|part| match part.strip_prefix("Hash=") {
            Some(hash) if is_hash(hash) => "Hash=*",
            _ => part,
        });
    parts.collect::<Vec<_>>().join(";")
}

fn set(outcome: &mut Outcome, name: &str, value: impl ToString) {
    outcome.insert(name.to_owned(), value.to_string());
}

#[test]
fn hashes_of_certificates_are_left_out() {
    let hash = "0a".repeat(32);
    let told = format!("By=a;Hash={hash};URI=b,By=c;Hash=short");
    assert_eq!(without_hashes(&told), "By=a;Hash=*;URI=b,By=c;Hash=short");
}

/// Many outcomes as one: how many there are of each status and server.
pub fn counted(outcomes: &[Outcome]) -> Outcome {
    let mut counts = BTreeMap::<String, u32>::new();
    for outcome in outcomes {
        for (what, name) in [("status", "status"), ("server", "count"), ("mark", "mark")] {
            if let Some(value) = outcome.get(what) {
                *counts.entry(format!("{name}.{value}")).or_default() += 1;
            }
        }
    }
    let counts = counts.into_iter();
    counts
        .map(|(name, count)| (name, count.to_string()))
        .collect()
}

/// Replaces the names of servers by `*`.
pub fn without_servers(outcome: &mut Outcome, servers: &[String]) {
    for (name, value) in outcome.iter_mut() {
        if name == "server" || name == "body" {
            for server in servers {
                *value = value.replace(server.as_str(), "*");
            }
        }
    }
    let mut counted = 0;
    outcome.retain(|name, value| {
        let is_count = name.starts_with("count.");
        if is_count {
            counted += value.parse().unwrap_or(0);
        }
        !is_count
    });
    if counted > 0 {
        set(outcome, "count.*", counted);
    }
}
