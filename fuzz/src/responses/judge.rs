//! Whether what the client of HTTP/1 gets says what the server of HTTP/2 has answered.

use pillion_proxy::test_util::Fate;

use super::{answered::Answered, asked::Asked, outcome::Outcome};
use crate::{
    messages::{Field, Framing, Line, Message},
    model::{passed_on, written},
};

/// The proxy's word for a server that did not answer, or not in a way that it can pass on.
const GATEWAY_ERRORS: [u16; 3] = [502, 503, 504];

/// What no head of HTTP/2 may have (RFC 9113, 8.2.2).
const OF_CONNECTIONS: [&str; 5] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "transfer-encoding",
    "upgrade",
];

/// What must be known before a body, or is for one connection: not passed on behind one.
const NOT_BEHIND: [&str; 11] = [
    "connection",
    "content-length",
    "content-type",
    "host",
    "server",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-envoy-upstream-service-time",
];

/// Whether it is the server's, with all of its body.
pub(super) fn is_whole_of_server(response: &Message) -> bool {
    let is_whole = response.is_complete || response.framing == Framing::Tunnel;
    is_whole && is_of_server(response)
}

/// Whether it is not one of the proxy's own.
fn is_of_server(response: &Message) -> bool {
    let is_upgrade = response.framing == Framing::Tunnel;
    let mut times = response.all("x-envoy-upstream-service-time");
    is_upgrade || times.next().is_some()
}

/// Checks what the client has got.
pub(super) fn check(asked: Asked, answered: &Answered, outcome: &Outcome) {
    let most = answered.heads().count();
    assert!(
        answered.is_spoilt() || outcome.interim.len() < most,
        "{outcome:#?}"
    );
    let Some(response) = &outcome.response else {
        return;
    };
    let is_tunnel = response.framing == Framing::Tunnel;
    assert_ne!(response.framing, Framing::End, "{outcome:#?}");
    assert!(
        response.is_complete || is_tunnel || outcome.fate != Fate::Ended,
        "{outcome:#?}"
    );
    assert!(!is_tunnel || asked.is_upgrade(), "{outcome:#?}");
    if !is_of_server(response) {
        assert!(GATEWAY_ERRORS.contains(&status(response)), "{response:#?}");
    } else if !answered.is_spoilt() {
        check_part(answered, response);
        if !answered.is_cut() {
            check_head(answered, response);
            check_body(answered, response);
        }
    }
}

fn status(response: &Message) -> u16 {
    match response.line {
        Line::Response { status, .. } => status,
        Line::Request { .. } => unreachable!("it was read as a response"),
    }
}

/// What is there was answered.
fn check_part(answered: &Answered, response: &Message) {
    let is_said = |field: &&Field| answered.heads().any(|head| head.contains(field));
    for field in &without_handshake(written(&response.fields)) {
        assert!(is_said(&field), "{field:?} from nowhere");
    }
    for field in &response.trailers {
        assert!(answered.trailers.contains(field), "{field:?} from nowhere");
        let name = &field.0[..];
        assert!(!NOT_BEHIND.contains(&name), "{name} behind a body");
    }
}

fn check_head(answered: &Answered, response: &Message) {
    let statuses: Vec<_> = answered.all(":status").collect();
    assert_eq!(statuses.len(), 1, "{response:#?}");
    let is_tunnel = response.framing == Framing::Tunnel;
    let status = status(response).to_string();
    let is_said = status.as_bytes() == statuses[0];
    assert!(is_said || is_tunnel && statuses[0].starts_with(b"2"));
    for name in OF_CONNECTIONS {
        let count = answered.all(name).count();
        assert_eq!(count, 0, "{name} in HTTP/2 is malformed");
    }
    let said = answered.head.iter();
    let said = said.filter(|(name, _)| !name.starts_with(':')).cloned();
    let mut said = without_handshake(passed_on(&said.collect::<Vec<_>>()));
    let mut got = without_handshake(written(&response.fields));
    // The order of fields with other names means nothing.
    said.sort_by(|one, other| one.0.cmp(&other.0));
    got.sort_by(|one, other| one.0.cmp(&other.0));
    assert_eq!(said, got);
}

fn check_body(answered: &Answered, response: &Message) {
    let data = answered.data.concat();
    assert!(data.starts_with(&response.body), "{response:#?}");
    let lengths: Vec<_> = answered.all("content-length").collect();
    assert!(lengths.len() <= 1, "{response:#?}");
    let has_body = matches!(response.framing, Framing::Length(_) | Framing::Chunked);
    if !response.is_complete || !has_body {
        return;
    }
    match lengths.first() {
        // That more follows may come out when the response has been passed on.
        Some(length) => assert_eq!(*length, response.body.len().to_string().as_bytes()),
        None => assert_eq!((&response.body, answered.has_end()), (&data, true)),
    }
}

/// The proxy answers a handshake of WebSocket in the words of HTTP/1.
fn without_handshake(mut fields: Vec<Field>) -> Vec<Field> {
    fields.retain(|(name, _)| !name.starts_with("sec-websocket-"));
    fields
}
