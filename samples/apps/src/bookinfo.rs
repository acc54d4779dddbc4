//! Bookinfo: a page about a book, made of what four services know.

pub mod details;
mod page;
pub mod productpage;
pub mod ratings;
pub mod reviews;

use serde::{Deserialize, Serialize};

/// The port of all four services.
const PORT: u16 = 9080;
/// The most that is read of another service's answer.
const ANSWER_LIMIT: usize = 1 << 20;

/// The number of a book in a path, if it is one.
fn book(segment: &str) -> Option<i64> {
    segment.parse().ok()
}

/// A book in the list of them.
#[derive(Clone, Copy, Serialize)]
struct Product {
    id: i64,
    title: &'static str,
    #[serde(rename = "descriptionHtml")]
    description_html: &'static str,
}

/// What the service of reviews answers, as far as the page shows it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Reviews {
    podname: Option<String>,
    reviews: Vec<Review>,
}

#[derive(Debug, Deserialize)]
struct Review {
    reviewer: String,
    text: String,
    rating: Option<Rating>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Rating {
    Stars { stars: i64, color: String },
    Missing { error: String },
}
