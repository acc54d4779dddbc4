use super::*;
use crate::http1::encoder::BodyLengthMismatch;

fn options(method: Method, version: Version) -> ResponseOptions {
    ResponseOptions {
        method,
        version,
        keep_alive: true,
    }
}

fn to_get() -> ResponseOptions {
    options(Method::GET, Version::HTTP_11)
}

fn head(status: u16, body: BodySize) -> ResponseHead {
    let mut head = ResponseHead::new(StatusCode::from_u16(status).unwrap());
    head.body = body;
    head.fields.push(b"Server", b"envoy");
    head
}

fn written(head: &ResponseHead, options: &ResponseOptions) -> (String, bool) {
    let mut out = Vec::new();
    let (_, keep_alive) = write_response(head, options, &mut out);
    (String::from_utf8(out).unwrap(), keep_alive)
}

#[test]
fn frames_bodies_for_clients_of_http_11() {
    for (status, body, announced) in [
        (200, BodySize::Empty, "content-length: 0\r\n"),
        (200, BodySize::Length(12), "content-length: 12\r\n"),
        (200, BodySize::Unknown, "transfer-encoding: chunked\r\n"),
        (204, BodySize::Empty, ""),
        (304, BodySize::Empty, ""),
    ] {
        let head = head(status, body);
        let reason = head.status.canonical_reason().unwrap();
        let expected = format!("HTTP/1.1 {status} {reason}\r\n{announced}server: envoy\r\n\r\n");
        assert_eq!(written(&head, &to_get()), (expected, true));
    }
}

#[test]
fn writes_no_reason_where_none_is_known() {
    let (text, _) = written(&head(299, BodySize::Empty), &to_get());
    assert!(text.starts_with("HTTP/1.1 299 \r\n"), "{text}");
}

#[test]
fn says_when_the_connection_is_closed() {
    let options = ResponseOptions {
        keep_alive: false,
        ..to_get()
    };
    let (text, keep_alive) = written(&head(200, BodySize::Empty), &options);
    assert!(text.contains("\r\nconnection: close\r\n") && !keep_alive);
}

#[test]
fn answers_clients_of_http_10_in_their_version() {
    let options = options(Method::GET, Version::HTTP_10);
    let (text, keep_alive) = written(&head(200, BodySize::Length(1)), &options);
    assert!(text.starts_with("HTTP/1.0 200 OK\r\ncontent-length: 1\r\nconnection: keep-alive\r\n"));
    assert!(keep_alive);
    let mut out = Vec::new();
    let unknown = head(200, BodySize::Unknown);
    let (mut encoder, keep_alive) = write_response(&unknown, &options, &mut out);
    assert!(!keep_alive && encoder.is_identity());
    encoder.write(b"abc", &mut out).unwrap();
    let expected = "HTTP/1.0 200 OK\r\nconnection: close\r\nserver: envoy\r\n\r\nabc";
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}

#[test]
fn writes_interim_heads_for_those_who_know_them() {
    let head = head(103, BodySize::Empty);
    let expected = "HTTP/1.1 103 Early Hints\r\nserver: envoy\r\n\r\n".to_owned();
    assert_eq!(written(&head, &to_get()), (expected, true));
    let old = options(Method::GET, Version::HTTP_10);
    assert_eq!(written(&head, &old), (String::new(), true));
}

#[test]
fn writes_the_length_but_not_the_body_for_head() {
    let to_head = options(Method::HEAD, Version::HTTP_11);
    let mut without_body = head(200, BodySize::Empty);
    assert_eq!(
        written(&without_body, &to_head).0,
        "HTTP/1.1 200 OK\r\nserver: envoy\r\n\r\n"
    );
    without_body.length_without_body = Some(7);
    for head in [without_body, head(200, BodySize::Length(7))] {
        let mut out = Vec::new();
        let (mut encoder, keep_alive) = write_response(&head, &to_head, &mut out);
        assert!(keep_alive);
        let expected = "HTTP/1.1 200 OK\r\ncontent-length: 7\r\nserver: envoy\r\n\r\n";
        assert_eq!(str::from_utf8(&out).unwrap(), expected);
        assert_eq!(
            encoder.write(b"a", &mut out),
            Err(BodyLengthMismatch::TooLong)
        );
        assert_eq!(encoder.finish(None, &mut out), Ok(()));
    }
}

#[test]
fn writes_the_length_that_304_has() {
    let mut head = head(304, BodySize::Empty);
    head.length_without_body = Some(7);
    assert!(
        written(&head, &to_get())
            .0
            .contains("\r\ncontent-length: 7\r\n")
    );
}

#[test]
fn starts_tunnels() {
    let mut upgraded = head(101, BodySize::Unknown);
    upgraded.fields.push(b"upgrade", b"websocket");
    let expected = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nserver: envoy\r\nupgrade: websocket\r\n\r\n";
    assert_eq!(written(&upgraded, &to_get()), (expected.to_owned(), false));
    let to_connect = options(Method::CONNECT, Version::HTTP_11);
    let mut out = Vec::new();
    let (mut encoder, keep_alive) =
        write_response(&head(200, BodySize::Unknown), &to_connect, &mut out);
    assert!(!keep_alive && encoder.is_identity());
    encoder.write(b"\x16", &mut out).unwrap();
    assert_eq!(out, b"HTTP/1.1 200 OK\r\nserver: envoy\r\n\r\n\x16");
    let (text, keep_alive) = written(&head(407, BodySize::Length(1)), &to_connect);
    assert!(text.contains("\r\ncontent-length: 1\r\n") && keep_alive);
}
