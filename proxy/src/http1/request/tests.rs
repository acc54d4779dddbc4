use super::*;
use crate::{
    http1::refusal::{BadFraming, BadLine},
    message::{BodySize, Scheme},
};

fn parse_with(text: &str, limits: &Limits) -> Result<Option<ParsedRequest>, BadRequest> {
    parse_request(text.as_bytes(), limits)
}

fn parse(text: &str) -> Result<Option<ParsedRequest>, BadRequest> {
    parse_with(text, &Limits::default())
}

/// A request of HTTP/1.1 with a host, and with these lines.
fn get(lines: &str) -> Result<Option<ParsedRequest>, BadRequest> {
    parse(&format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n"))
}

fn good(text: &str) -> ParsedRequest {
    parse(text).unwrap().unwrap()
}

fn fields(request: &ParsedRequest) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let fields = request.head.fields.iter();
    fields
        .map(|(name, value)| (text(name), text(value)))
        .collect()
}

fn names(request: &ParsedRequest) -> Vec<String> {
    fields(request).into_iter().map(|(name, _)| name).collect()
}

#[test]
fn reads_a_request() {
    let text = "POST /a?b HTTP/1.1\r\nHost: reviews:9080\r\nX-Request-ID: 1\r\nContent-Length: 3\r\nAccept: a\r\naccept: b\r\n\r\nabc";
    let request = good(text);
    assert_eq!(request.len, text.len() - 3);
    assert_eq!(request.framing, Framing::Length(3));
    assert!(request.keep_alive);
    let head = &request.head;
    assert_eq!(
        (&head.method, head.version),
        (&Method::POST, Version::HTTP_11)
    );
    assert_eq!(head.authority(), Some(&b"reviews:9080"[..]));
    assert_eq!((head.path(), head.scheme), (&b"/a?b"[..], None));
    assert_eq!((head.body, head.upgrade()), (BodySize::Length(3), None));
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let expected = [
        pair("x-request-id", "1"),
        pair("accept", "a"),
        pair("accept", "b"),
    ];
    assert_eq!(fields(&request), expected);
}

#[test]
fn waits_for_the_whole_head() {
    let text = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    for end in 0..text.len() {
        assert_eq!(parse(&text[..end]), Ok(None), "{end}");
    }
    assert!(good(text).len == text.len());
}

#[test]
fn takes_one_empty_line_in_front() {
    let request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_eq!(good(&format!("\r\n{request}")).len, request.len() + 2);
    assert_eq!(parse("\r\n"), Ok(None));
    assert_eq!(
        parse(&format!("\r\n\r\n{request}")),
        Err(BadRequest::EmptyLines)
    );
    assert_eq!(parse(&format!("\n{request}")), Err(BadLine::BareLf.into()));
    assert_eq!(parse(&format!("\r{request}")), Err(BadLine::BareCr.into()));
}

#[test]
fn refuses_a_bad_line_before_the_head_is_complete() {
    assert_eq!(parse("hello\r\n"), Err(BadRequest::RequestLine));
    let bad = "GET / HTTP/1.1\r\nHost : a\r\n";
    assert_eq!(parse(bad), Err(BadLine::SpaceBeforeColon.into()));
}

#[test]
fn bounds_the_head() {
    let limits = Limits {
        head_bytes: 40,
        fields: 2,
        ..Limits::default()
    };
    let fits = "GET / HTTP/1.1\r\nHost: a\r\na: bbbbbbbb\r\n\r\n";
    assert_eq!(fits.len(), 40);
    assert!(parse_with(fits, &limits).unwrap().is_some());
    let longer = fits.replace("bb\r", "bbb\r");
    for text in [
        &longer,
        &longer[..40],
        "GET /aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    ] {
        assert_eq!(
            parse_with(text, &limits),
            Err(BadRequest::HeadTooLarge),
            "{text}"
        );
    }
    assert_eq!(parse_with(&longer[..39], &limits), Ok(None));
    let more = "GET / HTTP/1.1\r\nHost: a\r\na:\r\na:\r\n\r\n";
    assert_eq!(
        parse_with(more, &limits),
        Err(BadLine::TooManyFields.into())
    );
}

#[test]
fn has_the_limits_of_envoy_in_istio() {
    let head = |lines: usize, bytes: usize| {
        let fields = "a: b\r\n".repeat(lines - 1);
        let start = format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}");
        let fill = bytes.saturating_sub(start.len() + "c: \r\n\r\n".len());
        match bytes {
            0 => format!("{start}\r\n"),
            _ => format!("{start}c: {}\r\n\r\n", "d".repeat(fill)),
        }
    };
    assert!(parse(&head(100, 0)).is_ok());
    assert_eq!(parse(&head(101, 0)), Err(BadLine::TooManyFields.into()));
    assert!(parse(&head(1, 60 * 1024)).is_ok());
    assert_eq!(
        parse(&head(1, 60 * 1024 + 1)),
        Err(BadRequest::HeadTooLarge)
    );
}

#[test]
fn requires_one_host() {
    let with = |version: &str, lines: &str| parse(&format!("GET / HTTP/{version}\r\n{lines}\r\n"));
    assert_eq!(with("1.1", ""), Err(BadRequest::NoHost));
    for version in ["1.1", "1.0"] {
        for (lines, reason) in [
            ("Host: a\r\nHost: a\r\n", BadRequest::SeveralHosts),
            ("Host: a\r\nhOST: b\r\n", BadRequest::SeveralHosts),
            ("Host:\r\nHost:\r\n", BadRequest::SeveralHosts),
            ("Host: a b\r\n", BadRequest::Host),
            ("Host: a, a\r\n", BadRequest::Host),
            ("Host: user@a\r\n", BadRequest::Host),
            ("Host: a:b\r\n", BadRequest::Host),
            ("Host: http://a\r\n", BadRequest::Host),
            ("Host: a/b\r\n", BadRequest::Host),
        ] {
            assert_eq!(with(version, lines), Err(reason), "{version} {lines}");
        }
    }
    // Of HTTP/1.0, and of a target without an authority (RFC 9112, 3.2).
    assert_eq!(with("1.0", "").unwrap().unwrap().head.authority(), None);
    assert_eq!(
        with("1.1", "Host:\r\n").unwrap().unwrap().head.authority(),
        None
    );
}

#[test]
fn prefers_the_authority_of_an_absolute_target() {
    let request = good("GET https://a:1/b?c HTTP/1.1\r\nHost: d\r\n\r\n");
    let head = &request.head;
    assert_eq!(head.authority(), Some(&b"a:1"[..]));
    assert_eq!(
        (head.path(), head.scheme),
        (&b"/b?c"[..], Some(Scheme::Https))
    );
    let without_path = good("GET http://a?c HTTP/1.1\r\nHost: d\r\n\r\n");
    assert_eq!(without_path.head.path(), b"/?c");
    let without_host = parse("GET http://a/ HTTP/1.1\r\n\r\n");
    assert_eq!(without_host, Err(BadRequest::NoHost));
}

#[test]
fn takes_the_authority_of_connect_from_its_target() {
    let request = good("CONNECT a:443 HTTP/1.1\r\nHost: b\r\n\r\n");
    assert_eq!(request.head.authority(), Some(&b"a:443"[..]));
    assert_eq!(request.head.path(), b"");
    assert!(request.head.is_tunnel());
}

#[test]
fn refuses_bodies_of_connect() {
    for lines in ["Content-Length: 1\r\n", "Transfer-Encoding: chunked\r\n"] {
        let text = format!("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n{lines}\r\n");
        assert_eq!(parse(&text), Err(BadRequest::ConnectWithBody), "{lines}");
    }
    let empty = good("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(empty.framing, Framing::Empty);
}

#[test]
fn refuses_ambiguous_framing() {
    for (lines, reason) in [
        (
            "Content-Length: 3\r\nContent-Length: 3\r\n",
            BadFraming::SeveralContentLengths,
        ),
        (
            "Content-Length: 3\r\ncontent-length: 4\r\n",
            BadFraming::SeveralContentLengths,
        ),
        (
            "Content-Length: 5, 5\r\n",
            BadFraming::SeveralContentLengths,
        ),
        ("Content-Length: +3\r\n", BadFraming::ContentLength),
        ("Content-Length:\r\n", BadFraming::ContentLength),
        (
            "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
            BadFraming::LengthAndTransferEncoding,
        ),
        (
            "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n",
            BadFraming::LengthAndTransferEncoding,
        ),
        (
            "Transfer-Encoding: gzip, chunked\r\n",
            BadFraming::UnknownTransferCoding,
        ),
        (
            "Transfer-Encoding: identity\r\n",
            BadFraming::UnknownTransferCoding,
        ),
        (
            "Transfer-Encoding: xchunked\r\n",
            BadFraming::UnknownTransferCoding,
        ),
        (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            BadFraming::TransferEncoding,
        ),
        (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
            BadFraming::TransferEncoding,
        ),
        ("Transfer-Encoding:\r\n", BadFraming::TransferEncoding),
        (
            "Connection: content-length\r\nContent-Length: 1\r\nContent-Length: 2\r\n",
            BadFraming::SeveralContentLengths,
        ),
    ] {
        assert_eq!(get(lines), Err(reason.into()), "{lines}");
    }
    let old = parse("GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n");
    assert_eq!(old, Err(BadFraming::TransferEncodingInHttp10.into()));
}

#[test]
fn frames_by_the_fields_even_if_connection_names_them() {
    let request = get("Connection: transfer-encoding\r\nTransfer-Encoding: chunked\r\n");
    let request = request.unwrap().unwrap();
    assert_eq!(request.framing, Framing::Chunked);
    assert_eq!(request.head.authority(), Some(&b"a"[..]));
    assert!(names(&request).is_empty());
}

#[test]
fn takes_out_what_is_for_this_connection_only() {
    let request = get(concat!(
        "X-One: 1\r\nKeep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\nTE: gzip\r\n",
        "Connection: x-one, X-TWO\r\nx-two: 2\r\nX-Three: 3\r\nHTTP2-Settings: a\r\n",
        "Upgrade: h2c\r\nTrailer: a\r\nExpect: 100-continue\r\n",
    ));
    let request = request.unwrap().unwrap();
    assert_eq!(names(&request), ["x-three", "trailer", "expect"]);
}

#[test]
fn connection_names_no_field_that_is_for_everybody() {
    for option in [
        "host",
        "X-Forwarded-For",
        "x-forwarded-host",
        "x-forwarded-proto",
    ] {
        let refused = get(&format!("Connection: close, {option}\r\n"));
        assert_eq!(refused, Err(BadRequest::ConnectionOption), "{option}");
    }
}

#[test]
fn keeps_te_only_as_trailers() {
    for lines in [
        "TE: trailers\r\n",
        "TE: gzip, Trailers;q=0.5\r\nTE: trailers\r\nConnection: te\r\n",
    ] {
        let request = get(lines).unwrap().unwrap();
        assert_eq!(fields(&request), [("te".to_owned(), "trailers".to_owned())]);
    }
}

#[test]
fn keeps_connections_as_version_and_connection_say() {
    let keeps = |version: &str, lines: &str| {
        good(&format!("GET / HTTP/{version}\r\nHost: a\r\n{lines}\r\n")).keep_alive
    };
    assert!(keeps("1.1", "") && !keeps("1.0", ""));
    assert!(keeps("1.0", "Connection: Keep-Alive\r\n"));
    assert!(!keeps(
        "1.1",
        "Connection: foo\r\nConnection: bar, Close\r\n"
    ));
    assert!(!keeps("1.0", "Connection: keep-alive, close\r\n"));
    assert!(!keeps("1.1", "Proxy-Connection: close\r\n"));
}

#[test]
fn accepts_an_upgrade_that_is_unmistakable() {
    for protocol in ["websocket", "WebSocket", "foo/1.0"] {
        let request = get(&format!(
            "Connection: keep-alive, Upgrade\r\nUpgrade: {protocol}\r\n"
        ));
        let request = request.unwrap().unwrap();
        assert_eq!(request.head.upgrade(), Some(protocol.as_bytes()));
        assert!(names(&request).is_empty());
    }
}

#[test]
fn drops_other_upgrades() {
    for lines in [
        "Upgrade: websocket\r\n",
        "Connection: upgrade\r\n",
        "Connection: upgrade\r\nUpgrade: websocket\r\nUpgrade: websocket\r\n",
        "Connection: upgrade\r\nUpgrade: websocket, foo\r\n",
        "Connection: upgrade\r\nUpgrade: web socket\r\n",
        "Connection: upgrade\r\nUpgrade: a/b/c\r\n",
        "Connection: upgrade\r\nUpgrade:\r\n",
        "Connection: upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n",
        "Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n",
        "Connection: upgrade\r\nUpgrade: websocket\r\nTransfer-Encoding: chunked\r\n",
    ] {
        let request = get(lines).unwrap().unwrap();
        assert_eq!(request.head.upgrade(), None, "{lines}");
        assert!(names(&request).is_empty(), "{lines}");
    }
    let old = "GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
    assert_eq!(good(old).head.upgrade(), None);
    let connect =
        "CONNECT a:1 HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
    assert_eq!(good(connect).head.upgrade(), None);
}

#[test]
fn answers_with_the_status_of_the_reason() {
    for (reason, status, label) in [
        (BadRequest::HeadTooLarge, 431, "headers_too_large"),
        (BadLine::TooManyFields.into(), 431, "too_many_headers"),
        (BadRequest::MethodUnknown, 501, "unsupported_method"),
        (
            BadFraming::UnknownTransferCoding.into(),
            501,
            "unsupported_transfer_encoding",
        ),
        (BadRequest::Version, 505, "unsupported_version"),
        (BadRequest::Target, 400, "invalid_url"),
        (BadLine::BareLf.into(), 400, "bare_lf"),
    ] {
        assert_eq!((reason.status().as_u16(), reason.as_str()), (status, label));
    }
}
