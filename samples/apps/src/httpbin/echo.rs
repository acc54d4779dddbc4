//! A request, described in JSON with httpbin's fields.

use hyper::{
    HeaderMap, Uri,
    header::{CONTENT_TYPE, HOST, USER_AGENT},
    http::request::Parts,
};
use serde_json::{Map, Value};
use std::net::SocketAddr;

/// What the head of a request says.
pub fn request(head: &Parts) -> Map<String, Value> {
    let headers = headers(&head.headers, &head.uri);
    let host = headers
        .get("Host")
        .and_then(Value::as_str)
        .unwrap_or("localhost");
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    let scheme = match head.headers.get("x-forwarded-proto") {
        Some(scheme) if scheme == "https" => "https",
        _ => "http",
    };
    let url = format!("{scheme}://{host}{path}");
    Map::from_iter([
        (
            "args".to_owned(),
            pairs(head.uri.query().unwrap_or_default().as_bytes()),
        ),
        ("headers".to_owned(), headers.into()),
        ("origin".to_owned(), origin(head).into()),
        ("url".to_owned(), url.into()),
    ])
}

/// Adds what the body says: as text, as a form, as JSON.
pub fn add_body(described: &mut Map<String, Value>, head: &Parts, body: &[u8]) {
    let content_type = head
        .headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let form = content_type.starts_with("application/x-www-form-urlencoded");
    let (data, form) = match form {
        true => (Value::from(""), pairs(body)),
        false => (String::from_utf8_lossy(body).into(), Map::new().into()),
    };
    described.insert("data".to_owned(), data);
    described.insert("files".to_owned(), Map::new().into());
    described.insert("form".to_owned(), form);
    described.insert(
        "json".to_owned(),
        serde_json::from_slice(body).unwrap_or(Value::Null),
    );
}

/// The headers by their names as HTTP/1 writes them, those that repeat joined by commas.
pub fn headers(headers: &HeaderMap, uri: &Uri) -> Map<String, Value> {
    let mut described = Map::new();
    // HTTP/2 has no Host.
    if let (None, Some(authority)) = (headers.get(HOST), uri.authority()) {
        described.insert("Host".to_owned(), authority.as_str().into());
    }
    for name in headers.keys() {
        let values: Vec<_> = headers
            .get_all(name)
            .iter()
            .map(|value| String::from_utf8_lossy(value.as_bytes()))
            .collect();
        described.insert(capitalised(name.as_str()), values.join(",").into());
    }
    described
}

fn capitalised(name: &str) -> String {
    let word = |word: &str| match word.split_at_checked(1) {
        Some((first, rest)) => first.to_ascii_uppercase() + rest,
        None => String::new(),
    };
    name.split('-').map(word).collect::<Vec<_>>().join("-")
}

/// Where the request comes from: as proxies say, or the caller's address.
pub fn origin(head: &Parts) -> String {
    match head
        .headers
        .get("x-forwarded-for")
        .and_then(|value| value.to_str().ok())
    {
        Some(forwarded) => forwarded.to_owned(),
        None => head
            .extensions
            .get::<SocketAddr>()
            .map(|peer| peer.ip().to_canonical().to_string())
            .unwrap_or_default(),
    }
}

/// Who says to ask.
pub fn user_agent(head: &Parts) -> Value {
    head.headers.get(USER_AGENT).map_or(Value::Null, |value| {
        String::from_utf8_lossy(value.as_bytes()).into()
    })
}

/// Names with their values; a name that repeats has a list of them.
fn pairs(encoded: &[u8]) -> Value {
    let mut described = Map::new();
    for (name, value) in form_urlencoded::parse(encoded) {
        match described.get_mut(name.as_ref()) {
            None => drop(described.insert(name.into_owned(), value.into())),
            Some(Value::Array(values)) => values.push(value.into()),
            Some(first) => *first = Value::Array(vec![first.take(), value.into()]),
        }
    }
    described.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::Request;
    use serde_json::json;

    fn head(uri: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn describes_a_request_with_httpbin_s_fields() {
        let mut head = head(
            "/get?a=1&b=2&a=3&c",
            &[
                ("host", "httpbin:8000"),
                ("x-b3-traceid", "1"),
                ("x-a", "1"),
                ("x-a", "2"),
            ],
        );
        head.extensions.insert(SocketAddr::from(([10, 0, 0, 1], 5)));
        assert_eq!(
            Value::from(request(&head)),
            json!({
                "args": {"a": ["1", "3"], "b": "2", "c": ""},
                "headers": {"Host": "httpbin:8000", "X-B3-Traceid": "1", "X-A": "1,2"},
                "origin": "10.0.0.1",
                "url": "http://httpbin:8000/get?a=1&b=2&a=3&c",
            })
        );
    }

    #[test]
    fn takes_the_host_of_http2_from_the_authority() {
        assert_eq!(
            headers(&HeaderMap::new(), &Uri::from_static("http://a:1/"))["Host"],
            "a:1"
        );
    }

    #[test]
    fn describes_a_body_as_text_form_and_json() {
        let described = |headers: &[(&str, &str)], body: &[u8]| {
            let mut described = Map::new();
            add_body(&mut described, &head("/post", headers), body);
            Value::from(described)
        };
        assert_eq!(
            described(&[], b"{\"a\":1}"),
            json!({"data": "{\"a\":1}", "files": {}, "form": {}, "json": {"a": 1}})
        );
        let form = [(
            "content-type",
            "application/x-www-form-urlencoded; charset=utf-8",
        )];
        assert_eq!(
            described(&form, b"a=1"),
            json!({"data": "", "files": {}, "form": {"a": "1"}, "json": null})
        );
        assert_eq!(described(&[], b"\xff")["data"], "\u{fffd}");
    }

    #[test]
    fn writes_names_as_http1_does() {
        assert_eq!(
            capitalised("x-forwarded-client-cert"),
            "X-Forwarded-Client-Cert"
        );
        assert_eq!(capitalised("-a--b"), "-A--B");
    }
}
