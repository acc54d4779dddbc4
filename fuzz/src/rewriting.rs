//! The fuzz target for what the proxy changes of heads: fields of the connection, its own
//! fields, and the changes of routes.

use pillion_cost::{Bound, Linear};
use pillion_proxy::test_util::{Play, Setting};

use crate::{
    chosen::{Asked, edits, response},
    cursor::Cursor,
    messages::{Field, Framing, Kind, Line, Message, read},
    model::{Change, changed, is_own, passed_on, passed_on_behind, written},
    units::{KIB, MILLISECOND},
};

/// As of a whole exchange. Fields are generated, and changes repeat texts.
pub(crate) const BOUND: Bound = Bound {
    peak: Linear::new(768 * KIB, KIB),
    total: Linear::new(1024 * KIB, 8 * KIB),
    time: Linear::new(10 * MILLISECOND, 20_000),
};

/// Sends a request with fields that the input chooses, and a response, by way of a route with
/// changes that the input chooses.
///
/// # Panics
///
/// Panics if a check fails.
pub fn rewriting(data: &[u8]) {
    let _reached = reaches(data);
}

/// Whether the server gets the request.
fn reaches(data: &[u8]) -> bool {
    let mut cursor = Cursor::new(data);
    let mode = cursor.byte();
    let (request_edits, request_changes) = edits(&mut cursor);
    let (response_edits, response_changes) = edits(&mut cursor);
    let host = cursor.pick(&[None, None, Some("rewritten:1"), Some("[::2]")]);
    let prefix = cursor.pick(&[None, None, Some("/new/"), Some("/")]);
    let asked = Asked::choose(&mut cursor);
    let response = response(&mut cursor);
    let length = data.len();
    let mut setting = Some(Setting {
        gateway: mode & 1 != 0,
        request: request_edits,
        response: response_edits,
        host: host.map(str::to_owned),
        prefix: prefix.map(str::to_owned),
        ..Setting::default()
    });
    let played = BOUND.hold("a rewritten exchange", length, || {
        // It is run again only where a time is exceeded.
        let setting = setting.take().unwrap_or_else(|| Setting {
            gateway: mode & 1 != 0,
            ..Setting::default()
        });
        let mut play = Play::new(setting);
        play.client_sends(&asked.text());
        play.server_sends(0, &response);
        play.client_ends();
        play
    });
    let text = asked.text();
    let sent = read(&text, Kind::Request).ok().flatten();
    let Some(received) = played.to_server(0) else {
        assert!(!asked.is_plain(), "a plain request is refused");
        return false;
    };
    assert!(
        played.to_server(1).is_none(),
        "one request, two connections"
    );
    let got = read(&received, Kind::Request).unwrap_or_else(|why| panic!("{why}"));
    let (Some(got), Some(sent)) = (got, sent) else {
        panic!("it was sent on without a head");
    };
    check_request(&got, &sent, &request_changes);
    if mode & 1 != 0 {
        check_edge(&got, &sent, &request_changes);
    }
    check_target(&got, &asked, host, prefix);
    assert_eq!(got.body, asked.body);
    let upgrades = got.all("upgrade").count() > 0;
    assert!(
        upgrades || received.len() == got.len,
        "another message follows"
    );
    let to_client = played.to_client();
    check_response(&to_client, &response, got.method(), &response_changes);
    true
}

fn check_request(got: &Message, sent: &Message, changes: &[Change]) {
    let expected = changed(passed_on(&sent.fields), changes);
    let expected: Vec<Field> = expected
        .into_iter()
        .filter(|(name, _)| !is_own(name))
        .collect();
    assert_eq!(written(&got.fields), expected, "of {sent:#?}");
    for (name, value) in &got.fields {
        let is_control = |byte: &u8| *byte < b' ' && *byte != b'\t' || *byte == 127;
        assert!(!value.iter().any(is_control), "{name}: {value:?}");
    }
    // What is for the next hop only is exactly this.
    let mut codings = sent
        .all("te")
        .flat_map(|value| value.split(|byte| *byte == b','))
        .filter_map(|element| element.split(|byte| *byte == b';').next());
    let is_asked = codings.any(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"trailers"));
    let te: &[&[u8]] = if is_asked { &[b"trailers"] } else { &[] };
    assert_eq!(got.all("te").collect::<Vec<_>>(), te);
    let upgrade: Vec<_> = got.all("upgrade").collect();
    if !upgrade.is_empty() {
        assert_eq!(upgrade, sent.all("upgrade").collect::<Vec<_>>());
        assert!(upgrade.len() == 1 && sent.lists("connection", "upgrade"));
        assert_eq!(sent.framing, Framing::Nothing);
    }
    let connection: Vec<_> = got.all("connection").collect();
    let expected: &[&[u8]] = match (upgrade.is_empty(), te.is_empty()) {
        (true, true) => &[],
        (true, false) => &[b"te"],
        (false, true) => &[b"upgrade"],
        (false, false) => &[b"upgrade, te"],
    };
    assert_eq!(connection, expected);
    for name in ["keep-alive", "proxy-connection", "http2-settings"] {
        assert_eq!(got.all(name).count(), 0, "{name}");
    }
    match sent.framing {
        Framing::Nothing => assert!(matches!(got.framing, Framing::Nothing | Framing::Length(0))),
        framing => assert_eq!(got.framing, framing),
    }
    assert!(upgrade.len() == 1 || got.is_complete);
    assert_eq!(got.trailers, passed_on_behind(&sent.trailers));
}

/// A gateway passes on nothing that its client says in the name of a proxy.
fn check_edge(got: &Message, sent: &Message, changes: &[Change]) {
    const OWN: [&str; 6] = [
        "x-envoy-attempt-count",
        "x-envoy-external-address",
        "x-envoy-original-host",
        "x-envoy-original-path",
        "x-forwarded-for",
        "x-forwarded-proto",
    ];
    let is_of_route = |name: &str| changes.iter().any(|change| change.name == name);
    for (name, value) in got.fields.iter().filter(|(name, _)| !is_of_route(name)) {
        let is_claim = name.starts_with("x-envoy-") || name.starts_with("x-forwarded-");
        assert!(!is_claim || OWN.contains(&&name[..]), "{name} passes");
        if name == "x-request-id" {
            assert!(
                sent.all(name).all(|claimed| claimed != value),
                "{name} passes"
            );
        }
    }
    if !is_of_route("x-forwarded-for") {
        let way: Vec<_> = got.all("x-forwarded-for").collect();
        assert!(way.len() == 1 && way[0].ends_with(b"10.0.0.9"), "{way:?}");
    }
    if !is_of_route("x-forwarded-proto") {
        assert_eq!(got.all("x-forwarded-proto").collect::<Vec<_>>(), [b"http"]);
    }
}

fn check_target(got: &Message, asked: &Asked, host: Option<&str>, prefix: Option<&str>) {
    let Line::Request { method, target, .. } = &got.line else {
        panic!("{got:#?}");
    };
    assert_eq!(method, asked.method);
    let hosts: Vec<_> = got.all("host").collect();
    assert_eq!(hosts, [host.unwrap_or(asked.host).as_bytes()]);
    let start = prefix.unwrap_or("/").as_bytes();
    assert!(target.starts_with(start), "{target:?}");
    assert!(
        target.iter().all(|byte| *byte > b' ' && *byte != 127),
        "{target:?}"
    );
    if asked.has_plain_target() {
        assert_eq!(target[start.len()..], asked.target[1..]);
    }
}

fn check_response(to_client: &[u8], sent: &[u8], method: &str, changes: &[Change]) {
    let kind = Kind::Response(method);
    let got = read(to_client, kind).unwrap_or_else(|why| panic!("to the client: {why}"));
    let Some(got) = got else {
        panic!("the client gets no answer");
    };
    let Ok(Some(sent)) = read(sent, kind) else {
        return;
    };
    if got.line != sent.line {
        // The proxy has refused it, and says so.
        assert!(
            matches!(got.line, Line::Response { status: 502, .. }),
            "{got:#?}"
        );
        return;
    }
    let expected = changed(passed_on(&sent.fields), changes);
    let expected: Vec<Field> = expected
        .into_iter()
        .filter(|(name, _)| !is_own(name))
        .collect();
    assert_eq!(written(&got.fields), expected, "of {sent:#?}");
    assert_eq!(
        got.body,
        if got.framing == Framing::Nothing {
            vec![]
        } else {
            sent.body
        }
    );
    assert_eq!(got.len, to_client.len(), "another message follows");
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A proxy that refused everything would pass all other checks.
    #[test]
    fn a_plain_request_reaches_the_server() {
        assert!(reaches(include_bytes!("../seeds/rewriting/plain")));
        let trailers = include_bytes!("../seeds/rewriting/trailers-of-heads");
        assert!(reaches(trailers));
    }
}
