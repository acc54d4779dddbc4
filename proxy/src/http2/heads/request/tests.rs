use http::StatusCode;

use super::*;
use crate::message::{FieldName, Fields};

fn request(method: &str, uri: &str, fields: &[(&str, &str)]) -> Request<()> {
    let mut request = Request::builder().method(method).uri(uri);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap()
}

fn extended(protocol: &str, fields: &[(&str, &str)]) -> Request<()> {
    let mut request = request("CONNECT", "http://a/chat", fields);
    request.extensions_mut().insert(Protocol::from(protocol));
    request
}

fn read(mut request: Request<()>) -> Result<RequestHead, BadHead> {
    read_request(&mut request, false, 100)
}

fn malformed(request: Request<()>) -> bool {
    read(request).is_err_and(|bad| bad.status().is_none())
}

fn answered(request: Request<()>) -> Option<StatusCode> {
    read(request).err()?.status()
}

#[test]
fn reads_the_parts_of_a_head() {
    let head = read(request("POST", "https://a:1/b?c=d", &[("x", "1")])).unwrap();
    assert_eq!(head.method, Method::POST);
    assert_eq!(head.version, Version::HTTP_2);
    assert_eq!(head.scheme, Some(Scheme::Https));
    assert_eq!(head.authority(), Some(&b"a:1"[..]));
    assert_eq!(head.path(), b"/b?c=d");
    assert_eq!(head.body, BodySize::Unknown);
    assert_eq!(head.fields.find(b"x"), Some(&b"1"[..]));
    assert!(!head.is_tunnel());
}

#[test]
fn knows_the_size_of_a_body() {
    let with = |length| request("POST", "http://a/", &[("content-length", length)]);
    let without = || request("GET", "http://a/", &[]);
    let size = |mut request, ended| read_request(&mut request, ended, 100).map(|head| head.body);
    assert_eq!(size(with("3"), false), Ok(BodySize::Length(3)));
    assert_eq!(size(with("0"), false), Ok(BodySize::Empty));
    assert_eq!(size(with("0"), true), Ok(BodySize::Empty));
    assert_eq!(size(without(), true), Ok(BodySize::Empty));
    assert_eq!(size(without(), false), Ok(BodySize::Unknown));
    assert!(size(with("3"), true).is_err());
}

#[test]
fn takes_host_in_place_of_authority() {
    let head = read(request("GET", "/", &[("host", "a:1")])).unwrap();
    assert_eq!(head.authority(), Some(&b"a:1"[..]));
    assert_eq!(head.fields.get(FieldName::Host), None);
}

#[test]
fn refuses_a_host_that_is_not_the_authority() {
    assert!(read(request("GET", "http://a/", &[("host", "A")])).is_ok());
    for host in ["b", "a:80", "", "a, b"] {
        assert!(
            malformed(request("GET", "http://a/", &[("host", host)])),
            "{host:?}"
        );
    }
}

#[test]
fn refuses_a_host_that_is_none() {
    let bad = [
        "",
        "a b",
        "a/b",
        "a, b",
        "a?b",
        "a#b",
        "web:b",
        "web:99999",
        "web:+80",
        "web:80:80",
        ":80",
        "[x]",
        "[::1]a",
        "a[b]c",
        "[::1",
        "::1",
        "[fe80::1%25eth0]",
        "%zz",
        "\u{e9}",
    ];
    for host in bad {
        let alone = read(request("GET", "/", &[("host", host)]));
        assert_eq!(alone.unwrap_err(), BadHead::Host, "{host:?}");
        // What the library does not take for an authority does not come so far.
        let Ok(authority) = Authority::try_from(host) else {
            continue;
        };
        for fields in [&[][..], &[("host", host)]] {
            let mut request = request("GET", "http://a/", fields);
            let mut parts = request.uri().clone().into_parts();
            parts.authority = Some(authority.clone());
            *request.uri_mut() = Uri::from_parts(parts).unwrap();
            assert_eq!(read(request).unwrap_err(), BadHead::Host, "{host:?}");
        }
    }
    for user in ["u@a", "u:p@a", "web:80@other"] {
        assert!(malformed(request("GET", "/", &[("host", user)])));
        assert!(malformed(request("GET", &format!("http://{user}/"), &[])));
    }
}

#[test]
fn takes_the_hosts_of_http1() {
    for host in ["a", "a:", "a:0", "a:65535", "[::1]:80", "a_b.c", "a%20b"] {
        let head = read(request("GET", "/", &[("host", host)])).unwrap();
        assert_eq!(head.authority(), Some(host.as_bytes()));
    }
}

#[test]
fn answers_a_request_without_a_host() {
    assert_eq!(
        answered(request("GET", "/", &[])),
        Some(StatusCode::BAD_REQUEST)
    );
}

#[test]
fn refuses_a_path_that_is_not_absolute() {
    for path in ["?a", "*"] {
        let mut request = request("GET", "/", &[("host", "a")]);
        let mut parts = uri::Parts::default();
        parts.path_and_query = Some(path.parse().unwrap());
        *request.uri_mut() = Uri::from_parts(parts).unwrap();
        assert!(malformed(request), "{path:?}");
    }
    let head = read(request("OPTIONS", "*", &[("host", "a")])).unwrap();
    assert_eq!(head.path(), b"*");
}

#[test]
fn refuses_characters_that_urls_do_not_have() {
    for path in ["/\u{e9}", "/a?\u{e9}"] {
        let mut request = request("GET", "http://a/", &[]);
        let mut parts = request.uri().clone().into_parts();
        // The library takes it.
        parts.path_and_query = Some(path.parse().unwrap());
        *request.uri_mut() = Uri::from_parts(parts).unwrap();
        assert!(malformed(request), "{path:?}");
    }
    assert!(read(request("GET", "http://a/%c3%a9?{}|^", &[])).is_ok());
}

#[test]
fn answers_a_method_that_is_unknown() {
    for method in ["get", "Delete", "FROB", "abcGET", "PRI"] {
        assert_eq!(
            answered(request(method, "http://a/", &[])),
            Some(StatusCode::NOT_IMPLEMENTED),
            "{method}"
        );
    }
    for method in ["DELETE", "PROPFIND", "M-SEARCH"] {
        let head = read(request(method, "http://a/", &[])).unwrap();
        assert_eq!(head.method.as_str(), method);
    }
}

#[test]
fn refuses_a_missing_path() {
    let mut request = request("GET", "/", &[("host", "a")]);
    *request.uri_mut() = Uri::from_parts(uri::Parts::default()).unwrap();
    assert!(malformed(request));
}

#[test]
fn refuses_an_empty_scheme() {
    let mut request = request("GET", "http://a/", &[]);
    let mut parts = request.uri().clone().into_parts();
    parts.scheme = Some("".parse().unwrap());
    *request.uri_mut() = Uri::from_parts(parts).unwrap();
    assert!(malformed(request));
}

#[test]
fn connect_has_a_target_and_no_path() {
    let head = read(request("CONNECT", "a:443", &[])).unwrap();
    assert_eq!(
        (head.authority(), head.path()),
        (Some(&b"a:443"[..]), &b""[..])
    );
    assert_eq!(head.body, BodySize::Empty);
    assert!(head.is_tunnel() && head.upgrade().is_none());
    for target in ["a", "a:", "[::1]"] {
        assert_eq!(
            read(request("CONNECT", target, &[])).unwrap_err(),
            BadHead::NoPort,
            "{target}"
        );
    }
    for target in ["a:+443", "a:99999", "a:x", "[x]:443", ":443"] {
        let mut request = request("CONNECT", "a:443", &[]);
        let mut parts = uri::Parts::default();
        parts.authority = Some(target.parse().unwrap());
        *request.uri_mut() = Uri::from_parts(parts).unwrap();
        assert_eq!(read(request).unwrap_err(), BadHead::Host, "{target}");
    }
    assert!(malformed(request(
        "CONNECT",
        "a:443",
        &[("content-length", "3")]
    )));
}

#[test]
fn extended_connect_is_an_upgrade() {
    let head = read(extended("websocket", &[("sec-websocket-version", "13")])).unwrap();
    assert_eq!(head.method, Method::GET);
    assert_eq!(head.upgrade(), Some(&b"websocket"[..]));
    assert_eq!((head.path(), head.body), (&b"/chat"[..], BodySize::Empty));
    for protocol in ["", "a b", "a\r\nx: y", "a,b"] {
        assert!(malformed(extended(protocol, &[])), "{protocol:?}");
    }
    assert!(malformed(extended("websocket", &[("content-length", "3")])));
}

fn head(method: Method, authority: Option<&str>, path: &str) -> RequestHead {
    let mut fields = Fields::default();
    fields.push(b"x", b"1");
    let authority = authority.map(str::as_bytes);
    RequestHead::new(method, authority, path.as_bytes(), fields)
}

#[test]
fn writes_what_it_reads() {
    for (method, path) in [
        (Method::GET, "/"),
        (Method::POST, "//b/%2f?c=d&{}"),
        (Method::OPTIONS, "*"),
        (Method::CONNECT, ""),
    ] {
        let mut before = head(method, Some("a:1"), path);
        before.version = Version::HTTP_2;
        let (mut request, ended) = write_request(&before).unwrap();
        assert_eq!(ended, before.method != Method::CONNECT);
        if before.method != Method::CONNECT {
            before.scheme = Some(Scheme::Http);
        }
        let after = read_request(&mut request, true, 100).unwrap();
        assert_eq!(after.method, before.method);
        assert_eq!(after.scheme, before.scheme);
        assert_eq!(after.authority(), before.authority());
        assert_eq!(after.path(), before.path());
        assert!(after.fields.iter().eq(before.fields.iter()));
    }
}

#[test]
fn writes_the_length_of_a_body() {
    let mut head = head(Method::POST, Some("a"), "/");
    for (body, length, expected) in [
        (BodySize::Length(3), Some("3"), false),
        (BodySize::Unknown, None, false),
        (BodySize::Empty, None, true),
    ] {
        head.body = body;
        let (request, ended) = write_request(&head).unwrap();
        let written = request.headers().get("content-length");
        assert_eq!(written.map(|value| value.to_str().unwrap()), length);
        assert_eq!(ended, expected);
    }
}

#[test]
fn writes_an_upgrade_as_extended_connect() {
    let mut head = head(Method::GET, Some("a"), "/chat");
    head.set_upgrade(Some(b"websocket"));
    let (request, ended) = write_request(&head).unwrap();
    assert_eq!(request.method(), Method::CONNECT);
    assert_eq!(request.uri(), "http://a/chat");
    let protocol = request.extensions().get::<Protocol>().unwrap();
    assert_eq!(protocol.as_str(), "websocket");
    assert!(!ended);
}

#[test]
fn writes_a_request_without_a_host() {
    let (request, _) = write_request(&head(Method::GET, None, "/a")).unwrap();
    assert_eq!(request.uri(), "/a");
    assert_eq!(request.version(), Version::HTTP_11);
}

#[test]
fn encodes_what_the_library_does_not_take() {
    for (path, written) in [
        ("/?q=<x>", "/?q=%3Cx%3E"),
        ("/?q=\"x\"", "/?q=%22x%22"),
        (
            "/<a>`b`\"c\"?`d`\"e\"?<",
            "/%3Ca%3E%60b%60\"c\"?`d`%22e%22?%3C",
        ),
    ] {
        let (request, _) = write_request(&head(Method::GET, Some("a"), path)).unwrap();
        assert_eq!(request.uri().path_and_query().unwrap(), written);
    }
    // All that targets of HTTP/1 may have can be written.
    for byte in (0x21..0x7f_u8).filter(|byte| *byte != b'#') {
        let byte = char::from(byte);
        for path in [format!("/{byte}"), format!("/?{byte}")] {
            let (request, _) = write_request(&head(Method::GET, Some("a"), &path)).unwrap();
            let written = request.uri().path_and_query().unwrap();
            assert!(
                *written == *path || written.as_str().contains('%'),
                "{path}"
            );
        }
    }
}

#[test]
fn refuses_to_write_a_target_that_is_none() {
    for path in ["", "a", "/a b", "/a#b", "/a\r\nb", "/\x7f"] {
        assert!(
            write_request(&head(Method::GET, Some("a"), path)).is_err(),
            "{path:?}"
        );
    }
    for authority in ["", "a b", "a/b", "a%20b"] {
        assert!(
            write_request(&head(Method::GET, Some(authority), "/")).is_err(),
            "{authority:?}"
        );
    }
}
