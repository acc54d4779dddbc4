//! Reviews of a book: `/reviews/ID`. Version v1 has no stars, v2 black ones, v3 red ones;
//! the stars are those of the service of ratings.

use super::{ANSWER_LIMIT, PORT, book};
use crate::{
    client,
    http::{Body, json, json_error, not_found, passed_on, pod, segments},
    server::{self, Listen},
};
use hyper::{HeaderMap, Request, Response, StatusCode, body::Incoming};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, io, sync::Arc, time::Duration};

/// Version, stars, and where ratings are.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    listen: Listen,
    /// The version, which decides on stars where the next two options don't
    #[arg(long, env = "SERVICE_VERSION", default_value = "v1")]
    version: String,
    /// Whether ratings are asked for [default: by version]
    #[arg(long, env = "ENABLE_RATINGS")]
    ratings: Option<bool>,
    /// The colour of stars [default: by version]
    #[arg(long, env = "STAR_COLOR")]
    star_color: Option<String>,
    /// The host of the service of ratings
    #[arg(long, env = "RATINGS_HOSTNAME", default_value = "ratings")]
    ratings_hostname: String,
    /// Its port
    #[arg(long, env = "RATINGS_SERVICE_PORT", default_value_t = PORT)]
    ratings_port: u16,
    /// Asks without the headers of the request, as an application does that breaks traces
    #[arg(long, env = "FORGET_HEADERS")]
    forget_headers: bool,
}

/// The two reviews that there are.
const TEXTS: [(&str, &str); 2] = [
    (
        "Reviewer1",
        "Two pairs of twins, one city and no end of mistakes. I laughed until the last page.",
    ),
    (
        "Reviewer2",
        "Short, quick and very funny, though deeper plays of his wait on the same shelf.",
    ),
];

/// The names of the fields are those of Istio's Bookinfo.
#[derive(Serialize)]
struct Answer {
    id: String,
    podname: String,
    clustername: String,
    reviews: Vec<Review>,
}

#[derive(Serialize)]
struct Review {
    reviewer: &'static str,
    text: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    rating: Option<Rating>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Rating {
    Stars { stars: i64, color: String },
    Missing { error: &'static str },
}

/// What the service of ratings answers.
#[derive(Deserialize)]
struct Ratings {
    ratings: BTreeMap<String, i64>,
}

/// Where the stars come from, and how they look.
struct Stars {
    url: String,
    color: String,
    timeout: Duration,
    /// Whether the headers of a request are not passed on.
    forgets: bool,
}

/// Serves the reviews.
pub async fn run(args: Args) -> io::Result<()> {
    let listener = args.listen.bind("reviews", PORT).await?;
    let stars = Arc::new(stars(args));
    server::http(listener, move |request| answer(request, stars.clone())).await
}

/// The stars of this version, if it has any.
fn stars(args: Args) -> Option<Stars> {
    if !args.ratings.unwrap_or(args.version != "v1") {
        return None;
    }
    let color = args
        .star_color
        .unwrap_or_else(|| if args.version == "v3" { "red" } else { "black" }.to_owned());
    // As in Istio's Bookinfo, so that its exercises with delays come out the same.
    let timeout = Duration::from_millis(if color == "black" { 10_000 } else { 2_500 });
    Some(Stars {
        url: format!(
            "http://{}:{}/ratings",
            args.ratings_hostname, args.ratings_port
        ),
        color,
        timeout,
        forgets: args.forget_headers,
    })
}

async fn answer(request: Request<Incoming>, stars: Arc<Option<Stars>>) -> Response<Body> {
    match segments(request.uri().path()).as_slice() {
        ["health"] => json(
            StatusCode::OK,
            &serde_json::json!({"status": "Reviews is healthy"}),
        ),
        ["reviews", id] => match book(id) {
            Some(id) => {
                let ratings = match stars.as_ref() {
                    Some(stars) => Some((stars, ratings(stars, id, request.headers()).await)),
                    None => None,
                };
                json(
                    StatusCode::OK,
                    &of_book(
                        id,
                        ratings
                            .as_ref()
                            .map(|(stars, ratings)| (*stars, ratings.as_ref())),
                    ),
                )
            }
            None => json_error(StatusCode::BAD_REQUEST, "the id of a book is a number"),
        },
        _ => not_found(),
    }
}

/// Asks for the ratings of a book; an answer that isn't one counts as none.
async fn ratings(stars: &Stars, id: i64, incoming: &HeaderMap) -> Option<Ratings> {
    let url = format!("{}/{id}", stars.url);
    let outgoing = if stars.forgets {
        HeaderMap::new()
    } else {
        passed_on(incoming)
    };
    match client::get(&url, &outgoing, ANSWER_LIMIT, stars.timeout).await {
        Ok((StatusCode::OK, body)) => serde_json::from_slice(&body).ok(),
        Ok((status, _)) => {
            eprintln!("{url} answered {status}");
            None
        }
        Err(error) => {
            eprintln!("{url}: {error}");
            None
        }
    }
}

fn of_book(id: i64, ratings: Option<(&Stars, Option<&Ratings>)>) -> Answer {
    let rating = |reviewer| {
        let (stars, ratings) = ratings?;
        let given = ratings.and_then(|ratings| ratings.ratings.get(reviewer));
        Some(match given {
            Some(&given) => Rating::Stars {
                stars: given,
                color: stars.color.clone(),
            },
            None => Rating::Missing {
                error: "the ratings service is unavailable",
            },
        })
    };
    Answer {
        id: id.to_string(),
        podname: pod(),
        clustername: std::env::var("CLUSTER_NAME").unwrap_or_else(|_| "null".to_owned()),
        reviews: TEXTS
            .map(|(reviewer, text)| Review {
                reviewer,
                text,
                rating: rating(reviewer),
            })
            .into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        args: Args,
    }

    fn stars_of(arguments: &[&str]) -> Option<Stars> {
        stars(Command::parse_from([&["reviews"], arguments].concat()).args)
    }

    #[test]
    fn has_the_stars_of_its_version() {
        assert!(stars_of(&[]).is_none());
        assert_eq!(stars_of(&["--version", "v2"]).unwrap().color, "black");
        assert_eq!(stars_of(&["--version", "v3"]).unwrap().color, "red");
    }

    #[test]
    fn takes_options_before_the_version() {
        assert!(stars_of(&["--version", "v3", "--ratings", "false"]).is_none());
        assert_eq!(
            stars_of(&["--ratings", "true", "--star-color", "blue"])
                .unwrap()
                .color,
            "blue"
        );
    }

    #[test]
    fn shows_stars_or_says_that_there_are_none() {
        let stars = stars_of(&["--version", "v3"]).unwrap();
        let ratings = Ratings {
            ratings: [("Reviewer1".to_owned(), 5)].into(),
        };
        let json = |ratings| serde_json::to_value(of_book(0, ratings)).unwrap();

        let with = json(Some((&stars, Some(&ratings))));
        assert_eq!(with["id"], "0");
        assert_eq!(
            with["reviews"][0]["rating"],
            serde_json::json!({"stars": 5, "color": "red"})
        );
        assert!(with["reviews"][1]["rating"]["error"].is_string());
        assert!(json(Some((&stars, None)))["reviews"][0]["rating"]["error"].is_string());
        assert!(json(None)["reviews"][0].get("rating").is_none());
    }
}
