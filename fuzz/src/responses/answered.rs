//! What a server of HTTP/2 answers.

use pillion_grammar::frames::{
    END_STREAM, frame,
    kind::{DATA, GOAWAY, PING, PRIORITY, PUSH_PROMISE, RESET, SETTINGS, WINDOW_UPDATE},
};

use super::asked::Asked;
use crate::{
    cursor::Cursor,
    heads::{SPLITS, cuts, head},
    messages::Field,
};

/// The setting that allows upgrades (RFC 8441, 3), switched on.
const UPGRADES: [u8; 6] = [0, 8, 0, 0, 0, 1];
/// Not used by anybody.
const UNKNOWN: u8 = 0x42;

const STATUS: [&str; 12] = [
    "200", "200", "200", "204", "304", "404", "503", "101", "1000", "abc", "", "99",
];
const INTERIM: [&str; 4] = ["103", "100", "102", "101"];

/// What is good in a head, but for `content-length`, which has to fit.
const GOOD: [(&str, &[&str]); 6] = [
    ("x-a", &["1", "", "2", "a b"]),
    ("set-cookie", &["a=1", "b=2"]),
    ("content-type", &["text/plain", "application/grpc"]),
    ("server", &["mine"]),
    ("date", &["Sun, 06 Nov 1994 08:49:37 GMT"]),
    ("trailer", &["x-t"]),
];

const FIELDS: [(&str, &[&str]); 15] = [
    ("content-length", &["3", "0", "6", "+3", "3, 3", "3 "]),
    ("transfer-encoding", &["chunked", "gzip"]),
    ("connection", &["close", "x-a", "upgrade"]),
    ("upgrade", &["websocket", "h2c"]),
    ("keep-alive", &["timeout=1"]),
    ("proxy-connection", &["close"]),
    ("te", &["trailers", "gzip"]),
    ("host", &["a"]),
    ("x-a", &["\r\nx: y", "a\nb", " c", "d ", "a\0"]),
    ("X-A", &["1"]),
    ("x a", &["1"]),
    (":path", &["/"]),
    (":status", &["200", "404"]),
    ("sec-websocket-accept", &["a"]),
    ("x-envoy-upstream-service-time", &["1", ""]),
];

/// What a server sends on the one stream that there is.
#[derive(Debug, Default)]
pub(super) struct Answered {
    interim: Vec<Vec<Field>>,
    pub head: Vec<Field>,
    pub data: Vec<Vec<u8>>,
    pub trailers: Vec<Field>,
    /// There is a second head, which may have no field.
    has_trailers: bool,
    /// Bytes of the heads' frames; 0 is all of one in one.
    split: usize,
    /// The frame behind everything else that says that the stream has an end is missing.
    is_open: bool,
    resets: bool,
    /// Other frames, before the parts of the response and behind them.
    beside: Vec<Vec<u8>>,
    /// One of these says something that a server may not say, or that ends the connection.
    is_spoilt: bool,
    /// Some field is none that any response may have.
    is_odd: bool,
    /// The connection ends at last.
    pub closes: bool,
}

impl Answered {
    /// Chooses what it is: a quarter of the modes cut heads.
    pub fn choose(cursor: &mut Cursor<'_>, mode: u8) -> Self {
        let mut answered = Self::default();
        let shape = cursor.byte();
        if mode >> 5 & 3 == 3 {
            answered.split = SPLITS[usize::from(shape >> 6)];
        }
        answered.closes = mode & 128 != 0;
        for _ in 0..shape & 3 {
            let mut interim = vec![field(":status", cursor.pick(&INTERIM))];
            answered.add_fields(cursor, &mut interim);
            answered.is_odd |= interim[0].1 == b"101";
            answered.interim.push(interim);
        }
        let mut head = Vec::new();
        if shape & 4 == 0 {
            let status = cursor.pick(&STATUS);
            answered.is_odd |= !STATUS[..7].contains(&status);
            head.push(field(":status", status));
        } else {
            answered.is_odd = true;
        }
        answered.add_fields(cursor, &mut head);
        answered.head = head;
        for _ in 0..cursor.below(4) {
            let length = cursor.pick(&[3, 0, 3, 6, 40]);
            answered.data.push(vec![b'd'; length]);
        }
        if shape & 8 != 0 {
            let mut trailers = Vec::new();
            answered.has_trailers = true;
            answered.add_fields(cursor, &mut trailers);
            answered.trailers = trailers;
        }
        answered.is_open = shape & 48 == 48;
        answered.resets = cursor.byte() & 7 == 7;
        for _ in 0..cursor.below(5) {
            let other = answered.other_frame(cursor);
            answered.beside.push(other);
        }
        answered
    }

    fn add_fields(&mut self, cursor: &mut Cursor<'_>, fields: &mut Vec<Field>) {
        for _ in 0..cursor.below(6) {
            let which = cursor.byte();
            let (name, values) = match which {
                0..=0x7f => GOOD[usize::from(which) % GOOD.len()],
                0x80..=0xef => {
                    self.is_odd = true;
                    FIELDS[usize::from(which) % FIELDS.len()]
                }
                _ => {
                    self.is_odd = true;
                    let length = usize::from(which & 7);
                    let name = String::from_utf8_lossy(cursor.take(length)).into_owned();
                    let length = cursor.below(8);
                    fields.push((name, cursor.take(length).to_vec()));
                    continue;
                }
            };
            fields.push(field(name, cursor.pick(values)));
        }
    }

    /// A frame that has nothing to do with the response.
    fn other_frame(&mut self, cursor: &mut Cursor<'_>) -> Vec<u8> {
        let mut bytes = Vec::new();
        match cursor.byte() & 15 {
            0 => frame(&mut bytes, PING, 0, 0, &[7; 8]),
            1 => frame(&mut bytes, PRIORITY, 0, 1, &[0, 0, 0, 3, 1]),
            2 => frame(&mut bytes, UNKNOWN, 0xff, 1, b"unknown"),
            3 => frame(&mut bytes, WINDOW_UPDATE, 0, 0, &[0, 0, 1, 0]),
            4 => frame(&mut bytes, WINDOW_UPDATE, 0, 1, &[0, 0, 1, 0]),
            5 => frame(&mut bytes, SETTINGS, 0, 0, &UPGRADES),
            6 => {
                self.is_spoilt = true;
                let last = cursor.pick(&[1, 0, 3, u32::MAX]);
                let payload = [last.to_be_bytes(), [0, 0, 0, cursor.byte() & 15]];
                frame(&mut bytes, GOAWAY, 0, 0, &payload.concat());
            }
            7 => {
                self.is_spoilt = true;
                frame(&mut bytes, PUSH_PROMISE, 4, 1, &[0, 0, 0, 2, 0x82]);
            }
            8 => {
                self.is_spoilt = true;
                bytes = cursor.take(usize::from(cursor.clone().byte())).to_vec();
            }
            _ => {
                self.is_spoilt = true;
                let (kind, flags) = (cursor.byte() % 12, cursor.byte());
                let id = cursor.pick(&[1, 0, 2, 3, u32::MAX]);
                let length = cursor.below(16);
                frame(&mut bytes, kind, flags, id, cursor.take(length));
            }
        }
        bytes
    }

    /// What goes over the connection behind the settings.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut beside = self.beside.iter();
        let mut next = |bytes: &mut Vec<u8>| bytes.extend(beside.next().into_iter().flatten());
        for interim in &self.interim {
            head(&mut bytes, interim, 0, self.split);
        }
        let end = |is_last: bool| match is_last && !self.is_open {
            true => END_STREAM,
            false => 0,
        };
        next(&mut bytes);
        let is_last = self.data.is_empty() && !self.has_trailers;
        head(&mut bytes, &self.head, end(is_last), self.split);
        for (at, data) in self.data.iter().enumerate() {
            next(&mut bytes);
            let is_last = at + 1 == self.data.len() && !self.has_trailers;
            frame(&mut bytes, DATA, end(is_last), 1, data);
        }
        if self.has_trailers {
            next(&mut bytes);
            head(&mut bytes, &self.trailers, end(true), self.split);
        }
        if self.resets {
            frame(&mut bytes, RESET, 0, 1, &8_u32.to_be_bytes());
        }
        bytes.extend(beside.flatten());
        bytes
    }

    /// All values of that name in the head.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let same = self.head.iter().filter(move |(other, _)| other == name);
        same.map(|(_, value)| &value[..])
    }

    /// All heads, in their order.
    pub fn heads(&self) -> impl Iterator<Item = &[Field]> {
        let interim = self.interim.iter().map(Vec::as_slice);
        interim.chain([&self.head[..], &self.trailers])
    }

    /// Whether some head comes in several frames, in which h2 forgets some of what is wrong.
    pub fn is_cut(&self) -> bool {
        self.heads().any(|fields| cuts(fields, self.split))
    }

    /// Whether its frames are those of the response and no others that matter.
    pub fn is_spoilt(&self) -> bool {
        self.is_spoilt
    }

    /// Whether its last frame says that it is. A reset may follow.
    pub fn has_end(&self) -> bool {
        !self.is_open
    }

    /// Whether nobody has a reason to refuse it. h2 refuses heads of more than a few frames.
    pub fn is_good(&self, asked: Asked) -> bool {
        let has_no_body = |status: &[u8]| matches!(status, b"204" | b"304");
        let may_have_data = asked.method != "HEAD" && !self.all(":status").any(has_no_body);
        let has_data = self.data.iter().any(|data| !data.is_empty());
        let is_plain = !self.is_odd && !self.is_spoilt && !self.is_cut();
        self.has_end() && !self.resets && is_plain && (may_have_data || !has_data)
    }
}

/// What a server sends first.
pub(super) fn settings() -> Vec<u8> {
    let mut bytes = Vec::new();
    frame(&mut bytes, SETTINGS, 0, 0, &UPGRADES);
    bytes
}

fn field(name: &str, value: &str) -> Field {
    (name.to_owned(), value.as_bytes().to_vec())
}
