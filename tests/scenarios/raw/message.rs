//! Messages of HTTP/1, as both ends of a proxy read them. They take what they get: what is to be
//! seen is what the proxy sends.

use super::text::shown;

/// A message.
#[derive(Debug, Clone, Default)]
pub struct Message {
    /// The first line.
    pub line: String,
    /// The fields in their order, their names in lower case.
    pub fields: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub trailers: Vec<(String, String)>,
}

/// Where a body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    Length(usize),
    Chunked,
    /// With the connection.
    Rest,
}

/// A message at the front of some bytes.
#[derive(Debug)]
pub enum Parsed {
    /// It, and how many bytes it has.
    Whole(Message, usize),
    /// Its head has come, and how many bytes that has.
    Head(Message, usize),
    Nothing,
}

/// Reads a message. `body` tells from the head where its body ends.
pub fn parse(bytes: &[u8], body: impl FnOnce(&Message) -> Body) -> Parsed {
    let Some(end) = find(bytes, b"\r\n\r\n") else {
        return Parsed::Nothing;
    };
    let mut lines = split(&bytes[..end]).into_iter();
    let mut message = Message {
        line: lines.next().map(shown).unwrap_or_default(),
        fields: lines.map(field).collect(),
        ..Message::default()
    };
    let start = end + 4;
    let rest = &bytes[start..];
    let taken = match body(&message) {
        Body::Length(length) => rest.get(..length).map(|body| {
            message.body = body.to_vec();
            length
        }),
        Body::Chunked => chunks(rest, &mut message),
        Body::Rest => {
            message.body = rest.to_vec();
            None
        }
    };
    match taken {
        Some(taken) => Parsed::Whole(message, start + taken),
        None => Parsed::Head(message, start),
    }
}

impl Message {
    /// The values of the fields with that name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let fields = self.fields.iter();
        fields
            .filter(move |(other, _)| other == name)
            .map(|(_, value)| value.as_str())
    }

    /// What the fields say of the body; `None` if nothing.
    pub fn announced(&self) -> Option<Body> {
        if self.all("transfer-encoding").next().is_some() {
            return Some(Body::Chunked);
        }
        let length = self.all("content-length").next()?.parse().ok()?;
        Some(Body::Length(length))
    }

    /// Whether the sender closes the connection.
    pub fn closes(&self) -> bool {
        self.all("connection")
            .any(|value| value.eq_ignore_ascii_case("close"))
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|part| part == what)
}

fn split(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut lines = Vec::new();
    while let Some(end) = find(bytes, b"\r\n") {
        lines.push(&bytes[..end]);
        bytes = &bytes[end + 2..];
    }
    lines.push(bytes);
    lines
}

fn field(line: &[u8]) -> (String, String) {
    let text = shown(line);
    let (name, value) = text.split_once(':').unwrap_or((&text, ""));
    (name.to_ascii_lowercase(), value.trim().to_owned())
}

/// Reads chunks and trailers, and returns how many bytes they take; `None` if the end is missing.
fn chunks(bytes: &[u8], message: &mut Message) -> Option<usize> {
    let mut taken = 0;
    loop {
        let rest = &bytes[taken..];
        let end = find(rest, b"\r\n")?;
        let size = std::str::from_utf8(&rest[..end]).ok()?;
        let size = usize::from_str_radix(size, 16).ok()?;
        if size == 0 {
            let trailers = &rest[end + 2..];
            if trailers.starts_with(b"\r\n") {
                return Some(taken + end + 4);
            }
            let length = find(trailers, b"\r\n\r\n")?;
            message.trailers = split(&trailers[..length]).into_iter().map(field).collect();
            return Some(taken + end + 2 + length + 4);
        }
        let data = rest.get(end + 2..end + 2 + size)?;
        message.body.extend_from_slice(data);
        taken += end + 2 + size + 2;
        if taken > bytes.len() {
            return None;
        }
    }
}
