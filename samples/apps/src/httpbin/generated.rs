//! Bodies that are made while they are sent, so that a large one needs no memory.

use crate::http::{Body, answer, bad_request};
use bytes::Bytes;
use http_body_util::{BodyExt, channel::Channel};
use hyper::{
    HeaderMap, Response, StatusCode,
    header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, TRAILER},
};
use serde_json::{Map, Value};

/// The most bytes of a body, and the most lines.
const BYTES: u64 = 10 << 30;
const LINES: u64 = 1000;
/// The bytes that are sent at a time.
const PIECE: usize = 64 << 10;

/// N bytes, with their number in the head.
pub fn bytes(count: &str) -> Response<Body> {
    let Some(count) = byte_count(count) else {
        return too_many_bytes();
    };
    let mut response = streamed(count);
    response.headers_mut().insert(CONTENT_LENGTH, count.into());
    response
}

/// N bytes, in chunks.
pub fn stream_bytes(count: &str) -> Response<Body> {
    byte_count(count).map_or_else(too_many_bytes, streamed)
}

fn byte_count(count: &str) -> Option<u64> {
    count.parse().ok().filter(|count| *count <= BYTES)
}

fn too_many_bytes() -> Response<Body> {
    bad_request(&format!("there are 0 to {BYTES} bytes"))
}

fn streamed(count: u64) -> Response<Body> {
    let (mut sender, body) = Channel::<Bytes>::new(1);
    tokio::spawn(async move {
        let piece = Bytes::from(pattern(PIECE));
        let mut left = count;
        while left > 0 {
            let length = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
            // The caller has gone.
            if sender.send_data(piece.slice(..length)).await.is_err() {
                return;
            }
            left -= length as u64;
        }
    });
    let mut response = answer(StatusCode::OK, "application/octet-stream", "");
    *response.body_mut() = body.boxed_unsync();
    response
}

/// The same bytes each time, none like its neighbours.
fn pattern(length: usize) -> Vec<u8> {
    (0..length)
        .map(|index| u8::try_from(index % 251).unwrap_or(0))
        .collect()
}

/// N lines of JSON, each a chunk.
pub fn stream(count: &str, mut described: Map<String, Value>) -> Response<Body> {
    let Some(count) = count.parse::<u64>().ok().filter(|count| *count <= LINES) else {
        return bad_request(&format!("there are 0 to {LINES} lines"));
    };
    let (mut sender, body) = Channel::<Bytes>::new(1);
    tokio::spawn(async move {
        for id in 0..count {
            described.insert("id".to_owned(), id.into());
            let Ok(mut line) = serde_json::to_vec(&described) else {
                return;
            };
            line.push(b'\n');
            if sender.send_data(line.into()).await.is_err() {
                return;
            }
        }
    });
    let mut response = answer(StatusCode::OK, "application/json", "");
    *response.body_mut() = body.boxed_unsync();
    response
}

/// A short body with these trailers.
pub fn trailers(query: &str) -> Response<Body> {
    let mut trailers = HeaderMap::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match (
            HeaderName::try_from(name.as_ref()),
            HeaderValue::try_from(value.as_ref()),
        ) {
            (Ok(name), Ok(value)) => drop(trailers.append(name, value)),
            _ => return bad_request(&format!("{name:?} with {value:?} is not a trailer")),
        }
    }
    let names: Vec<_> = trailers.keys().map(HeaderName::as_str).collect();
    let names = HeaderValue::from_str(&names.join(", "));
    let (mut sender, body) = Channel::<Bytes>::new(2);
    tokio::spawn(async move {
        if sender
            .send_data(Bytes::from_static(b"trailers follow\n"))
            .await
            .is_ok()
        {
            // Nobody waits for them if this fails.
            let _ = sender.send_trailers(trailers).await;
        }
    });
    let mut response = Response::new(body.boxed_unsync());
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    if let Ok(names) = names {
        response.headers_mut().insert(TRAILER, names);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn whole(response: Response<Body>) -> (Bytes, Option<HeaderMap>) {
        let collected = response.into_body().collect().await.unwrap();
        let trailers = collected.trailers().cloned();
        (collected.to_bytes(), trailers)
    }

    #[tokio::test]
    async fn sends_as_many_bytes_as_asked_for() {
        let response = bytes("200000");
        assert_eq!(response.headers()[CONTENT_LENGTH], "200000");
        assert_eq!(whole(response).await.0.len(), 200_000);
        assert_eq!(whole(stream_bytes("0")).await.0.len(), 0);
        for count in ["-1", "x", "", "10737418241", "99999999999999999999999"] {
            assert_eq!(bytes(count).status(), StatusCode::BAD_REQUEST, "{count:?}");
        }
    }

    #[tokio::test]
    async fn sends_a_line_for_each_of_a_stream() {
        let (body, _) = whole(stream("3", Map::new())).await;
        assert_eq!(body, "{\"id\":0}\n{\"id\":1}\n{\"id\":2}\n");
        assert_eq!(stream("1001", Map::new()).status(), StatusCode::BAD_REQUEST);
    }

    #[tokio::test]
    async fn sends_the_trailers_that_it_announced() {
        let response = trailers("x-a=1&x-b=2");
        assert_eq!(response.headers()[TRAILER], "x-a, x-b");
        let (body, trailers) = whole(response).await;
        assert_eq!(body, "trailers follow\n");
        assert_eq!(trailers.unwrap()["x-b"], "2");
        assert_eq!(super::trailers("a%20b=1").status(), StatusCode::BAD_REQUEST);
    }
}
