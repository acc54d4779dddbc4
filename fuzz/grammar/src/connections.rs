//! What a caller may send on a connection, with HTTP/1 and HTTP/2.

use std::fmt::Write as _;

use arbitrary::{Result, Unstructured};

use crate::{
    corrupted,
    frames::{END_HEADERS, END_STREAM, PREFACE, frame, kind, literal},
    review,
    text::repeated,
};

/// The maximum number of requests, or of frames of a kind.
const MOST: u32 = 10;

/// Generates HTTP/1 requests from bytes. After the last byte, zeroes are used.
#[must_use]
pub fn http1(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = Unstructured::new(bytes);
    let mut text = String::new();
    let _ = requests(&mut text, &mut bytes);
    text.into_bytes()
}

fn requests(text: &mut String, bytes: &mut Unstructured<'_>) -> Result<()> {
    while !bytes.is_empty() {
        let mut request = String::new();
        one_request(&mut request, bytes)?;
        let count = 1
            << bytes
                .int_in_range(0..=MOST)?
                .min(if request.len() > 4096 { 3 } else { MOST });
        text.push_str(&request.repeat(count));
    }
    Ok(())
}

fn one_request(text: &mut String, bytes: &mut Unstructured<'_>) -> Result<()> {
    let method = bytes.choose(&["POST", "POST", "POST", "GET", "PRI", "OPTIONS", "CONNECT"])?;
    let path = bytes.choose(&[
        "/inject",
        "/inject/cluster/c1/net/n",
        "/inject/%ff/%2f",
        "/",
        "*",
        "/inject/a/../b",
        "http://a/inject",
    ])?;
    let long = repeated("/k/v", 1 << bytes.int_in_range(0..=17)?);
    let version = bytes.choose(&["HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/2.0"])?;
    let _ = write!(
        text,
        "{method} {path}{long} {version}\r\nHost: a\r\nContent-Type: application/json\r\n"
    );
    let more = bytes.choose(&[
        "",
        "Expect: 100-continue\r\n",
        "Connection: close\r\n",
        "Connection: upgrade\r\nUpgrade: h2c\r\n",
        "A: b\r\n",
    ])?;
    text.push_str(&more.repeat(1 << bytes.int_in_range(0..=MOST)?));
    let body = review(&corrupted::pod(bytes.bytes(bytes.len().min(48))?).to_string());
    match bytes.int_in_range(0..=4)? {
        0 => {
            let _ = write!(text, "Content-Length: {}\r\n\r\n{body}", body.len());
        }
        1 => {
            let chunk = 1 << bytes.int_in_range(0..=MOST)?;
            text.push_str("Transfer-Encoding: chunked\r\n\r\n");
            for piece in body.as_bytes().chunks(chunk) {
                let _ = write!(
                    text,
                    "{:x}\r\n{}\r\n",
                    piece.len(),
                    String::from_utf8_lossy(piece)
                );
            }
            text.push_str("0\r\n\r\n");
        }
        2 => {
            let _ = write!(
                text,
                "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0;{}\r\n\r\n",
                repeated("e=", 1 << bytes.int_in_range(0..=16)?)
            );
        }
        3 => {
            let _ = write!(text, "Content-Length: {}\r\n\r\n", u64::MAX);
        }
        _ => text.push_str("\r\n"),
    }
    Ok(())
}

/// Generates an HTTP/2 preface, and frames from bytes.
#[must_use]
pub fn http2(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = Unstructured::new(bytes);
    let mut stream = PREFACE.to_vec();
    frame(&mut stream, 4, 0, 0, &[]);
    let _ = frames(&mut stream, &mut bytes);
    stream
}

fn frames(stream: &mut Vec<u8>, bytes: &mut Unstructured<'_>) -> Result<()> {
    let mut id = 1_u32;
    while !bytes.is_empty() {
        let what = bytes.int_in_range(0..=9)?;
        let count: u32 = 1 << bytes.int_in_range(0..=MOST)?;
        for _ in 0..count {
            match what {
                0..=2 => {
                    request(stream, id, what, bytes)?;
                    id += 2;
                }
                // A request that is reset.
                3 => {
                    frame(stream, kind::HEADERS, END_HEADERS, id, &head(""));
                    frame(stream, kind::RESET, 0, id, &8_u32.to_be_bytes());
                    id += 2;
                }
                // Headers without END_HEADERS.
                4 => frame(stream, kind::CONTINUATION, 0, id, &[]),
                5 => {
                    frame(stream, kind::HEADERS, 0, id, &head(""));
                    frame(stream, kind::CONTINUATION, 0, id, &literal(b"a", b"b"));
                }
                6 => frame(stream, 6, 0, 0, &[0; 8]),
                7 => frame(stream, 4, 0, 0, &[0, 4, 0, 0, 0, 0]),
                8 => frame(stream, 8, 0, id, &[0x7f, 0xff, 0xff, 0xff]),
                _ => {
                    let (kind, flags) = (bytes.int_in_range(0..=12)?, bytes.arbitrary()?);
                    let length = bytes.int_in_range(0..=24)?;
                    let payload = bytes.bytes(length.min(bytes.len()))?;
                    frame(stream, kind, flags, id, payload);
                }
            }
        }
    }
    Ok(())
}

fn request(stream: &mut Vec<u8>, id: u32, what: u8, bytes: &mut Unstructured<'_>) -> Result<()> {
    let path = repeated(
        "/k/v",
        if what == 2 {
            1 << bytes.int_in_range(0..=14)?
        } else {
            0
        },
    );
    frame(stream, kind::HEADERS, END_HEADERS, id, &head(&path));
    let body = review(&corrupted::pod(bytes.bytes(bytes.len().min(16))?).to_string());
    let piece = if what == 1 { 64 } else { 16_384 };
    for piece in body.as_bytes().chunks(piece) {
        frame(stream, kind::DATA, 0, id, piece);
    }
    frame(stream, kind::DATA, END_STREAM, id, &[]);
    Ok(())
}

/// Encodes request headers as literals without indexing.
fn head(path: &str) -> Vec<u8> {
    let fields = [
        (":method", "POST"),
        (":scheme", "https"),
        (":authority", "a"),
        (":path", &format!("/inject{path}")),
        ("content-type", "application/json"),
    ];
    fields
        .iter()
        .flat_map(|(name, value)| literal(name.as_bytes(), value.as_bytes()))
        .collect()
}
