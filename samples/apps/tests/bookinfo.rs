//! The four services of Bookinfo on loopback, and the page that they make together.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod support;

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    thread,
};

use support::{App, json, output};

/// All four, with reviews of one version.
struct Bookinfo {
    productpage: App,
    reviews: App,
    ratings: App,
    _details: App,
}

impl Bookinfo {
    fn start(version: &str) -> Self {
        let details = App::start(&["details"], &[]);
        let ratings = App::start(&["ratings"], &[]);
        let ratings_port = ratings.port.to_string();
        let reviews = App::start(
            &["reviews"],
            &[
                ("SERVICE_VERSION", version),
                ("RATINGS_HOSTNAME", "127.0.0.1"),
                ("RATINGS_SERVICE_PORT", &ratings_port),
            ],
        );
        let productpage = App::start(
            &["productpage"],
            &[
                ("DETAILS_HOSTNAME", "127.0.0.1"),
                ("DETAILS_SERVICE_PORT", &details.port.to_string()),
                ("REVIEWS_HOSTNAME", "127.0.0.1"),
                ("REVIEWS_SERVICE_PORT", &reviews.port.to_string()),
                ("RATINGS_HOSTNAME", "127.0.0.1"),
                ("RATINGS_SERVICE_PORT", &ratings_port),
            ],
        );
        Self {
            productpage,
            reviews,
            ratings,
            _details: details,
        }
    }

    fn page(&self) -> String {
        output(&["curl", "-sS", "-f", &self.productpage.url("/productpage")])
    }
}

#[test]
fn shows_the_stars_of_the_version_of_reviews() {
    for (version, color) in [("v1", None), ("v2", Some("black")), ("v3", Some("red"))] {
        let page = Bookinfo::start(version).page();
        assert!(
            page.contains("<title>Simple Bookstore App</title>"),
            "{page}"
        );
        assert!(
            page.contains("<td>William Shakespeare</td>") && page.contains("reviews-pod"),
            "{page}"
        );
        match color {
            Some(color) => {
                assert!(
                    page.contains(&format!(
                        "style=\"color:{color}\" title=\"5 of 5 stars\">★★★★★</p>"
                    )),
                    "{page}"
                );
                assert!(page.contains("★★★★☆"), "{page}");
            }
            None => assert!(!page.contains('★'), "{page}"),
        }
    }
}

#[test]
fn answers_the_api_with_json() {
    let bookinfo = Bookinfo::start("v2");
    let get = |path: &str| json(&["curl", "-sS", "-f", &bookinfo.productpage.url(path)]);
    assert_eq!(get("/api/v1/products")[0]["title"], "The Comedy of Errors");
    assert_eq!(get("/api/v1/products/0")["author"], "William Shakespeare");
    assert_eq!(get("/api/v1/products/0/ratings")["ratings"]["Reviewer1"], 5);
    let reviews = get("/api/v1/products/0/reviews");
    assert_eq!(reviews["podname"], "reviews-pod");
    assert_eq!(
        reviews["reviews"][1]["rating"],
        serde_json::json!({"stars": 4, "color": "black"})
    );

    let head = output(&[
        "curl",
        "-sS",
        "-I",
        &bookinfo.productpage.url("/api/v1/products/200"),
    ]);
    assert!(
        head.starts_with("HTTP/1.1 200 OK\r\n")
            && head.contains("content-type: application/json\r\n"),
        "{head}"
    );
    let code = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}"];
    for (path, expected) in [
        ("/api/v1/products/x", "400"),
        ("/api/v1/products/0/x", "404"),
        ("/health", "200"),
        ("/", "200"),
    ] {
        assert_eq!(
            output(&[&code[..], &[&bookinfo.productpage.url(path)]].concat()),
            expected,
            "{path}"
        );
    }
}

#[test]
fn shows_ratings_that_were_set() {
    let bookinfo = Bookinfo::start("v3");
    json(&[
        "curl",
        "-sS",
        "-f",
        "-d",
        r#"{"Reviewer1": 1, "Reviewer2": 0}"#,
        &bookinfo.ratings.url("/ratings/0"),
    ]);
    let page = bookinfo.page();
    assert!(page.contains("★☆☆☆☆") && page.contains("☆☆☆☆☆"), "{page}");
}

#[test]
fn says_on_the_page_what_is_missing() {
    let bookinfo = Bookinfo::start("v2");
    let Bookinfo {
        productpage,
        reviews,
        ratings,
        _details,
    } = bookinfo;
    assert!(ratings.terminate().success());
    let page = output(&["curl", "-sS", "-f", &productpage.url("/productpage")]);
    assert!(
        page.contains("the ratings service is unavailable") && page.contains("Reviewer1"),
        "{page}"
    );
    assert!(reviews.terminate().success());
    let page = output(&["curl", "-sS", "-f", &productpage.url("/productpage")]);
    assert!(
        page.contains("Sorry, the reviews of this book are unavailable."),
        "{page}"
    );
    assert!(page.contains("<td>William Shakespeare</td>"), "{page}");
}

#[test]
fn passes_tracing_headers_and_the_signed_in_user_to_the_services() {
    // httpbin stands where details is asked for, and says what it was sent.
    let httpbin = App::start(&["httpbin"], &[]);
    let echo = format!("127.0.0.1:{}/anything?", httpbin.port);
    // The host with a path keeps the port that follows out of the way.
    let productpage = App::start(&["productpage", "--details-hostname", &echo], &[]);
    let described = json(&[
        "curl",
        "-sS",
        "-f",
        "-b",
        "session=jason",
        "-H",
        "x-request-id: 7",
        "-H",
        "x-b3-traceid: 8",
        "-H",
        "traceparent: 9",
        "-H",
        "end-user: root",
        "-H",
        "x-private: 1",
        &productpage.url("/api/v1/products/0"),
    ]);
    let headers = &described["headers"];
    for (name, value) in [
        ("X-Request-Id", "7"),
        ("X-B3-Traceid", "8"),
        ("Traceparent", "9"),
        ("End-User", "jason"),
        ("Cookie", "session=jason"),
    ] {
        assert_eq!(headers[name], value, "{name} in {headers}");
    }
    assert!(headers.get("X-Private").is_none(), "{headers}");
}

/// The head of the request for ratings that reviews sends on behalf of one with a header.
fn asked_of_ratings(more: &[(&str, &str)]) -> String {
    let ratings = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = ratings.local_addr().unwrap().port().to_string();
    let asked = thread::spawn(move || {
        let (mut stream, _) = ratings.accept().unwrap();
        let mut head = String::new();
        for line in BufReader::new(stream.try_clone().unwrap()).lines() {
            let line = line.unwrap();
            if line.is_empty() {
                break;
            }
            head.push_str(&line);
            head.push('\n');
        }
        stream
            .write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")
            .unwrap();
        head
    });
    let environment = [
        ("SERVICE_VERSION", "v2"),
        ("RATINGS_HOSTNAME", "127.0.0.1"),
        ("RATINGS_SERVICE_PORT", &port),
    ];
    let reviews = App::start(&["reviews"], &[&environment[..], more].concat());
    let url = reviews.url("/reviews/0");
    output(&["curl", "-sS", "-f", "-H", "b3: 1", &url]);
    asked.join().unwrap()
}

#[test]
fn reviews_pass_headers_on_unless_told_to_forget_them() {
    let head = asked_of_ratings(&[]);
    assert!(head.contains("\nb3: 1\n"), "{head}");
    let head = asked_of_ratings(&[("FORGET_HEADERS", "true")]);
    assert!(
        head.starts_with("GET /ratings/0 ") && !head.contains("b3"),
        "{head}"
    );
}

#[test]
fn signs_in_and_out() {
    let productpage = App::start(&["productpage"], &[]);
    let head = output(&[
        "curl",
        "-sS",
        "-i",
        "-d",
        "username=jason&passwd=",
        &productpage.url("/login"),
    ]);
    assert!(
        head.contains("302")
            && head.contains("location: /productpage")
            && head.contains("set-cookie: session=jason;"),
        "{head}"
    );
    let head = output(&["curl", "-sS", "-I", &productpage.url("/logout")]);
    assert!(
        head.contains("set-cookie: session=; Path=/; Max-Age=0"),
        "{head}"
    );
}
