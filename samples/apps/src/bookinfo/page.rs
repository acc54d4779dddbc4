//! The page itself. Whatever comes from elsewhere is escaped.

use super::{Product, Rating, Review, Reviews};
use serde_json::{Map, Value};
use std::fmt::Write;

/// The most stars that are drawn.
const STARS: i64 = 5;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;margin:0;color:#223}\
header{background:#24415f;color:#fff;padding:.6rem 1.5rem;display:flex;justify-content:space-between;align-items:center}\
header form{display:flex;gap:.5rem;margin:0}main{max-width:60rem;margin:auto;padding:1rem 1.5rem}\
.columns{display:flex;flex-wrap:wrap;gap:2rem}.columns section{flex:1 1 20rem}\
th{text-align:left;padding-right:1rem;font-weight:600}blockquote{margin:0 0 1rem;padding-left:1rem;border-left:3px solid #9ab}\
.stars{font-size:1.3em;letter-spacing:.1em}.unavailable{color:#a30}small{color:#678}";

/// The text with `&`, `<`, `>` and quotes written as entities.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

fn document(header: &str, main: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>Simple Bookstore App</title>\n<style>{STYLE}</style>\n</head>\n<body>\n\
         <header>\n<strong>Bookinfo</strong>\n{header}\n</header>\n<main>\n{main}</main>\n</body>\n</html>\n"
    )
}

/// What there is to look at.
pub fn index() -> String {
    let links = [
        ("/productpage", "the page of the book"),
        ("/api/v1/products", "the books, as JSON"),
        ("/api/v1/products/0", "details of the book"),
        ("/api/v1/products/0/reviews", "its reviews"),
        ("/api/v1/products/0/ratings", "its ratings"),
        ("/health", "whether this page is healthy"),
    ];
    let mut main = String::from("<h1>A page made by four services</h1>\n<ul>\n");
    for (path, what) in links {
        let _ = writeln!(main, "<li><a href=\"{path}\">{path}</a>: {what}</li>");
    }
    main.push_str("</ul>\n");
    document("", &main)
}

/// The page of a book. What is missing is said in its place.
pub fn product(
    product: &Product,
    user: Option<&str>,
    details: &Result<Map<String, Value>, &'static str>,
    reviews: &Result<Reviews, &'static str>,
) -> String {
    let header = match user {
        Some(user) => format!("<span>{} (<a href=\"/logout\" style=\"color:inherit\">sign out</a>)</span>", escaped(user)),
        None => "<form method=\"post\" action=\"/login\">\
                 <input name=\"username\" placeholder=\"user\" aria-label=\"user\" required maxlength=\"64\">\
                 <input name=\"passwd\" type=\"password\" placeholder=\"password\" aria-label=\"password\">\
                 <button>Sign in</button></form>"
            .to_owned(),
    };
    let mut main = format!(
        "<h1>{}</h1>\n<p>{}</p>\n<div class=\"columns\">\n",
        escaped(product.title),
        product.description_html
    );
    main.push_str("<section>\n<h2>Book Details</h2>\n");
    match details {
        Ok(details) => main.push_str(&table(details)),
        Err(message) => main.push_str(&unavailable(message)),
    }
    main.push_str("</section>\n<section>\n<h2>Book Reviews</h2>\n");
    match reviews {
        Ok(reviews) => main.push_str(&list(reviews)),
        Err(message) => main.push_str(&unavailable(message)),
    }
    main.push_str("</section>\n</div>\n");
    document(&header, &main)
}

fn unavailable(message: &str) -> String {
    format!(
        "<p class=\"unavailable\">Sorry, {}.</p>\n",
        escaped(message)
    )
}

fn table(details: &Map<String, Value>) -> String {
    let rows = [
        ("author", "Author"),
        ("year", "Year"),
        ("type", "Type"),
        ("pages", "Pages"),
        ("publisher", "Publisher"),
        ("language", "Language"),
        ("ISBN-10", "ISBN-10"),
        ("ISBN-13", "ISBN-13"),
    ];
    let mut table = String::from("<table>\n");
    for (field, name) in rows {
        let value = match details.get(field) {
            Some(Value::String(text)) => escaped(text),
            Some(other) => escaped(&other.to_string()),
            None => continue,
        };
        let _ = writeln!(table, "<tr><th>{name}</th><td>{value}</td></tr>");
    }
    table.push_str("</table>\n");
    table
}

fn list(reviews: &Reviews) -> String {
    let mut list = String::new();
    for review in &reviews.reviews {
        let Review {
            reviewer,
            text,
            rating,
        } = review;
        let _ = write!(
            list,
            "<blockquote>\n<p>{}</p>\n<small>{}</small>\n",
            escaped(text),
            escaped(reviewer)
        );
        match rating {
            Some(Rating::Stars { stars, color }) => list.push_str(&drawn(*stars, color)),
            Some(Rating::Missing { error }) => list.push_str(&unavailable(error)),
            None => {}
        }
        list.push_str("</blockquote>\n");
    }
    if let Some(pod) = &reviews.podname {
        let _ = writeln!(
            list,
            "<p><small>Reviews served by <span id=\"reviews-pod\">{}</span></small></p>",
            escaped(pod)
        );
    }
    list
}

/// Full stars and empty ones. A colour is a word; anything else is left out.
fn drawn(stars: i64, color: &str) -> String {
    let stars = stars.clamp(0, STARS);
    let color = if color.len() <= 32 && color.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        color
    } else {
        "inherit"
    };
    let full = "★".repeat(usize::try_from(stars).unwrap_or(0));
    let empty = "☆".repeat(usize::try_from(STARS - stars).unwrap_or(0));
    format!(
        "<p class=\"stars\" style=\"color:{color}\" title=\"{stars} of {STARS} stars\">{full}{empty}</p>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOOK: Product = Product {
        id: 0,
        title: "A & B",
        description_html: "<b>c</b>",
    };

    fn page(details: &str, reviews: &str) -> String {
        product(
            &BOOK,
            None,
            &Ok(serde_json::from_str(details).unwrap()),
            &Ok(serde_json::from_str(reviews).unwrap()),
        )
    }

    #[test]
    fn has_the_title_that_the_walk_through_looks_for() {
        assert!(page("{}", "{}").contains("<title>Simple Bookstore App</title>"));
        assert!(index().contains("<title>Simple Bookstore App</title>"));
    }

    #[test]
    fn draws_stars_in_the_colour_of_the_reviews() {
        let page = page(
            r#"{"author": "William Shakespeare", "year": 1595}"#,
            r#"{"podname": "reviews-v3-x", "reviews": [{"reviewer": "a", "text": "b", "rating": {"stars": 4, "color": "red"}}]}"#,
        );
        assert!(page.contains("<td>William Shakespeare</td>") && page.contains("<td>1595</td>"));
        assert!(
            page.contains("style=\"color:red\" title=\"4 of 5 stars\">★★★★☆</p>"),
            "{page}"
        );
        assert!(page.contains("reviews-v3-x"));
    }

    #[test]
    fn draws_no_stars_for_v1() {
        assert!(!page("{}", r#"{"reviews": [{"reviewer": "a", "text": "b"}]}"#).contains('★'));
    }

    #[test]
    fn says_what_is_missing() {
        let page = product(
            &BOOK,
            Some("jason"),
            &Err("the details are unavailable"),
            &Err("the reviews are unavailable"),
        );
        assert!(
            page.contains("Sorry, the details are unavailable.")
                && page.contains("Sorry, the reviews are unavailable.")
        );
        let page = self::page(
            "{}",
            r#"{"reviews": [{"reviewer": "a", "text": "b", "rating": {"error": "no ratings"}}]}"#,
        );
        assert!(page.contains("Sorry, no ratings."));
    }

    #[test]
    fn escapes_whatever_comes_from_elsewhere() {
        let page = page(
            r#"{"author": "<script>"}"#,
            r#"{"podname": "<i>", "reviews": [{"reviewer": "<script>", "text": "\"><script>",
               "rating": {"stars": 999999999999, "color": "red\"><script>"}}]}"#,
        );
        assert!(!page.contains("<script>") && !page.contains("<i>"));
        assert!(page.contains("★★★★★</p>"));
        let page = product(&BOOK, Some("<script>"), &Err(""), &Err(""));
        assert!(page.contains("&lt;script&gt;") && !page.contains("<script>"));
    }
}
