use super::*;
use crate::{
    http1::refusal::BadFraming,
    message::{BodySize, FieldName},
};

fn parse_for(method: Method, text: &str) -> Result<Option<ParsedResponse>, BadResponse> {
    parse_response(text.as_bytes(), &Limits::default(), &method)
}

fn parse(text: &str) -> Result<Option<ParsedResponse>, BadResponse> {
    parse_for(Method::GET, text)
}

fn good(text: &str) -> ParsedResponse {
    parse(text).unwrap().unwrap()
}

#[test]
fn reads_a_response() {
    let text =
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nServer: nginx\r\nKeep-Alive: timeout=5\r\n\r\nabc";
    let response = good(text);
    assert_eq!(response.len, text.len() - 3);
    assert_eq!(response.framing, Framing::Length(3));
    assert!(response.keep_alive);
    assert_eq!(response.keep_alive_timeout, Some(5));
    let head = &response.head;
    assert_eq!(
        (head.status, head.version),
        (StatusCode::OK, Version::HTTP_11)
    );
    assert_eq!(
        (head.body, head.length_without_body),
        (BodySize::Length(3), None)
    );
    let fields: Vec<_> = head.fields.iter().collect();
    assert_eq!(fields, [(&b"server"[..], &b"nginx"[..])]);
}

#[test]
fn waits_for_the_whole_head() {
    let text = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    for end in 0..text.len() {
        assert_eq!(parse(&text[..end]), Ok(None), "{end}");
    }
}

#[test]
fn takes_status_lines_as_servers_send_them() {
    for (line, status) in [
        ("HTTP/1.1 200 OK", 200),
        ("HTTP/1.1 200 ", 200),
        ("HTTP/1.1 200", 200),
        ("HTTP/1.0 404 Not  Found\t", 404),
        ("HTTP/1.1 299 \u{e9}t\u{e9}", 299),
        ("HTTP/1.1 999 Request Denied", 999),
    ] {
        assert_eq!(
            good(&format!("{line}\r\n\r\n")).head.status,
            status,
            "{line}"
        );
    }
}

#[test]
fn refuses_other_status_lines() {
    for (line, reason) in [
        ("", BadResponse::StatusLine),
        ("HTTP/1.1", BadResponse::StatusLine),
        ("HTTP/1.1 ", BadResponse::StatusLine),
        ("HTTP/1.1 20", BadResponse::StatusLine),
        ("HTTP/1.1 2000 OK", BadResponse::StatusLine),
        ("HTTP/1.1 200OK", BadResponse::StatusLine),
        ("HTTP/1.1  200 OK", BadResponse::StatusLine),
        ("HTTP/1.1\t200 OK", BadResponse::StatusLine),
        ("HTTP/1.1 099 OK", BadResponse::StatusLine),
        ("HTTP/1.1 +20 OK", BadResponse::StatusLine),
        ("HTTP/1.1 200 a\0", BadResponse::StatusLine),
        ("http/1.1 200 OK", BadResponse::StatusLine),
        ("ICY 200 OK", BadResponse::StatusLine),
        ("HTTP/2.0 200 OK", BadResponse::Version),
        ("HTTP/1.2 200 OK", BadResponse::Version),
        ("HTTP/1.1 200 a\rb", BadResponse::Line(BadLine::BareCr)),
    ] {
        assert_eq!(parse(&format!("{line}\r\n\r\n")), Err(reason), "{line:?}");
    }
    let bare = parse("HTTP/1.1 200 OK\n\n");
    assert_eq!(bare, Err(BadLine::BareLf.into()));
}

#[test]
fn bounds_the_head() {
    let long = format!("HTTP/1.1 200 OK\r\na: {}\r\n\r\n", "b".repeat(60 * 1024));
    assert_eq!(parse(&long), Err(BadResponse::HeadTooLarge));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(101));
    assert_eq!(parse(&many), Err(BadLine::TooManyFields.into()));
}

#[test]
fn reads_until_the_end_where_no_length_is_said() {
    let response = good("HTTP/1.1 200 OK\r\n\r\n");
    assert_eq!(response.framing, Framing::UntilClose);
    assert_eq!(response.head.body, BodySize::Unknown);
    assert!(!response.keep_alive);
}

#[test]
fn reads_chunks() {
    let response = good("HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n");
    assert_eq!(
        (response.framing, response.keep_alive),
        (Framing::Chunked, true)
    );
    assert!(response.head.fields.is_empty());
}

#[test]
fn knows_the_length_of_a_body_that_stays_away() {
    let text = "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n";
    let response = parse_for(Method::HEAD, text).unwrap().unwrap();
    assert_eq!(response.framing, Framing::Empty);
    assert_eq!(response.head.length_without_body, Some(7));
    let response = good("HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n");
    assert_eq!(response.framing, Framing::Empty);
    assert_eq!(response.head.length_without_body, Some(7));
    assert!(response.keep_alive);
}

#[test]
fn reads_interim_responses() {
    let response = good("HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n");
    assert!(response.head.is_interim());
    assert_eq!(response.framing, Framing::Empty);
}

#[test]
fn passes_over_an_empty_length_where_none_belongs() {
    let response = good("HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(
        (response.framing, response.keep_alive),
        (Framing::Empty, true)
    );
    assert_eq!(response.head.length_without_body, None);
}

#[test]
fn keeps_the_protocol_of_an_upgrade_only() {
    let lines = "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    let response = good(&format!("HTTP/1.1 101 Switching Protocols\r\n{lines}"));
    assert_eq!(
        (response.framing, response.keep_alive),
        (Framing::Tunnel, false)
    );
    let upgrade = response.head.fields.get(FieldName::Upgrade);
    assert_eq!(upgrade, Some(&b"websocket"[..]));
    let response = good(&format!("HTTP/1.1 200 OK\r\n{lines}"));
    assert_eq!(response.head.fields.get(FieldName::Upgrade), None);
}

#[test]
fn starts_a_tunnel_with_success_to_connect() {
    let text = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let response = parse_for(Method::CONNECT, text).unwrap().unwrap();
    assert_eq!(
        (response.framing, response.keep_alive),
        (Framing::Tunnel, false)
    );
}

#[test]
fn keeps_connections_of_http_10_only_when_told() {
    let keeps = |lines: &str| {
        good(&format!(
            "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n{lines}\r\n"
        ))
        .keep_alive
    };
    assert!(!keeps("") && keeps("Connection: keep-alive\r\n"));
}

#[test]
fn refuses_ambiguous_framing() {
    for (text, reason) in [
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n",
            BadFraming::SeveralContentLengths.into(),
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
            BadFraming::LengthAndTransferEncoding.into(),
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            BadFraming::UnknownTransferCoding.into(),
        ),
        (
            "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            BadFraming::TransferEncodingInHttp10.into(),
        ),
        (
            "HTTP/1.1 304 OK\r\nContent-Length: x\r\n\r\n",
            BadFraming::ContentLength.into(),
        ),
        (
            "HTTP/1.1 204 OK\r\nContent-Length: 1\r\n\r\n",
            BadResponse::BodyNotAllowed,
        ),
        (
            "HTTP/1.1 101 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            BadResponse::BodyNotAllowed,
        ),
        (
            "HTTP/1.1 200 OK\r\na: b\r\n c\r\n\r\n",
            BadLine::ObsFold.into(),
        ),
        (
            "HTTP/1.1 200 OK\r\na : b\r\n\r\n",
            BadLine::SpaceBeforeColon.into(),
        ),
        ("\r\nHTTP/1.1 200 OK\r\n\r\n", BadResponse::StatusLine),
    ] {
        assert_eq!(parse(text), Err(reason), "{text:?}");
    }
}

#[test]
fn takes_out_what_is_for_this_connection_only() {
    let response = good(concat!(
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: x-one\r\nX-One: 1\r\nTE: trailers\r\n",
        "Keep-Alive: max=5\r\nProxy-Connection: a\r\nTrailer: a\r\n\r\n",
    ));
    let names: Vec<_> = response.head.fields.iter().map(|(name, _)| name).collect();
    assert_eq!(names, [b"trailer"]);
}
