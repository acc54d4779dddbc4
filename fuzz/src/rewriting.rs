//! The fuzz target for what the proxy changes of heads: fields of the connection, its own
//! fields, and the changes of routes.

use pillion_cost::{Bound, Linear};
use pillion_proxy::test_util::{Edit, Edits, Play, Setting};

use crate::{
    cursor::Cursor,
    messages::{Field, Framing, Kind, Line, Message, read},
    model::{Change, changed, is_own, passed_on, written},
    units::{KIB, MILLISECOND},
};

/// As of a whole exchange. Fields are generated, and changes repeat texts.
pub(crate) const BOUND: Bound = Bound {
    peak: Linear::new(768 * KIB, KIB),
    total: Linear::new(1024 * KIB, 8 * KIB),
    time: Linear::new(10 * MILLISECOND, 20_000),
};

const NAMES: [&str; 24] = [
    "accept",
    "Cookie",
    "X-A",
    "x-b",
    "connection",
    "Connection",
    "te",
    "TE",
    "trailer",
    "upgrade",
    "keep-alive",
    "proxy-connection",
    "http2-settings",
    "expect",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-envoy-retry-on",
    "x-request-id",
    "x-forwarded-client-cert",
    "content-type",
    "user-agent",
    "server",
    "date",
    "host",
];

const VALUES: [&str; 16] = [
    "",
    "a",
    "close",
    "keep-alive",
    "upgrade",
    "x-a",
    "x-a, x-b, close",
    "host, content-length, transfer-encoding",
    "x-request-id, x-forwarded-proto",
    "trailers",
    "trailers, gzip",
    "websocket",
    "h2c",
    "100-continue",
    "1.2.3.4",
    "https",
];

const HOSTS: [&str; 4] = ["reviews:9080", "a", "[::1]:80", "other.example.com"];

/// Sends a request with fields that the input chooses, and a response, by way of a route with
/// changes that the input chooses.
///
/// # Panics
///
/// Panics if a check fails.
pub fn rewriting(data: &[u8]) {
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
        return;
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
    check_target(&got, &asked, host, prefix);
    assert_eq!(got.body, asked.body);
    let upgrades = got.all("upgrade").count() > 0;
    assert!(
        upgrades || received.len() == got.len,
        "another message follows"
    );
    let to_client = played.to_client();
    check_response(&to_client, &response, got.method(), &response_changes);
}

/// What a client sends.
struct Asked {
    method: &'static str,
    target: Vec<u8>,
    host: &'static str,
    fields: Vec<Field>,
    body: Vec<u8>,
    chunked: bool,
}

impl Asked {
    fn choose(cursor: &mut Cursor<'_>) -> Self {
        let method = cursor.pick(&["GET", "POST", "HEAD", "OPTIONS", "DELETE", "x"]);
        let mut target = b"/".to_vec();
        let shape = cursor.byte();
        target.extend_from_slice(match shape & 3 {
            0 => &b""[..],
            1 => b"a/b?c=/d",
            2 => b"%2e%2e/%2f;x",
            _ => &[],
        });
        if shape & 3 == 3 {
            let taken = cursor.take(usize::from(shape >> 4));
            target.extend(taken.iter().filter(|byte| **byte > b' ' && **byte != 127));
        }
        let host = cursor.pick(&HOSTS);
        let fields = fields(cursor);
        let length = cursor.below(32);
        let body: Vec<u8> = (0..length).map(|_| b'b').collect();
        Self {
            method,
            target,
            host,
            fields,
            chunked: cursor.byte() & 1 != 0 && !body.is_empty(),
            body,
        }
    }

    fn text(&self) -> Vec<u8> {
        let mut text = [self.method.as_bytes(), b" ", &self.target, b" HTTP/1.1\r\n"].concat();
        write_field(&mut text, "Host", self.host.as_bytes());
        for (name, value) in &self.fields {
            write_field(&mut text, name, value);
        }
        if self.chunked {
            write_field(&mut text, "Transfer-Encoding", b"chunked");
            let size = format!("\r\n{:x}\r\n", self.body.len());
            return [
                &text,
                size.as_bytes(),
                &self.body,
                b"\r\n0\r\nx-t: 1\r\n\r\n",
            ]
            .concat();
        }
        if !self.body.is_empty() {
            let length = self.body.len().to_string();
            write_field(&mut text, "Content-Length", length.as_bytes());
        }
        [&text[..], b"\r\n", &self.body].concat()
    }
}

fn write_field(text: &mut Vec<u8>, name: &str, value: &[u8]) {
    text.extend_from_slice(&[name.as_bytes(), b": ", value, b"\r\n"].concat());
}

/// Fields, of which only a few have names and values that nobody has thought of.
fn fields(cursor: &mut Cursor<'_>) -> Vec<Field> {
    let count = cursor.below(12);
    let one = |_| {
        let which = cursor.byte();
        let name = match which {
            0..=0xf7 => NAMES[usize::from(which) % NAMES.len()].to_owned(),
            _ => token(cursor),
        };
        let which = cursor.byte();
        let value = match which {
            0..=0xef => VALUES[usize::from(which) % VALUES.len()]
                .as_bytes()
                .to_vec(),
            _ => {
                let is_text = |byte: &u8| *byte == b'\t' || *byte >= b' ' && *byte != 127;
                let taken = cursor.take(usize::from(which & 15));
                let value: Vec<u8> = taken.iter().copied().filter(is_text).collect();
                value.trim_ascii().to_vec()
            }
        };
        (name, value)
    };
    (0..count).map(one).collect()
}

fn token(cursor: &mut Cursor<'_>) -> String {
    let length = 1 + cursor.below(7);
    let letter = |byte: &u8| char::from(b"aB-_.~9!#$%&'*+^`|z"[usize::from(*byte) % 19]);
    let text: String = cursor.take(length).iter().map(letter).collect();
    if text.is_empty() {
        "z".to_owned()
    } else {
        text
    }
}

/// Changes of a route, and what becomes of those that routes may not make.
fn edits(cursor: &mut Cursor<'_>) -> (Edits, Vec<Change>) {
    let mut edits = Edits::default();
    let mut changes = Vec::new();
    for _ in 0..cursor.below(6) {
        let edit = cursor.pick(&[
            Edit::Remove,
            Edit::Append,
            Edit::AddIfAbsent,
            Edit::Set,
            Edit::SetIfPresent,
        ]);
        let name = match cursor.byte() {
            which @ 0..=0xf7 => NAMES[usize::from(which) % NAMES.len()].to_owned(),
            _ => String::from_utf8_lossy(cursor.take(4)).into_owned(),
        };
        let value = match cursor.byte() {
            which @ 0..=0xf7 => VALUES[usize::from(which) % VALUES.len()].to_owned(),
            _ => String::from_utf8_lossy(cursor.take(6)).into_owned(),
        };
        if !edits.add(edit, &name, &value) {
            continue;
        }
        let is_token =
            |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        assert!(!name.is_empty() && name.bytes().all(is_token), "{name:?}");
        if edit != Edit::Remove {
            let is_control = |byte: u8| byte < b' ' && byte != b'\t' || byte == 127;
            assert!(!value.bytes().any(is_control), "{value:?}");
        }
        changes.push(Change {
            edit,
            name: name.to_ascii_lowercase(),
            value,
        });
    }
    (edits, changes)
}

/// What a server answers.
fn response(cursor: &mut Cursor<'_>) -> Vec<u8> {
    let status = cursor.pick(&["200 OK", "204 No Content", "304 Not Modified", "503 No"]);
    let mut text = format!("HTTP/1.1 {status}\r\n").into_bytes();
    for (name, value) in fields(cursor) {
        write_field(&mut text, &name, &value);
    }
    match cursor.byte() & 3 {
        _ if status.starts_with("204") => text.extend_from_slice(b"\r\n"),
        0 | 1 => text.extend_from_slice(b"content-length: 2\r\n\r\nok"),
        2 => text.extend_from_slice(b"transfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"),
        _ => text.extend_from_slice(b"\r\nok"),
    }
    text
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
    let trailers = sent
        .all("te")
        .flat_map(|value| value.split(|byte| *byte == b','));
    let trailers = trailers.map(|element| {
        let coding = element
            .split(|byte| *byte == b';')
            .next()
            .unwrap_or_default();
        coding.trim_ascii().eq_ignore_ascii_case(b"trailers")
    });
    let te: Vec<&[u8]> = trailers
        .into_iter()
        .any(|it| it)
        .then_some(&b"trailers"[..])
        .into_iter()
        .collect();
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
    assert_eq!(got.trailers, sent.trailers);
}

fn check_target(got: &Message, asked: &Asked, host: Option<&str>, prefix: Option<&str>) {
    let Line::Request { method, target, .. } = &got.line else {
        panic!("{got:#?}");
    };
    assert_eq!(method, asked.method);
    let hosts: Vec<_> = got.all("host").collect();
    assert_eq!(hosts, [host.unwrap_or(asked.host).as_bytes()]);
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'?' | b'=');
    let start = prefix.unwrap_or("/").as_bytes();
    assert!(target.starts_with(start), "{target:?}");
    assert!(
        target.iter().all(|byte| *byte > b' ' && *byte != 127),
        "{target:?}"
    );
    if asked.target.iter().all(is_plain) {
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
