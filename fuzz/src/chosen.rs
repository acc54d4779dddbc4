//! Messages and changes of routes that the fuzzer's bytes choose.

use pillion_proxy::test_util::{Edit, Edits};

use crate::{cursor::Cursor, messages::Field, model::Change};

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

/// What a client sends.
pub(crate) struct Asked {
    pub method: &'static str,
    pub target: Vec<u8>,
    pub host: &'static str,
    fields: Vec<Field>,
    pub body: Vec<u8>,
    chunked: bool,
    trailers: Vec<Field>,
}

impl Asked {
    /// Chooses what it is.
    pub fn choose(cursor: &mut Cursor<'_>) -> Self {
        let method = cursor.pick(&["GET", "POST", "HEAD", "OPTIONS", "DELETE", "PATCH"]);
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
            // Any other is refused, and the rest of the input would say nothing.
            let is_good = |byte: &&u8| byte.is_ascii_graphic() && **byte != b'#';
            target.extend(taken.iter().filter(is_good));
        }
        let host = cursor.pick(&HOSTS);
        let fields = fields(cursor);
        let length = cursor.below(32);
        let body: Vec<u8> = (0..length).map(|_| b'b').collect();
        let framing = cursor.byte();
        Self {
            method,
            target,
            host,
            fields,
            chunked: framing & 1 != 0 && !body.is_empty(),
            trailers: match framing & 2 {
                0 => vec![("x-t".to_owned(), b"1".to_vec())],
                _ => self::fields(cursor),
            },
            body,
        }
    }

    /// Whether nobody has a reason to refuse it.
    pub fn is_plain(&self) -> bool {
        self.fields.is_empty() && self.has_plain_target()
    }

    /// Whether the target's path is in its normal form.
    pub fn has_plain_target(&self) -> bool {
        let is_plain =
            |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'?' | b'=');
        self.target.iter().all(is_plain)
    }

    /// What goes over the connection.
    pub fn text(&self) -> Vec<u8> {
        let mut text = [self.method.as_bytes(), b" ", &self.target, b" HTTP/1.1\r\n"].concat();
        write_field(&mut text, "Host", self.host.as_bytes());
        for (name, value) in &self.fields {
            write_field(&mut text, name, value);
        }
        if self.chunked {
            write_field(&mut text, "Transfer-Encoding", b"chunked");
            let size = format!("\r\n{:x}\r\n", self.body.len());
            text = [&text, size.as_bytes(), &self.body, b"\r\n0\r\n"].concat();
            for (name, value) in &self.trailers {
                write_field(&mut text, name, value);
            }
            text.extend_from_slice(b"\r\n");
            return text;
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
pub(crate) fn edits(cursor: &mut Cursor<'_>) -> (Edits, Vec<Change>) {
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
pub(crate) fn response(cursor: &mut Cursor<'_>) -> Vec<u8> {
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
