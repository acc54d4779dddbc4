//! Messages of HTTP/1.1 as others read them: heads by httparse, bodies by a reader that knows
//! nothing of the proxy's.

use std::ops::Range;

use httparse::{EMPTY_HEADER, Header, Status};

/// More fields than any head has.
const MOST_FIELDS: usize = 256;

/// A field, its name in lower case.
pub(crate) type Field = (String, Vec<u8>);

/// A message, or its beginning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub line: Line,
    pub fields: Vec<Field>,
    pub framing: Framing,
    pub body: Vec<u8>,
    pub trailers: Vec<Field>,
    pub is_complete: bool,
    /// Bytes that it took.
    pub len: usize,
}

/// The first line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Line {
    Request {
        method: String,
        target: Vec<u8>,
        minor: u8,
    },
    Response {
        status: u16,
        minor: u8,
    },
}

/// What ends a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    Nothing,
    Length(usize),
    Chunked,
    /// The end of the connection.
    End,
    /// What follows is not HTTP.
    Tunnel,
}

/// What is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind<'a> {
    Request,
    /// The response to a request with that method.
    Response(&'a str),
}

impl Message {
    /// The values of all fields of that name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let fields = self.fields.iter();
        let same = fields.filter(move |(other, _)| other == name);
        same.map(|(_, value)| &value[..])
    }

    /// Whether the list of such fields has that in it, in any case.
    pub fn lists(&self, name: &str, element: &str) -> bool {
        elements(self.all(name)).any(|it| it == element)
    }

    /// The method of a request.
    pub fn method(&self) -> &str {
        match &self.line {
            Line::Request { method, .. } => method,
            Line::Response { .. } => "",
        }
    }

    /// Whether it is an interim response.
    pub fn is_interim(&self) -> bool {
        matches!(
            self.line,
            Line::Response {
                status: 100..=199,
                ..
            }
        ) && self.framing != Framing::Tunnel
    }
}

/// The elements of lists, in lower case.
pub(crate) fn elements<'a>(values: impl Iterator<Item = &'a [u8]>) -> impl Iterator<Item = String> {
    values
        .flat_map(|value| value.split(|byte| *byte == b','))
        .map(|element| element.trim_ascii().to_ascii_lowercase())
        .map(|element| String::from_utf8_lossy(&element).into_owned())
}

/// Reads a message from the front; `None` while its head is not complete.
///
/// # Errors
///
/// When it can't be read, or in more than one way.
pub(crate) fn read(bytes: &[u8], kind: Kind<'_>) -> Result<Option<Message>, String> {
    // httparse wants targets to be UTF-8.
    let ascii: Vec<u8> = bytes
        .iter()
        .map(|byte| if byte.is_ascii() { *byte } else { b'a' })
        .collect();
    let mut headers = [EMPTY_HEADER; MOST_FIELDS];
    let (line, head, count) = match kind {
        Kind::Request => {
            let mut request = httparse::Request::new(&mut headers);
            let Status::Complete(head) = request.parse(&ascii).map_err(|e| e.to_string())? else {
                return Ok(None);
            };
            let target = request.path.unwrap_or_default();
            let line = Line::Request {
                method: request.method.unwrap_or_default().to_owned(),
                target: bytes[place(&ascii, target.as_bytes())].to_vec(),
                minor: request.version.unwrap_or_default(),
            };
            (line, head, request.headers.len())
        }
        Kind::Response(_) => {
            let mut response = httparse::Response::new(&mut headers);
            let Status::Complete(head) = response.parse(&ascii).map_err(|e| e.to_string())? else {
                return Ok(None);
            };
            let line = Line::Response {
                status: response.code.unwrap_or_default(),
                minor: response.version.unwrap_or_default(),
            };
            (line, head, response.headers.len())
        }
    };
    let fields = fields(&headers[..count], &ascii, bytes);
    let framing = framing(&line, &fields, kind)?;
    let mut message = Message {
        line,
        fields,
        framing,
        body: Vec::new(),
        trailers: Vec::new(),
        is_complete: false,
        len: head,
    };
    message.read_body(&bytes[head..])?;
    Ok(Some(message))
}

/// The method of a request whose head is complete, whatever its body is.
pub(crate) fn method(bytes: &[u8]) -> Option<String> {
    let mut headers = [EMPTY_HEADER; MOST_FIELDS];
    let mut request = httparse::Request::new(&mut headers);
    let is_complete = request
        .parse(bytes)
        .is_ok_and(|status| status.is_complete());
    let method = request.method.filter(|_| is_complete)?;
    Some(method.to_owned())
}

/// Where a piece stands.
fn place(whole: &[u8], piece: &[u8]) -> Range<usize> {
    let start = piece.as_ptr().addr() - whole.as_ptr().addr();
    start..start + piece.len()
}

fn fields(headers: &[Header<'_>], ascii: &[u8], bytes: &[u8]) -> Vec<Field> {
    let field = |header: &Header<'_>| {
        let value = match header.value {
            [] => Vec::new(),
            value => bytes[place(ascii, value)].to_vec(),
        };
        (header.name.to_ascii_lowercase(), value)
    };
    headers.iter().map(field).collect()
}

fn framing(line: &Line, fields: &[Field], kind: Kind<'_>) -> Result<Framing, String> {
    let all = |name: &str| {
        let fields = fields.iter().filter(|(other, _)| other == name);
        fields.map(|(_, value)| value.clone()).collect::<Vec<_>>()
    };
    let (lengths, codings) = (all("content-length"), all("transfer-encoding"));
    let announced = match (&lengths[..], &codings[..]) {
        ([], []) => None,
        ([length], []) => {
            let text = String::from_utf8_lossy(length);
            let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            let number = text.parse().ok().filter(|_| is_number);
            Some(Framing::Length(number.ok_or("the length is no number")?))
        }
        ([], [coding]) if coding.eq_ignore_ascii_case(b"chunked") => Some(Framing::Chunked),
        _ => return Err("the framing is ambiguous".to_owned()),
    };
    let Line::Response { status, .. } = *line else {
        return Ok(announced.unwrap_or(Framing::Nothing));
    };
    let method = match kind {
        Kind::Response(method) => method,
        Kind::Request => "",
    };
    Ok(match status {
        101 => Framing::Tunnel,
        200..=299 if method == "CONNECT" => Framing::Tunnel,
        100..=199 | 204 | 304 => Framing::Nothing,
        _ if method == "HEAD" => Framing::Nothing,
        _ => announced.unwrap_or(Framing::End),
    })
}

impl Message {
    fn read_body(&mut self, rest: &[u8]) -> Result<(), String> {
        match self.framing {
            Framing::Nothing => self.is_complete = true,
            Framing::Length(length) => {
                let there = length.min(rest.len());
                self.body = rest[..there].to_vec();
                self.len += there;
                self.is_complete = there == length;
            }
            Framing::Chunked => self.read_chunks(rest)?,
            Framing::End | Framing::Tunnel => {
                self.body = rest.to_vec();
                self.len += rest.len();
            }
        }
        Ok(())
    }

    fn read_chunks(&mut self, mut rest: &[u8]) -> Result<(), String> {
        loop {
            let Some(end) = rest.windows(2).position(|two| two == b"\r\n") else {
                return Ok(());
            };
            let line = &rest[..end];
            let digits = line.iter().position(|byte| !byte.is_ascii_hexdigit());
            let (digits, extension) = line.split_at(digits.unwrap_or(line.len()));
            let is_extended = extension.trim_ascii_start().starts_with(b";");
            if !is_extended && !extension.trim_ascii().is_empty() {
                return Err("there is no size of a chunk".to_owned());
            }
            let size = usize::from_str_radix(&String::from_utf8_lossy(digits), 16);
            let size = size.map_err(|error| error.to_string())?;
            rest = &rest[end + 2..];
            self.len += end + 2;
            if size == 0 {
                return self.read_trailers(rest);
            }
            let there = size.min(rest.len());
            self.body.extend_from_slice(&rest[..there]);
            rest = &rest[there..];
            self.len += there;
            match rest {
                [b'\r', b'\n', ..] => rest = &rest[2..],
                [] | [b'\r'] => return Ok(()),
                _ => return Err("a chunk does not end where it should".to_owned()),
            }
            self.len += 2;
        }
    }

    fn read_trailers(&mut self, rest: &[u8]) -> Result<(), String> {
        let mut headers = [EMPTY_HEADER; MOST_FIELDS];
        match httparse::parse_headers(rest, &mut headers) {
            Ok(Status::Complete((len, headers))) => {
                self.trailers = fields(headers, rest, rest);
                self.len += len;
                self.is_complete = true;
                Ok(())
            }
            Ok(Status::Partial) => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    }
}
