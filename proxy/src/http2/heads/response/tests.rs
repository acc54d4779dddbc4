use http::Method;

use super::*;

fn asked(method: Method) -> Asked {
    Asked {
        method,
        upgrade: None,
    }
}

fn upgrade() -> Asked {
    Asked {
        method: Method::GET,
        upgrade: Some(b"websocket".to_vec()),
    }
}

fn response(status: u16, length: Option<&str>) -> Response<()> {
    let mut response = Response::builder().status(status).header("x", "1");
    if let Some(length) = length {
        response = response.header("content-length", length);
    }
    response.body(()).unwrap()
}

fn read(response: Response<()>, ended: bool, asked: &Asked) -> ResponseHead {
    read_response(response, ended, asked, 100).unwrap()
}

#[test]
fn knows_the_size_of_a_body() {
    let get = asked(Method::GET);
    let size = |length, ended| read(response(200, length), ended, &get).body;
    assert_eq!(size(Some("3"), false), BodySize::Length(3));
    assert_eq!(size(Some("0"), false), BodySize::Unknown);
    assert_eq!(size(Some("0"), true), BodySize::Empty);
    assert_eq!(size(None, true), BodySize::Empty);
    assert_eq!(size(None, false), BodySize::Unknown);
    assert!(read_response(response(200, Some("3")), true, &get, 100).is_err());
}

#[test]
fn knows_responses_without_a_body() {
    let head = read(response(200, Some("3")), true, &asked(Method::HEAD));
    assert_eq!(
        (head.body, head.length_without_body),
        (BodySize::Empty, Some(3))
    );
    let head = read(response(304, Some("3")), true, &asked(Method::GET));
    assert_eq!(
        (head.body, head.length_without_body),
        (BodySize::Empty, Some(3))
    );
    let head = read(response(204, None), false, &asked(Method::GET));
    assert_eq!(
        (head.body, head.length_without_body),
        (BodySize::Empty, None)
    );
    let head = read(response(103, None), false, &asked(Method::GET));
    assert_eq!(head.body, BodySize::Empty);
    assert!(head.is_interim());
}

#[test]
fn refuses_a_length_of_what_has_no_body() {
    let get = asked(Method::GET);
    for asked in [
        &get,
        &asked(Method::HEAD),
        &asked(Method::CONNECT),
        &upgrade(),
    ] {
        for status in [100, 103, 204] {
            let read = |length| read_response(response(status, length), true, asked, 100);
            assert_eq!(read(Some("3")), Err(BadHead::BodyNotAllowed), "{status}");
            assert!(read(None).is_ok());
        }
    }
    // Envoy passes it over, too.
    let head = read(response(204, Some("0")), true, &get);
    assert_eq!(
        (head.body, head.length_without_body),
        (BodySize::Empty, None)
    );
}

#[test]
fn refuses_a_switch_of_protocols() {
    for asked in [asked(Method::GET), upgrade()] {
        assert!(read_response(response(101, None), false, &asked, 100).is_err());
    }
}

#[test]
fn an_accepted_upgrade_is_101() {
    let head = read(response(200, None), false, &upgrade());
    assert_eq!(head.status, StatusCode::SWITCHING_PROTOCOLS);
    assert_eq!(head.fields.get(FieldName::Upgrade), Some(&b"websocket"[..]));
    assert_eq!(head.body, BodySize::Unknown);
    let (written, ended) = write_response(&head, &upgrade()).unwrap();
    assert_eq!((written.status(), ended), (StatusCode::OK, false));
    assert!(!written.headers().contains_key("upgrade"));
}

#[test]
fn a_refused_upgrade_keeps_its_status() {
    let head = read(response(403, Some("3")), false, &upgrade());
    assert_eq!(head.status, StatusCode::FORBIDDEN);
    assert_eq!(head.body, BodySize::Length(3));
    let (written, ended) = write_response(&head, &upgrade()).unwrap();
    assert_eq!((written.status(), ended), (StatusCode::FORBIDDEN, false));
}

#[test]
fn does_not_let_an_unknown_upgrade_look_accepted() {
    let head = ResponseHead::new(StatusCode::OK);
    assert!(write_response(&head, &upgrade()).is_err());
    let head = ResponseHead::new(StatusCode::SWITCHING_PROTOCOLS);
    assert!(write_response(&head, &asked(Method::GET)).is_err());
}

#[test]
fn a_tunnel_of_connect_has_no_length() {
    let connect = asked(Method::CONNECT);
    let head = read(response(200, Some("3")), false, &connect);
    assert_eq!(head.body, BodySize::Unknown);
    let mut head = ResponseHead::new(StatusCode::OK);
    head.length_without_body = Some(3);
    let (written, ended) = write_response(&head, &connect).unwrap();
    assert!(!ended && written.headers().is_empty());
}

#[test]
fn writes_the_length_of_a_body() {
    let mut head = ResponseHead::new(StatusCode::OK);
    for (body, length, expected) in [
        (BodySize::Length(3), Some("3"), false),
        (BodySize::Unknown, None, false),
        (BodySize::Empty, None, true),
    ] {
        head.body = body;
        let (written, ended) = write_response(&head, &asked(Method::GET)).unwrap();
        let value = written.headers().get("content-length");
        assert_eq!(value.map(|value| value.to_str().unwrap()), length);
        assert_eq!(ended, expected);
    }
    head.length_without_body = Some(5);
    let (written, ended) = write_response(&head, &asked(Method::HEAD)).unwrap();
    assert_eq!(written.headers()["content-length"], "5");
    assert!(ended);
}
