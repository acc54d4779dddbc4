//! What goes over a connection of HTTP/1.1, as others read it.

use crate::messages::{Framing, Kind, Line, Message, method, read};

/// Whether bytes may follow instead of requests.
pub(crate) fn asks_for_tunnel(request: &Message) -> bool {
    request.method() == "CONNECT" || asks_for_upgrade(request)
}

/// An upgrade means nothing in HTTP/1.0 and where `connection` does not list it (RFC 9110, 7.8), and
/// the proxy ignores one to several protocols, and one with a body.
fn asks_for_upgrade(request: &Message) -> bool {
    let is_new = matches!(request.line, Line::Request { minor: 1, .. });
    let has_body = !matches!(request.framing, Framing::Nothing | Framing::Length(0));
    let is_one = request.all("upgrade").count() == 1;
    is_new && !has_body && is_one && request.lists("connection", "upgrade")
}

/// What any server may rely on.
pub(crate) fn check_request(request: &Message) {
    let Line::Request { target, minor, .. } = &request.line else {
        unreachable!("it was read as a request");
    };
    assert_eq!(*minor, 1, "{request:#?}");
    assert_eq!(request.all("host").count(), 1, "{request:#?}");
    let is_path = target.starts_with(b"/") || target == b"*" || request.method() == "CONNECT";
    assert!(is_path, "{request:#?}");
    assert!(!request.lists("connection", "close"), "{request:#?}");
}

/// All complete requests, up to one that asks for a tunnel.
pub(crate) fn requests(bytes: &[u8]) -> Vec<Message> {
    read_requests(bytes, asks_for_tunnel)
}

/// All complete requests, if nobody takes up a tunnel.
pub(crate) fn requests_without_tunnels(bytes: &[u8]) -> Vec<Message> {
    read_requests(bytes, |_| false)
}

/// Complete requests, up to one that is the last.
fn read_requests(mut bytes: &[u8], is_last: fn(&Message) -> bool) -> Vec<Message> {
    let mut requests = Vec::new();
    while let Ok(Some(request)) = read(bytes, Kind::Request) {
        if !request.is_complete {
            break;
        }
        bytes = &bytes[request.len..];
        let ends = is_last(&request);
        requests.push(request);
        if ends {
            break;
        }
    }
    requests
}

/// The methods of all requests, complete or not.
pub(crate) fn methods(mut bytes: &[u8]) -> Vec<String> {
    let mut methods = Vec::new();
    loop {
        match read(bytes, Kind::Request) {
            Ok(Some(request)) if request.is_complete => {
                methods.push(request.method().to_owned());
                bytes = &bytes[request.len..];
            }
            Ok(None) => return methods,
            // A body that is cut, or bad: it is answered as what its head asks for.
            Ok(Some(_)) | Err(_) => {
                methods.extend(method(bytes));
                return methods;
            }
        }
    }
}

/// All responses to such requests; to those that are no requests as to GET.
pub(crate) fn responses(mut bytes: &[u8], methods: &[String]) -> Result<Vec<Message>, String> {
    let mut methods = methods.iter().map(String::as_str);
    let mut method = methods.next().unwrap_or("GET");
    let mut responses = Vec::new();
    while let Some(mut response) = read(bytes, Kind::Response(method))? {
        // What the proxy could not read as a request is answered as GET, at the end.
        let rest = &bytes[response.len..];
        if !rest.is_empty() && !rest.starts_with(b"HTTP/1") && response.lists("connection", "close")
        {
            let Some(other) = read(bytes, Kind::Response("GET"))? else {
                break;
            };
            response = other;
        }
        bytes = &bytes[response.len..];
        if !response.is_interim() {
            method = methods.next().unwrap_or("GET");
        }
        responses.push(response);
    }
    Ok(responses)
}
