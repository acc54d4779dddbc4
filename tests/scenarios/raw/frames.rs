//! Frames of HTTP/2 (RFC 9113, 4), with fields that no library would send.

use super::{hpack, text::shown};

/// What the preface of a client is (RFC 9113, 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// As much as everybody takes.
pub const MOST: usize = 16_384;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;
const PRIORITY: u8 = 32;

/// A frame on a request's stream.
#[derive(Debug, Clone)]
pub enum Frame {
    /// Also trailers. They come in frames of at most so many bytes, all but the first of which are
    /// CONTINUATION.
    Headers(Vec<(Vec<u8>, Vec<u8>)>, usize),
    /// With so many bytes of padding.
    Data(Vec<u8>, Option<u8>),
    /// The end of the stream before its time, with an error code.
    Reset(u32),
    /// None at all: the stream stays open behind the frame before.
    Open,
}

/// What a client of HTTP/2 sends first.
pub fn hello() -> Vec<u8> {
    [PREFACE, &settings()].concat()
}

/// What a server sends first.
pub fn settings() -> Vec<u8> {
    // A table of no size, so that fields can be read without one.
    let table_size = [0, 1, 0, 0, 0, 0];
    frame(SETTINGS, 0, 0, &table_size)
}

/// Removes what a client sends first, if all of it has come.
pub fn take_preface(bytes: &mut Vec<u8>) -> bool {
    let is_there = bytes.starts_with(PREFACE);
    if is_there {
        bytes.drain(..PREFACE.len());
    }
    is_there
}

/// A request or a response on a stream.
pub fn message(stream: u32, frames: &[Frame]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (index, one) in frames.iter().enumerate() {
        let end = match index + 1 == frames.len() {
            true => END_STREAM,
            false => 0,
        };
        match one {
            Frame::Data(data, None) => bytes.extend(frame(DATA, end, stream, data)),
            Frame::Data(data, Some(padding)) => {
                let zeros = vec![0; usize::from(*padding)];
                let padded = [&[*padding][..], data, &zeros].concat();
                bytes.extend(frame(DATA, end | PADDED, stream, &padded));
            }
            Frame::Headers(fields, most) => bytes.extend(headers(stream, end, fields, *most)),
            Frame::Open => {}
            Frame::Reset(code) => bytes.extend(frame(RST_STREAM, 0, stream, &code.to_be_bytes())),
        }
    }
    bytes
}

fn headers(stream: u32, end: u8, fields: &[(Vec<u8>, Vec<u8>)], most: usize) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        // Without a name's index, and not for the table (RFC 7541, 6.2.2).
        block.push(0);
        for text in [name, value] {
            write_length(text.len(), &mut block);
            block.extend_from_slice(text);
        }
    }
    let mut pieces = block.chunks(most).peekable();
    let mut bytes = Vec::new();
    let (mut kind, mut flags) = (HEADERS, end);
    while let Some(piece) = pieces.next() {
        if pieces.peek().is_none() {
            flags |= END_HEADERS;
        }
        bytes.extend(frame(kind, flags, stream, piece));
        (kind, flags) = (CONTINUATION, 0);
    }
    bytes
}

/// The length of a text, which is not Huffman-coded (RFC 7541, 5.2).
fn write_length(length: usize, block: &mut Vec<u8>) {
    let Some(mut rest) = length.checked_sub(127) else {
        return block.push(length as u8);
    };
    block.push(127);
    while rest >= 128 {
        block.push((rest % 128) as u8 | 128);
        rest /= 128;
    }
    block.push(rest as u8);
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// What the other side has sent.
#[derive(Debug)]
pub enum Received {
    /// Also trailers.
    Head {
        stream: u32,
        fields: Vec<(String, String)>,
        ended: bool,
    },
    Data {
        stream: u32,
        data: Vec<u8>,
        ended: bool,
    },
    Reset {
        stream: u32,
        code: u32,
    },
    GoAway {
        code: u32,
    },
    /// To be answered with these bytes.
    Asks(Vec<u8>),
    Other,
}

/// Reads a frame, and returns how many bytes it has; `None` if not all of them are there.
pub fn read(bytes: &[u8]) -> Option<(Received, usize)> {
    let (head, rest) = bytes.split_at_checked(9)?;
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
    let payload = rest.get(..length)?;
    let (kind, flags) = (head[3], head[4]);
    let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
    let ended = flags & END_STREAM != 0;
    let received = match kind {
        SETTINGS if flags & ACK == 0 => Received::Asks(frame(SETTINGS, ACK, 0, b"")),
        PING if flags & ACK == 0 => Received::Asks(frame(PING, ACK, 0, payload)),
        HEADERS => Received::Head {
            stream,
            fields: fields(content(payload, flags), flags),
            ended,
        },
        DATA => Received::Data {
            stream,
            data: content(payload, flags).to_vec(),
            ended,
        },
        RST_STREAM => Received::Reset {
            stream,
            code: number(payload),
        },
        GOAWAY => Received::GoAway {
            code: number(&payload[4..]),
        },
        _ => Received::Other,
    };
    Some((received, 9 + length))
}

fn number(payload: &[u8]) -> u32 {
    u32::from_be_bytes([payload[0], payload[1], payload[2], payload[3]])
}

/// The payload without padding and priority.
fn content(payload: &[u8], flags: u8) -> &[u8] {
    let mut content = payload;
    if flags & PADDED != 0 {
        let padding = usize::from(content[0]);
        content = &content[1..content.len() - padding];
    }
    if flags & PRIORITY != 0 {
        content = &content[5..];
    }
    content
}

/// The fields of a head. What can't be read becomes one of its own, which no case expects: heads of
/// several frames, for example, which no response here is large enough for.
fn fields(block: &[u8], flags: u8) -> Vec<(String, String)> {
    let is_whole = flags & END_HEADERS != 0;
    let fields = hpack::fields(block).filter(|_| is_whole);
    fields.unwrap_or_else(|| vec![("unreadable".to_owned(), shown(block))])
}
