//! Numbers of stars: `/ratings/ID`, to be read and to be set.

use super::{PORT, book};
use crate::{
    http::{Body, json, json_error, not_found, read, segments},
    server::{self, Listen},
};
use hyper::{Method, Request, Response, StatusCode, body::Incoming};
use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, PoisonError},
};

/// Stars by reviewer.
type Stars = BTreeMap<String, u8>;
/// What was set, by book.
type Set = Arc<Mutex<BTreeMap<i64, Stars>>>;

/// The most books and the most reviewers of a book that are remembered.
const REMEMBERED: usize = 100;
/// The most bytes of a request that sets ratings.
const BODY: usize = 16 << 10;

/// Serves the ratings.
pub async fn run(listen: Listen) -> io::Result<()> {
    let listener = listen.bind("ratings", PORT).await?;
    let set = Set::default();
    server::http(listener, move |request| answer(request, set.clone())).await
}

async fn answer(request: Request<Incoming>, set: Set) -> Response<Body> {
    let (head, body) = request.into_parts();
    match (&head.method, segments(head.uri.path()).as_slice()) {
        (_, ["health"]) => json(
            StatusCode::OK,
            &serde_json::json!({"status": "Ratings is healthy"}),
        ),
        (method, ["ratings", id]) => match (book(id), method) {
            (None, _) => json_error(StatusCode::BAD_REQUEST, "the id of a book is a number"),
            (Some(id), &Method::POST) => match read(body, BODY).await {
                Ok(body) => remember(id, &body, &set),
                Err(response) => response,
            },
            (Some(id), &Method::GET | &Method::HEAD) => {
                let set = set.lock().unwrap_or_else(PoisonError::into_inner);
                of_book(id, &set.get(&id).cloned().unwrap_or_else(first))
            }
            (Some(_), _) => json_error(
                StatusCode::METHOD_NOT_ALLOWED,
                "ratings are read with GET and set with POST",
            ),
        },
        _ => not_found(),
    }
}

/// The ratings of a book for which none were set.
fn first() -> Stars {
    [("Reviewer1", 5), ("Reviewer2", 4)]
        .map(|(reviewer, stars)| (reviewer.to_owned(), stars))
        .into()
}

fn of_book(id: i64, ratings: &Stars) -> Response<Body> {
    json(
        StatusCode::OK,
        &serde_json::json!({"id": id, "ratings": ratings}),
    )
}

fn remember(id: i64, body: &[u8], set: &Set) -> Response<Body> {
    let wanted = match serde_json::from_slice::<Stars>(body) {
        Ok(wanted) if wanted.len() <= REMEMBERED && wanted.values().all(|stars| *stars <= 5) => {
            wanted
        }
        _ => {
            let usage =
                "ratings are a JSON object of reviewers with 0 to 5 stars: {\"Reviewer1\": 5}";
            return json_error(StatusCode::BAD_REQUEST, usage);
        }
    };
    let mut set = set.lock().unwrap_or_else(PoisonError::into_inner);
    if set.len() >= REMEMBERED && !set.contains_key(&id) {
        return json_error(
            StatusCode::INSUFFICIENT_STORAGE,
            "ratings of too many books are remembered already",
        );
    }
    let response = of_book(id, &wanted);
    set.insert(id, wanted);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembers_ratings_that_are_ratings() {
        let set = Set::default();
        assert_eq!(
            remember(0, br#"{"Reviewer1": 1}"#, &set).status(),
            StatusCode::OK
        );
        assert_eq!(
            set.lock().unwrap()[&0],
            Stars::from([("Reviewer1".to_owned(), 1)])
        );
        for body in [
            "",
            "[]",
            "{\"a\": 6}",
            "{\"a\": -1}",
            "{\"a\": \"5\"}",
            "\u{0}",
        ] {
            assert_eq!(
                remember(0, body.as_bytes(), &set).status(),
                StatusCode::BAD_REQUEST,
                "{body:?}"
            );
        }
    }

    #[test]
    fn forgets_nothing_and_remembers_only_so_much() {
        let set = Set::default();
        for id in 0..REMEMBERED as i64 {
            assert_eq!(remember(id, b"{}", &set).status(), StatusCode::OK);
        }
        assert_eq!(
            remember(-1, b"{}", &set).status(),
            StatusCode::INSUFFICIENT_STORAGE
        );
        assert_eq!(remember(0, br#"{"a": 5}"#, &set).status(), StatusCode::OK);
    }
}
