//! Answers with what it was asked, under the paths of httpbin.org.

mod echo;
mod generated;

use crate::{
    http::{
        BODY_LIMIT, Body, answer, bad_request, html, json, not_found, pod, read, segments, text,
    },
    server::{self, Listen},
};
use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{ALLOW, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION},
    http::request::Parts,
};
use std::{io, time::Duration};

/// The longest delay in seconds.
const DELAY: f64 = 30.0;
/// The longest chain of redirects.
const REDIRECTS: u32 = 50;

/// Serves httpbin on port 8080.
pub async fn run(listen: Listen) -> io::Result<()> {
    let listener = listen.bind("httpbin", 8080).await?;
    server::http(listener, route).await
}

async fn route(request: Request<Incoming>) -> Response<Body> {
    let (head, body) = request.into_parts();
    let path = head.uri.path().to_owned();
    match segments(&path).as_slice() {
        ["anything", ..] => with_body(&head, body, true).await,
        ["status", code] => status(code),
        ["delay", seconds] => match delay(seconds) {
            Some(delay) => {
                tokio::time::sleep(delay).await;
                with_body(&head, body, false).await
            }
            None => bad_request(&format!("a delay has 0 to {DELAY} seconds")),
        },
        ["post"] => only(&head, body, Method::POST).await,
        ["put"] => only(&head, body, Method::PUT).await,
        ["patch"] => only(&head, body, Method::PATCH).await,
        ["delete"] => only(&head, body, Method::DELETE).await,
        other => match head.method {
            Method::GET | Method::HEAD => without_body(&head, other),
            _ => not_allowed("GET, HEAD"),
        },
    }
}

/// The paths that are only read.
fn without_body(head: &Parts, segments: &[&str]) -> Response<Body> {
    match segments {
        [""] => html(page(
            "httpbin",
            &PATHS
                .map(|path| format!("<li><code>{path}</code></li>\n"))
                .concat(),
        )),
        ["get"] => json(StatusCode::OK, &echo::request(head)),
        ["headers"] => json(
            StatusCode::OK,
            &serde_json::json!({"headers": echo::headers(&head.headers, &head.uri)}),
        ),
        ["ip"] => json(
            StatusCode::OK,
            &serde_json::json!({"origin": echo::origin(head)}),
        ),
        ["user-agent"] => json(
            StatusCode::OK,
            &serde_json::json!({"user-agent": echo::user_agent(head)}),
        ),
        ["hostname"] => json(StatusCode::OK, &serde_json::json!({"hostname": pod()})),
        ["html"] => html(page(
            "A page",
            "<p>Something to look at, and nothing more.</p>\n",
        )),
        ["json"] => json(
            StatusCode::OK,
            &serde_json::json!({"slideshow": {"title": "Sample", "author": "Pillion", "slides": [{"title": "One", "type": "all"}]}}),
        ),
        ["bytes", count] => generated::bytes(count),
        ["stream-bytes", count] => generated::stream_bytes(count),
        ["stream", count] => generated::stream(count, echo::request(head)),
        ["trailers"] => generated::trailers(head.uri.query().unwrap_or_default()),
        ["response-headers"] => response_headers(head.uri.query().unwrap_or_default()),
        ["redirect" | "relative-redirect", count] => redirect(count),
        _ => not_found(),
    }
}

const PATHS: [&str; 18] = [
    "/get",
    "/post",
    "/put",
    "/patch",
    "/delete",
    "/anything",
    "/headers",
    "/ip",
    "/user-agent",
    "/hostname",
    "/status/CODE",
    "/delay/SECONDS",
    "/bytes/N",
    "/stream-bytes/N",
    "/stream/N",
    "/trailers?NAME=VALUE",
    "/response-headers?NAME=VALUE",
    "/redirect/N",
];

fn page(title: &str, content: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head><title>{title}</title></head>\n<body>\n<h1>{title}</h1>\n{content}</body>\n</html>\n"
    )
}

fn not_allowed(allowed: &str) -> Response<Body> {
    let mut response = text(
        StatusCode::METHOD_NOT_ALLOWED,
        format!("this path takes {allowed}\n"),
    );
    if let Ok(allowed) = HeaderValue::from_str(allowed) {
        response.headers_mut().insert(ALLOW, allowed);
    }
    response
}

async fn only(head: &Parts, body: Incoming, method: Method) -> Response<Body> {
    if head.method == method {
        with_body(head, body, false).await
    } else {
        not_allowed(method.as_str())
    }
}

async fn with_body(head: &Parts, body: Incoming, method: bool) -> Response<Body> {
    match read(body, BODY_LIMIT).await {
        Ok(body) => {
            let mut described = echo::request(head);
            echo::add_body(&mut described, head, &body);
            if method {
                described.insert("method".to_owned(), head.method.as_str().into());
            }
            json(StatusCode::OK, &described)
        }
        Err(response) => response,
    }
}

fn status(code: &str) -> Response<Body> {
    match code
        .parse()
        .ok()
        .and_then(|code: u16| StatusCode::from_u16(code).ok())
    {
        // 1xx would be only the beginning of an answer.
        Some(status) if status.as_u16() >= 200 && status.as_u16() < 600 => {
            let mut response = text(status, "");
            response.headers_mut().remove(CONTENT_TYPE);
            if status.is_redirection() {
                response
                    .headers_mut()
                    .insert(LOCATION, HeaderValue::from_static("/get"));
            }
            response
        }
        _ => bad_request("a status is a number from 200 to 599"),
    }
}

fn delay(seconds: &str) -> Option<Duration> {
    let seconds: f64 = seconds.parse().ok()?;
    (0.0..=DELAY)
        .contains(&seconds)
        .then(|| Duration::from_secs_f64(seconds))
}

fn redirect(count: &str) -> Response<Body> {
    let next = match count.parse::<u32>() {
        Ok(1) => "/get".to_owned(),
        Ok(count @ 2..=REDIRECTS) => format!("/redirect/{}", count - 1),
        _ => return bad_request(&format!("there are 1 to {REDIRECTS} redirects")),
    };
    let mut response = text(StatusCode::FOUND, "");
    if let Ok(next) = HeaderValue::from_str(&next) {
        response.headers_mut().insert(LOCATION, next);
    }
    response
}

fn response_headers(query: &str) -> Response<Body> {
    let mut response = answer(StatusCode::OK, "application/json", "");
    let mut described = serde_json::Map::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let (Ok(name), Ok(header)) = (
            HeaderName::try_from(name.as_ref()),
            HeaderValue::try_from(value.as_ref()),
        ) else {
            return bad_request(&format!("{name:?} with {value:?} is not a header"));
        };
        // These say how the message is framed, which is not the caller's to say.
        if [
            "content-length",
            "transfer-encoding",
            "connection",
            "upgrade",
        ]
        .contains(&name.as_str())
        {
            return bad_request(&format!("{name} can't be set here"));
        }
        described.insert(name.to_string(), value.into());
        match name {
            CONTENT_TYPE => drop(response.headers_mut().insert(name, header)),
            name => drop(response.headers_mut().append(name, header)),
        }
    }
    *response.body_mut() = json(StatusCode::OK, &described).into_body();
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_with_the_status_that_was_asked_for() {
        for code in [200, 204, 304, 418, 503, 599] {
            assert_eq!(status(&code.to_string()).status().as_u16(), code);
        }
        for code in ["100", "199", "600", "1000", "x", "", "-1"] {
            assert_eq!(status(code).status(), StatusCode::BAD_REQUEST, "{code:?}");
        }
    }

    #[test]
    fn delays_no_longer_than_it_says() {
        assert_eq!(delay("0.5"), Some(Duration::from_millis(500)));
        for seconds in ["31", "-1", "NaN", "inf", "x", ""] {
            assert_eq!(delay(seconds), None, "{seconds:?}");
        }
    }

    #[test]
    fn redirects_as_often_as_asked_for() {
        assert_eq!(redirect("3").headers()[LOCATION], "/redirect/2");
        assert_eq!(redirect("1").headers()[LOCATION], "/get");
        for count in ["0", "51", "x", "99999999999"] {
            assert_eq!(
                redirect(count).status(),
                StatusCode::BAD_REQUEST,
                "{count:?}"
            );
        }
    }

    #[test]
    fn sets_headers_but_those_that_frame_the_message() {
        let response = response_headers("a=1&a=2&content-type=text/plain&x-b=%C3%A9");
        assert_eq!(response.headers().get_all("a").iter().count(), 2);
        assert_eq!(response.headers()[CONTENT_TYPE], "text/plain");
        for query in [
            "content-length=1",
            "Transfer-Encoding=chunked",
            "a=%0d%0ab",
            "=1",
            "a%20b=1",
        ] {
            assert_eq!(
                response_headers(query).status(),
                StatusCode::BAD_REQUEST,
                "{query:?}"
            );
        }
    }
}
