//! Facts about a book: `/details/ID`. Each number is that of the one book there is.

use super::{PORT, book};
use crate::{
    http::{Body, json, json_error, not_found, segments},
    server::{self, Listen},
};
use hyper::{Response, StatusCode};
use serde::Serialize;
use std::io;

/// The facts. The names of the fields are those of Istio's Bookinfo.
#[derive(Serialize)]
struct Details {
    id: i64,
    author: &'static str,
    year: u16,
    r#type: &'static str,
    pages: u16,
    publisher: &'static str,
    language: &'static str,
    #[serde(rename = "ISBN-10")]
    isbn_10: &'static str,
    #[serde(rename = "ISBN-13")]
    isbn_13: &'static str,
}

/// Serves the details.
pub async fn run(listen: Listen) -> io::Result<()> {
    let listener = listen.bind("details", PORT).await?;
    server::http(listener, |request| {
        let response = answer(request.uri().path());
        async { response }
    })
    .await
}

fn answer(path: &str) -> Response<Body> {
    match segments(path).as_slice() {
        ["health"] => json(
            StatusCode::OK,
            &serde_json::json!({"status": "Details is healthy"}),
        ),
        ["details", id] => match book(id) {
            Some(id) => json(StatusCode::OK, &details(id)),
            None => json_error(StatusCode::BAD_REQUEST, "the id of a book is a number"),
        },
        _ => not_found(),
    }
}

fn details(id: i64) -> Details {
    Details {
        id,
        author: "William Shakespeare",
        year: 1595,
        r#type: "paperback",
        pages: 200,
        publisher: "PublisherA",
        language: "English",
        isbn_10: "1234567890",
        isbn_13: "123-1234567890",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_for_every_number_and_for_nothing_else() {
        for path in ["/details/0", "/details/200", "/health"] {
            assert_eq!(answer(path).status(), StatusCode::OK, "{path}");
        }
        for path in ["/details/x", "/details/99999999999999999999"] {
            assert_eq!(answer(path).status(), StatusCode::BAD_REQUEST, "{path}");
        }
        for path in ["/", "/details/0/1", "/other"] {
            assert_eq!(answer(path).status(), StatusCode::NOT_FOUND, "{path}");
        }
    }

    #[test]
    fn names_the_fields_as_istio_does() {
        let json = serde_json::to_value(details(7)).unwrap();
        let mut names: Vec<_> = json
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        names.sort_unstable();
        assert_eq!(
            names,
            [
                "ISBN-10",
                "ISBN-13",
                "author",
                "id",
                "language",
                "pages",
                "publisher",
                "type",
                "year"
            ]
        );
    }
}
