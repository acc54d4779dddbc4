//! The fuzz target for requests of HTTP/2 that go to a server of HTTP/1.

use std::collections::BTreeMap;

use pillion_cost::{Bound, Linear};
use pillion_grammar::frames::{
    END_HEADERS, END_STREAM, PREFACE, frame,
    kind::{CONTINUATION, DATA, HEADERS, RESET, SETTINGS},
    literal,
};
use pillion_proxy::test_util::{Play, Setting};

use crate::{
    cursor::{Cursor, pieces},
    messages::{Field, Kind, Line, Message, read},
    model::is_own,
    units::{KIB, MILLISECOND},
};

/// As of a whole exchange; h2 takes some memory of its own.
pub(crate) const BOUND: Bound = Bound {
    peak: Linear::new(1024 * KIB, 512),
    total: Linear::new(1536 * KIB, 8 * KIB),
    time: Linear::new(15 * MILLISECOND, 30_000),
};

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

const PSEUDO: [(&str, &[&str]); 6] = [
    (":method", &["GET", "POST", "CONNECT", "HEAD", "OPTIONS"]),
    (":scheme", &["http", "https", "ftp"]),
    (":authority", &["a", "reviews:9080", "[::1]:80", "u@a", ""]),
    (":path", &["/", "/a?b", "*", "", "/a/../b", "a"]),
    (":protocol", &["websocket", "a b"]),
    (":status", &["200"]),
];

const FIELDS: [(&str, &[&str]); 14] = [
    ("content-length", &["0", "3", "6", "+3", "3, 3"]),
    ("transfer-encoding", &["chunked", "gzip"]),
    ("connection", &["close", "x-a"]),
    ("upgrade", &["h2c", "websocket"]),
    ("te", &["trailers", "gzip"]),
    ("host", &["a", "b", "reviews:9080"]),
    ("cookie", &["a=1", "b=2"]),
    ("x-a", &["1", "", "2"]),
    ("x-a", &["\r\nx: y", "a\nb", " c", "d "]),
    ("X-A", &["1"]),
    ("x a", &["1"]),
    ("expect", &["100-continue"]),
    ("trailer", &["x-t"]),
    ("keep-alive", &["timeout=1"]),
];

/// What a client sends on one stream.
#[derive(Default)]
struct Asked {
    head: Vec<Field>,
    data: Vec<Vec<u8>>,
    trailers: Option<Vec<Field>>,
    /// Bytes of the head's frames; 0 is all of it in one.
    split: usize,
    /// The client resets the stream at last.
    resets: bool,
}

/// Sends a request of HTTP/2 that the input chooses: either it is refused, or the server gets
/// exactly one message, which says the same.
///
/// # Panics
///
/// Panics if a check fails.
pub fn mapping(data: &[u8]) {
    let mut cursor = Cursor::new(data);
    let mode = cursor.byte();
    let lengths = cursor.take(usize::from(mode & 7));
    let asked = Asked::choose(&mut cursor, mode);
    let bytes = asked.bytes();
    let received = |lengths: &[u8]| {
        let mut play = Play::new(Setting {
            http2: true,
            gateway: mode & 8 != 0,
            ..Setting::default()
        });
        for piece in pieces(&bytes, lengths) {
            play.client_sends(piece);
        }
        play.server_sends(0, ANSWER);
        play.client_ends();
        check_frames(&play.to_client());
        assert!(play.to_server(1).is_none(), "one request, two connections");
        play.to_server(0)
    };
    let whole = BOUND.hold("a request", bytes.len(), || received(&[]));
    let in_pieces = received(lengths);
    let (whole, in_pieces) = (complete(whole), complete(in_pieces));
    // What has come may be complete by its length before something else is wrong.
    let has_length = !asked.all("content-length").is_empty();
    let may_differ = asked.resets || whole.is_none() && has_length;
    assert!(
        may_differ || whole == in_pieces,
        "{whole:#?}\n\n{in_pieces:#?}"
    );
    if let Some(message) = whole {
        asked.check(&message);
    }
}

/// What the server has got, if that is complete.
fn complete(received: Option<Vec<u8>>) -> Option<Message> {
    let received = received?;
    let message = read(&received, Kind::Request).unwrap_or_else(|why| panic!("{why}"))?;
    let is_tunnel = message.all("upgrade").count() > 0 || message.method() == "CONNECT";
    assert!(
        is_tunnel || message.len == received.len(),
        "another message follows"
    );
    // Chunks may be cut elsewhere.
    message.is_complete.then_some(Message { len: 0, ..message })
}

impl Asked {
    fn choose(cursor: &mut Cursor<'_>, mode: u8) -> Self {
        let mut asked = Self {
            split: usize::from(mode >> 4) * 3,
            ..Self::default()
        };
        let shape = cursor.byte();
        // Most heads have what a head needs.
        for (at, (name, values)) in PSEUDO[..4].iter().enumerate() {
            if shape >> at & 1 == 0 {
                asked.head.push(field(name, cursor.pick(values)));
            }
        }
        for _ in 0..cursor.below(8) {
            asked.head.push(any_field(cursor));
        }
        for _ in 0..cursor.below(4) {
            let length = cursor.pick(&[0, 3, 3, 6, 40]);
            asked.data.push(vec![b'd'; length]);
        }
        if cursor.byte() & 3 == 3 {
            let count = cursor.below(4);
            asked.trailers = Some((0..count).map(|_| any_field(cursor)).collect());
        }
        asked.resets = cursor.byte() & 7 == 7;
        asked
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = PREFACE.to_vec();
        frame(&mut bytes, SETTINGS, 0, 0, &[]);
        let has_data = !self.data.is_empty();
        let end = |is_last: bool| if is_last { END_STREAM } else { 0 };
        let is_last = !has_data && self.trailers.is_none();
        head(&mut bytes, &self.head, end(is_last), self.split);
        for (at, data) in self.data.iter().enumerate() {
            let is_last = at + 1 == self.data.len() && self.trailers.is_none();
            frame(&mut bytes, DATA, end(is_last), 1, data);
        }
        if let Some(trailers) = &self.trailers {
            head(&mut bytes, trailers, END_STREAM, self.split);
        }
        if self.resets {
            frame(&mut bytes, RESET, 0, 1, &8_u32.to_be_bytes());
        }
        bytes
    }

    fn all<'a>(&'a self, name: &'a str) -> Vec<&'a [u8]> {
        let same = self.head.iter().filter(move |(other, _)| other == name);
        same.map(|(_, value)| &value[..]).collect()
    }

    /// Checks that a message says the same.
    fn check(&self, got: &Message) {
        assert_eq!(got.body, self.data.concat());
        if self.split == 0 {
            self.check_all(got);
        } else {
            self.check_part(got);
        }
    }

    /// In a head of several frames, h2 (0.4.20) forgets that something was malformed, which it
    /// leaves out: `HeaderBlock::load` keeps that for the last frame only. What is left is
    /// still what was asked, and nothing else.
    fn check_part(&self, got: &Message) {
        let Line::Request { method, target, .. } = &got.line else {
            panic!("{got:#?}");
        };
        let is_asked = |name: &str, value: &[u8]| self.all(name).contains(&value);
        let is_upgrade = got.all("upgrade").count() > 0;
        assert!(
            is_upgrade || is_asked(":method", method.as_bytes()),
            "{got:#?}"
        );
        let host = got.all("host").next().unwrap_or_default();
        assert!(
            is_asked(":authority", host) || is_asked("host", host),
            "{got:#?}"
        );
        let is_changed = method == "CONNECT" || self.all(":path").contains(&&b"/a/../b"[..]);
        assert!(is_changed || is_asked(":path", target), "{got:#?}");
        let fields = got.fields.iter().filter(|(name, _)| !is_special(name));
        for (name, value) in fields.filter(|(name, _)| name != "cookie") {
            assert!(is_asked(name, value), "{name} from nowhere");
        }
    }

    fn check_all(&self, got: &Message) {
        let Line::Request { method, target, .. } = &got.line else {
            panic!("{got:#?}");
        };
        let upgrade = self.all(":protocol");
        let asked = self.all(":method");
        assert_eq!(asked.len(), 1, "{got:#?}");
        match upgrade[..] {
            [] => assert_eq!(method.as_bytes(), asked[0]),
            [protocol] => {
                assert_eq!((&method[..], asked[0]), ("GET", &b"CONNECT"[..]));
                assert_eq!(got.all("upgrade").collect::<Vec<_>>(), [protocol]);
                assert!(got.lists("connection", "upgrade"));
            }
            _ => panic!("two protocols"),
        }
        let hosts = [self.all(":authority"), self.all("host")].concat();
        let got_hosts: Vec<_> = got.all("host").collect();
        assert_eq!(got_hosts.len(), 1);
        assert!(!hosts.is_empty(), "a host from nowhere");
        for host in hosts {
            assert!(host.eq_ignore_ascii_case(got_hosts[0]), "{host:?}");
        }
        if *method != "CONNECT" {
            let paths = self.all(":path");
            assert_eq!(paths.len(), 1);
            let is_plain = |path: &[u8]| !path.contains(&b'.');
            assert!(!is_plain(paths[0]) || target == paths[0], "{target:?}");
        }
        let lengths = self.all("content-length");
        for length in &lengths {
            assert_eq!(*length, got.body.len().to_string().as_bytes());
        }
        assert!(lengths.len() <= 1);
        for name in ["connection", "keep-alive", "transfer-encoding", "upgrade"] {
            assert!(self.all(name).is_empty(), "{name} of HTTP/2 is malformed");
        }
        assert_eq!(by_name(&got.fields), by_name(&self.head));
        assert_eq!(
            by_name(&got.trailers),
            by_name(self.trailers.as_deref().unwrap_or_default())
        );
    }
}

/// What HTTP/2 writes in another way than HTTP/1, and what the proxy says by itself.
fn is_special(name: &str) -> bool {
    let own = is_own(name) && !matches!(name, "date" | "server");
    let codecs = [
        "connection",
        "content-length",
        "host",
        "http2-settings",
        "transfer-encoding",
        "trailer",
        "upgrade",
    ];
    own || name.starts_with(':') || codecs.contains(&name)
}

/// Values by names: the order of fields with other names means nothing.
fn by_name(fields: &[Field]) -> BTreeMap<&str, Vec<u8>> {
    let mut all: BTreeMap<&str, Vec<u8>> = BTreeMap::new();
    for (name, value) in fields.iter().filter(|(name, _)| !is_special(name)) {
        let joined: &[u8] = if name == "cookie" { b"; " } else { b"\n" };
        match all.get_mut(&name[..]) {
            Some(values) => values.extend_from_slice(&[joined, value].concat()),
            None => drop(all.insert(name, value.clone())),
        }
    }
    all
}

fn field(name: &str, value: &str) -> Field {
    (name.to_owned(), value.as_bytes().to_vec())
}

fn any_field(cursor: &mut Cursor<'_>) -> Field {
    let which = cursor.byte();
    let (name, values) = match which {
        0..=0xdf => FIELDS[usize::from(which) % FIELDS.len()],
        0xe0..=0xef => PSEUDO[usize::from(which) % PSEUDO.len()],
        _ => {
            let length = usize::from(which & 7);
            let name = String::from_utf8_lossy(cursor.take(length)).into_owned();
            let length = cursor.below(8);
            return (name, cursor.take(length).to_vec());
        }
    };
    field(name, cursor.pick(values))
}

/// Appends a head, in frames of so many bytes.
fn head(bytes: &mut Vec<u8>, fields: &[Field], flags: u8, split: usize) {
    let block = fields
        .iter()
        .flat_map(|(name, value)| literal(name.as_bytes(), value));
    let block: Vec<u8> = block.collect();
    let size = if split == 0 {
        block.len().max(1)
    } else {
        split
    };
    let mut pieces: Vec<&[u8]> = block.chunks(size).collect();
    let first = if pieces.is_empty() {
        &[][..]
    } else {
        pieces.remove(0)
    };
    let end = |is_last: bool| if is_last { END_HEADERS } else { 0 };
    frame(bytes, HEADERS, flags | end(pieces.is_empty()), 1, first);
    let count = pieces.len();
    for (at, piece) in pieces.into_iter().enumerate() {
        frame(bytes, CONTINUATION, end(at + 1 == count), 1, piece);
    }
}

/// What the client gets is frames, and its stream ends at most once.
fn check_frames(mut bytes: &[u8]) {
    let mut ends = 0;
    while let [high, middle, low, kind, flags, a, b, c, d, rest @ ..] = bytes {
        let length = u32::from_be_bytes([0, *high, *middle, *low]);
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let id = u32::from_be_bytes([*a, *b, *c, *d]);
        assert!(length <= rest.len(), "half a frame");
        bytes = &rest[length..];
        if id == 1 && matches!(*kind, DATA | HEADERS) {
            assert_eq!(ends, 0, "something follows the end");
            ends += usize::from(flags & END_STREAM != 0);
        }
    }
    assert!(bytes.is_empty(), "half a frame");
}
