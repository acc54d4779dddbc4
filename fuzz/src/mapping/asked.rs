//! What the client of HTTP/2 sends.

use pillion_grammar::frames::{
    END_STREAM, PREFACE, frame,
    kind::{DATA, RESET, SETTINGS},
};

use crate::{
    cursor::Cursor,
    heads::{SPLITS, cuts, head},
    messages::Field,
};

const PSEUDO: [(&str, &[&str]); 6] = [
    (":method", &["GET", "POST", "CONNECT", "HEAD", "OPTIONS"]),
    (":scheme", &["http", "https", "ftp"]),
    (":authority", &AUTHORITIES),
    (":path", &["/", "/a?b", "*", "", "/a/../b", "a"]),
    (":protocol", &["websocket", "a b"]),
    (":status", &["200"]),
];

const AUTHORITIES: [&str; 19] = [
    "a",
    "reviews:9080",
    "[::1]:80",
    "u@a",
    "",
    "web:b",
    "web:99999",
    "web:+443",
    "web:80:80",
    ":80",
    "[x]",
    "[::1]a",
    "a[b]c",
    "a%20b",
    "a%2",
    "web:",
    "web:443",
    "u:p@a:80",
    "::1",
];

const HOSTS: [&str; 9] = [
    "a",
    "b",
    "reviews:9080",
    "web:b",
    "web:99999",
    "[x]",
    "a%20b",
    "a/b",
    "",
];

const FIELDS: [(&str, &[&str]); 14] = [
    ("content-length", &["0", "3", "6", "+3", "3, 3"]),
    ("transfer-encoding", &["chunked", "gzip"]),
    ("connection", &["close", "x-a"]),
    ("upgrade", &["h2c", "websocket"]),
    ("te", &["trailers", "gzip"]),
    ("host", &HOSTS),
    ("cookie", &["a=1", "b=2"]),
    ("x-a", &["1", "", "2"]),
    ("x-a", &["\r\nx: y", "a\nb", " c", "d "]),
    ("X-A", &["1"]),
    ("x a", &["1"]),
    ("expect", &["100-continue"]),
    ("trailer", &["x-t"]),
    ("keep-alive", &["timeout=1"]),
];

/// What is good in a head, and left out of trailers.
const OF_HEADS: [(&str, &[&str]); 3] = [
    ("x-forwarded-client-cert", &["By=a"]),
    ("authorization", &["Basic YTpi"]),
    ("age", &["1"]),
];

/// What a client sends on one stream.
#[derive(Default)]
pub(super) struct Asked {
    pub head: Vec<Field>,
    pub data: Vec<Vec<u8>>,
    pub trailers: Vec<Field>,
    /// There is a second head, which may have no field.
    has_trailers: bool,
    /// Bytes of the head's frames; 0 is all of it in one.
    split: usize,
    /// The client resets the stream at last.
    pub resets: bool,
}

impl Asked {
    /// Chooses what it is: a quarter of the modes cut heads.
    pub fn choose(cursor: &mut Cursor<'_>, mode: u8) -> Self {
        let mut asked = Self {
            split: match mode >> 6 {
                3 => SPLITS[usize::from(mode >> 4 & 3)],
                _ => 0,
            },
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
            asked.has_trailers = true;
            asked.trailers = (0..count).map(|_| any_field(cursor)).collect();
        }
        asked.resets = cursor.byte() & 7 == 7;
        asked
    }

    /// What goes over the connection.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = PREFACE.to_vec();
        frame(&mut bytes, SETTINGS, 0, 0, &[]);
        let has_data = !self.data.is_empty();
        let end = |is_last: bool| if is_last { END_STREAM } else { 0 };
        let is_last = !has_data && !self.has_trailers;
        head(&mut bytes, &self.head, end(is_last), self.split);
        for (at, data) in self.data.iter().enumerate() {
            let is_last = at + 1 == self.data.len() && !self.has_trailers;
            frame(&mut bytes, DATA, end(is_last), 1, data);
        }
        if self.has_trailers {
            head(&mut bytes, &self.trailers, END_STREAM, self.split);
        }
        if self.resets {
            frame(&mut bytes, RESET, 0, 1, &8_u32.to_be_bytes());
        }
        bytes
    }

    /// All values of that name in the head.
    pub fn all<'a>(&'a self, name: &'a str) -> Vec<&'a [u8]> {
        let same = self.head.iter().filter(move |(other, _)| other == name);
        same.map(|(_, value)| &value[..]).collect()
    }

    /// Whether its stream ends with its data, and nothing else.
    pub fn ends_with_data(&self) -> bool {
        !self.resets && !self.has_trailers
    }

    /// Whether these fields come in several frames.
    pub fn cuts(&self, fields: &[Field]) -> bool {
        cuts(fields, self.split)
    }
}

fn field(name: &str, value: &str) -> Field {
    (name.to_owned(), value.as_bytes().to_vec())
}

fn any_field(cursor: &mut Cursor<'_>) -> Field {
    let which = cursor.byte();
    let (name, values) = match which {
        0..=0xcf => FIELDS[usize::from(which) % FIELDS.len()],
        0xd0..=0xdf => OF_HEADS[usize::from(which) % OF_HEADS.len()],
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
