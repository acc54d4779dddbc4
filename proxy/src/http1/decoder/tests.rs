use super::*;
use crate::{http1::refusal::BadLine, message::Fields};

/// A body and its trailers, as text.
type Body = (String, Vec<(String, String)>);

/// Decodes a body that comes in one piece, and what follows it.
fn decode(mut decoder: Decoder, text: &str) -> Result<(Body, String), BadBody> {
    let mut rest = text.as_bytes();
    let mut body = Vec::new();
    let text_of = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    loop {
        match decoder.next(rest)? {
            Step::Data { skip, len } => {
                body.extend_from_slice(&rest[skip..skip + len]);
                decoder.consumed(len);
                rest = &rest[skip + len..];
            }
            Step::End { skip, trailers } => {
                let pairs = trailers.iter().flat_map(Fields::iter);
                let pairs = pairs.map(|(name, value)| (text_of(name), text_of(value)));
                return Ok(((text_of(&body), pairs.collect()), text_of(&rest[skip..])));
            }
            Step::More { skip } => {
                assert_eq!(skip, rest.len());
                decoder.end_of_input()?;
                return Ok(((text_of(&body), Vec::new()), String::new()));
            }
        }
    }
}

fn chunked(text: &str) -> Result<(Body, String), BadBody> {
    decode(Decoder::new(Framing::Chunked, &Limits::default()), text)
}

fn body(text: &str) -> Body {
    (text.to_owned(), Vec::new())
}

#[test]
fn ends_a_body_by_its_length() {
    let decoder = |framing| Decoder::new(framing, &Limits::default());
    let read = |framing, text| decode(decoder(framing), text);
    assert_eq!(
        read(Framing::Length(3), "abcd"),
        Ok((body("abc"), "d".to_owned()))
    );
    assert_eq!(read(Framing::Length(3), "ab"), Err(BadBody::Truncated));
    assert_eq!(read(Framing::Empty, "ab"), Ok((body(""), "ab".to_owned())));
    assert!(decoder(Framing::Empty).is_finished());
    assert!(!decoder(Framing::Length(1)).is_finished());
}

#[test]
fn ends_a_body_with_the_connection() {
    for framing in [Framing::UntilClose, Framing::Tunnel] {
        let mut decoder = Decoder::new(framing, &Limits::default());
        assert_eq!(decoder.next(b"ab"), Ok(Step::Data { skip: 0, len: 2 }));
        decoder.consumed(2);
        assert_eq!(decoder.next(b""), Ok(Step::More { skip: 0 }));
        assert!(!decoder.is_finished());
        assert_eq!(decoder.end_of_input(), Ok(()));
        assert!(decoder.is_finished());
    }
}

#[test]
fn reads_chunks() {
    let rest = || "GET".to_owned();
    for (text, expected) in [
        ("0\r\n\r\nGET", ""),
        ("3\r\nabc\r\n0\r\n\r\nGET", "abc"),
        ("3\r\nabc\r\n2\r\nde\r\n000\r\n\r\nGET", "abcde"),
        ("0A\r\n0123456789\r\n0\r\n\r\nGET", "0123456789"),
        (
            "a\r\n\r\n\r\n\r\n\r\n\r\n\r\n0\r\n\r\nGET",
            "\r\n\r\n\r\n\r\n\r\n",
        ),
        ("1;a\r\nb\r\n0;c=\"d;\te\"\r\n\r\nGET", "b"),
        ("1 ;a\r\nb\r\n0 \t; c\r\n\r\nGET", "b"),
    ] {
        assert_eq!(chunked(text), Ok((body(expected), rest())), "{text:?}");
    }
}

#[test]
fn says_the_same_until_data_is_consumed() {
    let mut decoder = Decoder::new(Framing::Chunked, &Limits::default());
    assert_eq!(decoder.next(b"5\r\nab"), Ok(Step::Data { skip: 3, len: 2 }));
    assert_eq!(decoder.next(b"ab"), Ok(Step::Data { skip: 0, len: 2 }));
    decoder.consumed(1);
    assert_eq!(
        decoder.next(b"bcde\r\n0"),
        Ok(Step::Data { skip: 0, len: 4 })
    );
    decoder.consumed(4);
    assert_eq!(decoder.next(b"\r\n0"), Ok(Step::More { skip: 3 }));
    let end = || Step::End {
        skip: 4,
        trailers: None,
    };
    assert_eq!(decoder.next(b"\r\n\r\n1"), Ok(end()));
    assert!(decoder.is_finished());
    assert!(matches!(
        decoder.next(b"1"),
        Ok(Step::End {
            skip: 0,
            trailers: None
        })
    ));
}

#[test]
fn refuses_chunks_that_others_read_differently() {
    for (text, reason) in [
        ("\r\n", BadBody::ChunkSize),
        (";a\r\n", BadBody::ChunkSize),
        (" 1\r\na", BadBody::ChunkSize),
        ("g\r\n", BadBody::ChunkSize),
        ("+1\r\na", BadBody::ChunkSize),
        ("-1\r\na", BadBody::ChunkSize),
        ("0x1\r\na", BadBody::ChunkSize),
        ("1,1\r\na", BadBody::ChunkSize),
        ("1 1\r\na", BadBody::ChunkSize),
        ("1 \r\na", BadBody::ChunkSize),
        ("1\0\r\na", BadBody::ChunkSize),
        ("1\u{b}\r\na", BadBody::ChunkSize),
        ("1\na", BadBody::ChunkLineEnd),
        ("1\ra", BadBody::ChunkLineEnd),
        ("1;\na", BadBody::ChunkLineEnd),
        ("1;a\rb\r\na", BadBody::ChunkLineEnd),
        ("1;\0\r\na", BadBody::ChunkExtension),
        ("1;\u{7f}\r\na", BadBody::ChunkExtension),
        ("8000000000000000\r\n", BadBody::ChunkTooLarge),
        ("10000000000000001\r\n", BadBody::ChunkTooLarge),
        ("1\r\nab", BadBody::ChunkEnd),
        ("1\r\na\n0\r\n\r\n", BadBody::ChunkEnd),
        ("1\r\na\r0\r\n\r\n", BadBody::ChunkEnd),
        ("1\r\na0\r\n\r\n", BadBody::ChunkEnd),
    ] {
        assert_eq!(chunked(text), Err(reason), "{text:?}");
    }
}

#[test]
fn refuses_what_it_has_refused() {
    for text in ["0x: a\r\n\r\n", "1\r\na0\r\n\r\n", "0\r\na b: c\r\n\r\n"] {
        let mut decoder = Decoder::new(Framing::Chunked, &Limits::default());
        // As far as it can be read, and then what is left of it once more.
        let mut rest = text.as_bytes();
        let bad = loop {
            match decoder.next(rest) {
                Ok(Step::Data { skip, len }) => {
                    decoder.consumed(len);
                    rest = &rest[skip + len..];
                }
                Ok(step) => panic!("{text:?}: {step:?}"),
                Err(bad) => break bad,
            }
        };
        for input in [rest, b"\r\n\r\n", b"0\r\n\r\n"] {
            assert_eq!(decoder.next(input), Err(bad), "{text:?}");
        }
        assert_eq!(decoder.end_of_input(), Err(bad), "{text:?}");
        assert!(!decoder.is_finished(), "{text:?}");
    }
}

#[test]
fn takes_blanks_behind_sizes_from_servers() {
    let read = |text| {
        decode(
            Decoder::of_response(Framing::Chunked, &Limits::default()),
            text,
        )
    };
    let expected = (body("a"), String::new());
    assert_eq!(read("1  \t\r\na\r\n0 \r\n\r\n"), Ok(expected));
    assert_eq!(read("1 1\r\na"), Err(BadBody::ChunkSize));
    assert_eq!(read("1 \na"), Err(BadBody::ChunkSize));
    assert_eq!(read(" 1\r\na"), Err(BadBody::ChunkSize));
}

#[test]
fn reports_a_body_that_breaks_off() {
    let text = "3;a\r\nabc\r\n0\r\na: b\r\n\r\n";
    for end in 0..text.len() {
        assert_eq!(chunked(&text[..end]), Err(BadBody::Truncated), "{end}");
    }
}

#[test]
fn bounds_the_line_of_a_size() {
    let line = |length: usize| format!("1;{}\r\n", "a".repeat(length - 4));
    let text = format!("{0}b\r\n{0}b\r\n0\r\n\r\n", line(512));
    assert_eq!(chunked(&text), Ok((body("bb"), String::new())));
    for text in [
        line(513),
        "1;".to_owned() + &"a".repeat(600),
        "0".repeat(600),
        "1".to_owned() + &" ".repeat(600),
    ] {
        assert_eq!(chunked(&text), Err(BadBody::ChunkLineTooLong), "{text}");
    }
}

/// So many chunks of one byte, each with an extension by which its line has that length.
fn extended(count: usize, line: usize) -> String {
    let chunk = format!("1;{}\r\na\r\n", "x".repeat(line - 4));
    chunk.repeat(count) + "0\r\n\r\n"
}

#[test]
fn bounds_what_lines_cost_in_all() {
    // 100 bytes, of which 18 are the chunk's due.
    let (good, bad) = (extended(199, 100), extended(200, 100));
    assert_eq!(chunked(&good), Ok((body(&"a".repeat(199)), String::new())));
    assert_eq!(chunked(&bad), Err(BadBody::ChunkOverhead));
    // Cut anywhere, it is the same.
    for length in [1, 2, 7, 101, 103] {
        let mut decoder = Decoder::new(Framing::Chunked, &Limits::default());
        let (mut start, mut end, mut data) = (0, 0, 0);
        let refused = loop {
            match decoder.next(&bad.as_bytes()[start..end]) {
                Ok(Step::Data { skip, len }) => {
                    decoder.consumed(len);
                    data += len;
                    start += skip + len;
                }
                Ok(Step::More { skip }) => {
                    start += skip;
                    end = bad.len().min(end + length);
                }
                Ok(Step::End { .. }) => panic!("it has come to its end"),
                Err(refused) => break refused,
            }
        };
        assert_eq!((refused, data), (BadBody::ChunkOverhead, 199), "{length}");
    }
}

#[test]
fn honest_chunks_are_worth_their_lines() {
    let many = |chunk: &str, count| chunked(&(chunk.repeat(count) + "0\r\n\r\n")).is_ok();
    assert!(many("1\r\na\r\n", 20_000));
    assert!(many("00000001;a=b\r\na\r\n", 20_000));
    let signature = format!(";chunk-signature={}", "f".repeat(64));
    assert!(many(
        &format!("64{signature}\r\n{}\r\n", "a".repeat(100)),
        1000
    ));
    // What a large chunk is worth is not saved up.
    let large = format!("4000\r\n{}\r\n", "a".repeat(0x4000));
    assert!(many(&(large.clone() + &extended(100, 100)[..100 * 103]), 3));
    let later = large + &extended(200, 100);
    assert_eq!(chunked(&later), Err(BadBody::ChunkOverhead));
}

#[test]
fn reads_trailers() {
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let read = chunked("0\r\nGRPC-Status: 0\r\nb:\r\n\r\nGET").unwrap();
    let trailers = vec![pair("grpc-status", "0"), pair("b", "")];
    assert_eq!(read, ((String::new(), trailers), "GET".to_owned()));
}

#[test]
fn leaves_out_trailers_that_belong_into_a_head() {
    let read = chunked(
        "0\r\nContent-Length: 5\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n",
    );
    assert_eq!(read, Ok((body(""), String::new())));
    let text = "0\r\nX-Forwarded-For: 1.2.3.4\r\nCookie: a\r\nX-Request-Id: 1\r\n\r\n";
    assert_eq!(chunked(text), Ok((body(""), String::new())));
    // Of a response, what says nothing of its request goes on.
    let decoder = Decoder::of_response(Framing::Chunked, &Limits::default());
    let id = vec![("x-request-id".to_owned(), "1".to_owned())];
    let text = "0\r\nServer: a\r\nX-Request-Id: 1\r\nX-Envoy-Overloaded: true\r\n\r\n";
    assert_eq!(
        decode(decoder, text),
        Ok(((String::new(), id), String::new()))
    );
}

#[test]
fn refuses_bad_trailers() {
    for (section, reason) in [
        ("a\r\n\r\n", BadLine::NoColon),
        ("a: b\n\r\n", BadLine::BareLf),
        ("a: b\r\n\n", BadLine::BareLf),
        ("\n", BadLine::BareLf),
        (" a: b\r\n\r\n", BadLine::ObsFold),
        ("a : b\r\n\r\n", BadLine::SpaceBeforeColon),
        ("a: \0\r\n\r\n", BadLine::FieldValue),
        ("\ra: b\r\n\r\n", BadLine::BareCr),
    ] {
        let read = chunked(&format!("0\r\n{section}"));
        assert_eq!(read, Err(BadBody::Trailers(reason)), "{section:?}");
    }
    let many = "a: b\r\n".repeat(101);
    let read = chunked(&format!("0\r\n{many}\r\n"));
    assert_eq!(read, Err(BadBody::Trailers(BadLine::TooManyFields)));
}

#[test]
fn bounds_trailers() {
    let limits = Limits {
        trailer_bytes: 10,
        ..Limits::default()
    };
    let read = |text| decode(Decoder::new(Framing::Chunked, &limits), text);
    assert!(read("0\r\na: bcd\r\n\r\n").is_ok());
    assert_eq!(read("0\r\na: bcde\r\n\r\n"), Err(BadBody::TrailersTooLarge));
    assert_eq!(read("0\r\na: bcdefghi"), Err(BadBody::TrailersTooLarge));
}
