//! What comes of a case, as values with names, so that outcomes can be compared value by value:
//!
//! | name | value |
//! |---|---|
//! | `client N` | the status of the client's response number N, from 1; of HTTP/2 also `refused`, in whatever way |
//! | `client N NAME`, `client N body`, `client N trailer NAME` | its fields, whose lines are joined by ` \| `, its body and its trailers |
//! | `client N interim`, `client N interim NAME` | the statuses and fields of interim responses in front of it |
//! | `client tunnel` | the bytes that came back behind a change of protocols |
//! | `server N` | the line of the server's request number N |
//! | `server N NAME`, `server N body`, `server N trailer NAME` | its fields, body and trailers |
//! | `server N by` | a letter for the connection of HTTP/1 that it came by |
//! | `server N tunnel` | what came behind a change of protocols |
//! | `end` | `closed`, also by a reset, or `cut` within a response, or `never`; of HTTP/2 also `goodbye CODE`, or `open` |

use std::collections::BTreeMap;

use super::{
    answers::status,
    client::{self, End},
    http2,
    message::Message,
    server::Received,
    text::shown,
};

/// What came of a case, by name.
pub type Outcome = BTreeMap<String, String>;

/// Fields whose values differ from request to request.
const UNSTEADY: [&str; 2] = ["date", "x-request-id"];
/// A field of which the scenarios tell more.
const SERVICE_TIME: &str = "x-envoy-upstream-service-time";

/// What came of a case of HTTP/1.
pub fn of_http1(got: &client::Got, received: &[Received]) -> Outcome {
    let mut outcome = of_servers(received);
    let answers = &got.answers;
    let mut number = 1;
    for answer in &answers.list {
        if matches!(status(answer), 102..=199 | 100) {
            add_interim(&mut outcome, number, answer);
        } else {
            add_answer(&mut outcome, number, answer);
            number += 1;
        }
    }
    if let Some(cut) = &answers.cut {
        // How much of it came before the end is chance.
        let head = Message {
            body: Vec::new(),
            ..cut.clone()
        };
        add_answer(&mut outcome, number, &head);
    }
    add_bytes(&mut outcome, "client tunnel", &answers.tunnel);
    add_bytes(&mut outcome, "client rest", &answers.rest);
    let end = match got.end {
        End::Never => "never",
        End::Closed | End::Reset if answers.cut.is_some() => "cut",
        End::Closed | End::Reset => "closed",
    };
    outcome.insert("end".to_owned(), end.to_owned());
    outcome
}

/// What came of a case of HTTP/2.
///
/// A malformed request is an error of its stream or of its connection, as the proxy likes (RFC
/// 9113, 5.4 and 8.1.1): it is `refused` either way, and what comes behind it does not count.
pub fn of_http2(got: &http2::Got, received: &[Received]) -> Outcome {
    let is_of_case = |received: &&Received| !received.message.line.starts_with("GET /after ");
    if got.is_refused() {
        let received: Vec<_> = received.iter().filter(is_of_case).cloned().collect();
        let mut outcome = of_servers(&received);
        outcome.insert("client 1".to_owned(), "refused".to_owned());
        return outcome;
    }
    let mut outcome = of_servers(received);
    for (number, stream) in (1..).zip(http2::STREAMS) {
        let Some(response) = got.responses.get(&stream) else {
            continue;
        };
        let (last, interim) = match response.heads.split_last() {
            Some((last, interim)) => (last.clone(), interim),
            None => (Message::default(), &[][..]),
        };
        for head in interim {
            add_interim(&mut outcome, number, head);
        }
        let last = Message {
            body: response.body.clone(),
            trailers: response.trailers.clone(),
            ..last
        };
        add_answer(&mut outcome, number, &last);
        let reset = response.reset.map(|code| format!("reset {}", error(code)));
        outcome.extend(reset.map(|reset| (format!("client {number} end"), reset)));
    }
    let end = match got.goodbye {
        Some(code) => format!("goodbye {}", error(code)),
        None if got.hangs => "never".to_owned(),
        None if got.has_ended => "closed".to_owned(),
        None => "open".to_owned(),
    };
    outcome.insert("end".to_owned(), end);
    outcome
}

/// The names of error codes (RFC 9113, 7).
fn error(code: u32) -> String {
    const NAMES: [&str; 14] = [
        "NO_ERROR",
        "PROTOCOL_ERROR",
        "INTERNAL_ERROR",
        "FLOW_CONTROL_ERROR",
        "SETTINGS_TIMEOUT",
        "STREAM_CLOSED",
        "FRAME_SIZE_ERROR",
        "REFUSED_STREAM",
        "CANCEL",
        "COMPRESSION_ERROR",
        "CONNECT_ERROR",
        "ENHANCE_YOUR_CALM",
        "INADEQUATE_SECURITY",
        "HTTP_1_1_REQUIRED",
    ];
    let name = NAMES.get(code as usize).copied();
    name.map_or_else(|| code.to_string(), str::to_owned)
}

/// Whether a response is the proxy's own, and says that it failed.
pub fn is_own_failure(answer: &Message) -> bool {
    status(answer) >= 400 && answer.all(SERVICE_TIME).next().is_none()
}

fn add_interim(outcome: &mut Outcome, number: usize, answer: &Message) {
    let name = format!("client {number} interim");
    let statuses = outcome.entry(name.clone()).or_default();
    if !statuses.is_empty() {
        statuses.push(' ');
    }
    statuses.push_str(&status(answer).to_string());
    add_fields(outcome, &name, answer.fields.iter());
}

fn add_answer(outcome: &mut Outcome, number: usize, answer: &Message) {
    let name = format!("client {number}");
    outcome.insert(name.clone(), status(answer).to_string());
    // Each proxy has words of its own.
    let is_own = is_own_failure(answer);
    let fields = answer.fields.iter().filter(|(field, _)| {
        !is_own || !matches!(field.as_str(), "content-length" | "content-type")
    });
    add_fields(outcome, &name, fields);
    if !is_own {
        add_bytes(outcome, &format!("{name} body"), &answer.body);
    }
    add_fields(outcome, &format!("{name} trailer"), answer.trailers.iter());
}

fn of_servers(received: &[Received]) -> Outcome {
    let mut outcome = Outcome::new();
    let mut connections = Vec::new();
    for (number, request) in (1..).zip(received) {
        let name = format!("server {number}");
        let known = connections
            .iter()
            .position(|one| *one == request.connection);
        let letter = known.unwrap_or(connections.len());
        if known.is_none() {
            connections.push(request.connection);
        }
        let letter = char::from(b'A' + u8::try_from(letter).unwrap());
        // A malformed response of HTTP/2 is an error of its stream or of its connection, as the proxy likes.
        if !request.message.line.ends_with(" HTTP/2") {
            outcome.insert(format!("{name} by"), letter.to_string());
        }
        outcome.insert(name.clone(), request.message.line.clone());
        add_fields(&mut outcome, &name, request.message.fields.iter());
        add_bytes(&mut outcome, &format!("{name} body"), &request.message.body);
        let trailers = request.message.trailers.iter();
        add_fields(&mut outcome, &format!("{name} trailer"), trailers);
        add_bytes(&mut outcome, &format!("{name} tunnel"), &request.tunnel);
    }
    outcome
}

fn add_fields<'a>(
    outcome: &mut Outcome,
    prefix: &str,
    fields: impl Iterator<Item = &'a (String, String)>,
) {
    for (name, value) in fields {
        let value = match name.as_str() {
            SERVICE_TIME => continue,
            // In whatever letters.
            "connection" => value.to_ascii_lowercase(),
            name if UNSTEADY.contains(&name) => "*".to_owned(),
            _ => value.clone(),
        };
        let joined = outcome.entry(format!("{prefix} {name}")).or_default();
        if !joined.is_empty() {
            joined.push_str(" | ");
        }
        joined.push_str(&value);
    }
}

fn add_bytes(outcome: &mut Outcome, name: &str, bytes: &[u8]) {
    if !bytes.is_empty() {
        outcome.insert(name.to_owned(), shown(bytes));
    }
}
