//! The web page, and the same as JSON under `/api/v1/products`.

use super::{ANSWER_LIMIT, PORT, Product, Reviews, book, page};
use crate::{
    client,
    http::{Body, answer, html, json, json_error, not_found, passed_on, read, segments, text},
    server::{self, Listen},
};
use bytes::Bytes;
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode,
    body::Incoming,
    header::{COOKIE, HeaderValue, LOCATION, SET_COOKIE},
};
use std::{io, sync::Arc, time::Duration};

/// Where the other services are.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    listen: Listen,
    /// The host of the service of details
    #[arg(long, env = "DETAILS_HOSTNAME", default_value = "details")]
    details_hostname: String,
    /// Its port
    #[arg(long, env = "DETAILS_SERVICE_PORT", default_value_t = PORT)]
    details_port: u16,
    /// The host of the service of reviews
    #[arg(long, env = "REVIEWS_HOSTNAME", default_value = "reviews")]
    reviews_hostname: String,
    /// Its port
    #[arg(long, env = "REVIEWS_SERVICE_PORT", default_value_t = PORT)]
    reviews_port: u16,
    /// The host of the service of ratings
    #[arg(long, env = "RATINGS_HOSTNAME", default_value = "ratings")]
    ratings_hostname: String,
    /// Its port
    #[arg(long, env = "RATINGS_SERVICE_PORT", default_value_t = PORT)]
    ratings_port: u16,
    /// What is appended to the three hosts, behind a dot
    #[arg(long, env = "SERVICES_DOMAIN")]
    services_domain: Option<String>,
}

/// How long one request to another service may take. As in Istio's Bookinfo, so that
/// its exercises with delays come out the same.
const TIMEOUT: Duration = Duration::from_secs(3);
/// How often reviews are asked for.
const REVIEWS_ATTEMPTS: u32 = 2;
/// The cookie with the user's name. It is not signed: whoever asks is whom they say.
const COOKIE_NAME: &str = "session";
/// The most bytes of a user's name, and of the form with it.
const USER: usize = 64;
const FORM: usize = 4 << 10;

const PRODUCTS: [Product; 1] = [Product {
    id: 0,
    title: "The Comedy of Errors",
    description_html: "<a href=\"https://en.wikipedia.org/wiki/The_Comedy_of_Errors\">The Comedy of Errors</a> \
        by William Shakespeare is about two pairs of twins who were parted soon after their birth. \
        Years later chance brings all four to the same city, where nobody can tell them apart.",
}];

/// The URLs of the other services, up to the number of the book.
struct Services {
    details: String,
    reviews: String,
    ratings: String,
}

/// An answer of another service, or what to tell the user in its place.
type Fetched = Result<Bytes, (StatusCode, &'static str)>;

/// Serves the page.
pub async fn run(args: Args) -> io::Result<()> {
    let domain = args
        .services_domain
        .filter(|domain| !domain.is_empty())
        .map(|domain| format!(".{domain}"));
    let url = |host: &str, port: u16, path: &str| {
        format!(
            "http://{host}{}:{port}/{path}",
            domain.as_deref().unwrap_or("")
        )
    };
    let services = Arc::new(Services {
        details: url(&args.details_hostname, args.details_port, "details"),
        reviews: url(&args.reviews_hostname, args.reviews_port, "reviews"),
        ratings: url(&args.ratings_hostname, args.ratings_port, "ratings"),
    });
    let listener = args.listen.bind("productpage", PORT).await?;
    server::http(listener, move |request| route(request, services.clone())).await
}

async fn route(request: Request<Incoming>, services: Arc<Services>) -> Response<Body> {
    let (head, body) = request.into_parts();
    let outgoing = outgoing(&head.headers);
    match segments(head.uri.path()).as_slice() {
        ["" | "index.html"] => html(page::index()),
        ["health"] => text(StatusCode::OK, "Product page is healthy\n"),
        ["productpage"] => product_page(&services, &head.headers, &outgoing).await,
        ["login"] if head.method == Method::POST => match read(body, FORM).await {
            Ok(form) => login(&form),
            Err(response) => response,
        },
        ["login"] => redirect(None),
        ["logout"] => redirect(Some(&format!(
            "{COOKIE_NAME}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"
        ))),
        ["api", "v1", "products"] => json(StatusCode::OK, &PRODUCTS),
        ["api", "v1", "products", id, part @ ..] => match (book(id), part) {
            (None, _) => json_error(StatusCode::BAD_REQUEST, "the id of a product is a number"),
            (Some(id), []) => raw(details(&services, id, &outgoing).await),
            (Some(id), ["reviews"]) => raw(reviews(&services, id, &outgoing).await),
            (Some(id), ["ratings"]) => raw(ratings(&services, id, &outgoing).await),
            _ => not_found(),
        },
        _ => not_found(),
    }
}

async fn product_page(
    services: &Services,
    incoming: &HeaderMap,
    outgoing: &HeaderMap,
) -> Response<Body> {
    let [product] = PRODUCTS;
    let (details, reviews) = tokio::join!(
        details(services, product.id, outgoing),
        reviews(services, product.id, outgoing)
    );
    let parsed = reviews.map_err(|(_, message)| message).and_then(|body| {
        serde_json::from_slice::<Reviews>(&body)
            .map_err(|_| "what the reviews service answered can't be read")
    });
    let details = details.map_err(|(_, message)| message).and_then(|body| {
        serde_json::from_slice(&body).map_err(|_| "what the details service answered can't be read")
    });
    html(page::product(
        &product,
        user(incoming).as_deref(),
        &details,
        &parsed,
    ))
}

/// The headers for the other services: the user's name comes from the session alone.
fn outgoing(incoming: &HeaderMap) -> HeaderMap {
    let mut outgoing = passed_on(incoming);
    outgoing.remove("end-user");
    if let Some(user) = user(incoming).and_then(|user| HeaderValue::from_str(&user).ok()) {
        outgoing.insert("end-user", user);
    }
    outgoing
}

/// Who is signed in.
fn user(headers: &HeaderMap) -> Option<String> {
    let cookies = headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let session = cookies
        .flat_map(|value| value.split(';'))
        .find_map(|cookie| {
            let (name, value) = cookie.trim().split_once('=')?;
            (name == COOKIE_NAME).then_some(value)
        })?;
    let (user, _) = form_urlencoded::parse(session.as_bytes()).next()?;
    valid_user(&user).then(|| user.into_owned())
}

/// A name can be sent as a header.
fn valid_user(user: &str) -> bool {
    !user.is_empty()
        && user.len() <= USER
        && user
            .bytes()
            .all(|byte| byte.is_ascii_graphic() || byte == b' ')
}

fn login(form: &[u8]) -> Response<Body> {
    match form_urlencoded::parse(form).find(|(name, _)| name == "username") {
        Some((_, user)) if valid_user(user.trim()) => {
            let user: String = form_urlencoded::byte_serialize(user.trim().as_bytes()).collect();
            redirect(Some(&format!(
                "{COOKIE_NAME}={user}; Path=/; HttpOnly; SameSite=Lax"
            )))
        }
        _ => text(
            StatusCode::BAD_REQUEST,
            format!("username has 1 to {USER} letters, digits and signs of ASCII\n"),
        ),
    }
}

fn redirect(cookie: Option<&str>) -> Response<Body> {
    let mut response = text(StatusCode::FOUND, "");
    response
        .headers_mut()
        .insert(LOCATION, HeaderValue::from_static("/productpage"));
    if let Some(cookie) = cookie.and_then(|cookie| HeaderValue::from_str(cookie).ok()) {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    response
}

fn raw(fetched: Fetched) -> Response<Body> {
    match fetched {
        Ok(body) => answer(StatusCode::OK, "application/json", body),
        Err((status, message)) => json_error(status, message),
    }
}

async fn details(services: &Services, id: i64, headers: &HeaderMap) -> Fetched {
    fetch(
        &services.details,
        id,
        headers,
        1,
        "the details of this book are unavailable",
    )
    .await
}

async fn reviews(services: &Services, id: i64, headers: &HeaderMap) -> Fetched {
    fetch(
        &services.reviews,
        id,
        headers,
        REVIEWS_ATTEMPTS,
        "the reviews of this book are unavailable",
    )
    .await
}

async fn ratings(services: &Services, id: i64, headers: &HeaderMap) -> Fetched {
    fetch(
        &services.ratings,
        id,
        headers,
        1,
        "the ratings of this book are unavailable",
    )
    .await
}

async fn fetch(
    url: &str,
    id: i64,
    headers: &HeaderMap,
    attempts: u32,
    unavailable: &'static str,
) -> Fetched {
    let url = format!("{url}/{id}");
    let mut status = StatusCode::INTERNAL_SERVER_ERROR;
    for _ in 0..attempts {
        match client::get(&url, headers, ANSWER_LIMIT, TIMEOUT).await {
            Ok((StatusCode::OK, body)) => return Ok(body),
            Ok((other, _)) => {
                eprintln!("{url} answered {other}");
                status = other;
            }
            Err(error) => eprintln!("{url}: {error}"),
        }
    }
    Err((status, unavailable))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn signs_in_by_a_form_and_knows_the_user_by_the_cookie() {
        let response = login(b"username=J%C3%B6rg&passwd=");
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
        let response = login(b"passwd=x&username=jason+b%3B");
        assert_eq!(
            (response.status(), &response.headers()[LOCATION]),
            (StatusCode::FOUND, &HeaderValue::from_static("/productpage"))
        );
        let cookie = response.headers()[SET_COOKIE]
            .to_str()
            .unwrap()
            .split(';')
            .next()
            .unwrap()
            .to_owned();
        let mut headers = headers(&[("cookie", "a=b")]);
        headers.append(
            COOKIE,
            HeaderValue::from_str(&format!("c=d; {cookie}")).unwrap(),
        );
        assert_eq!(user(&headers).as_deref(), Some("jason b;"));
        assert_eq!(outgoing(&headers)["end-user"], "jason b;");
    }

    #[test]
    fn believes_no_end_user_but_the_session_s() {
        assert!(
            outgoing(&headers(&[("end-user", "root"), ("x-request-id", "1")]))
                .get("end-user")
                .is_none()
        );
        for cookie in [
            "session=",
            "session",
            "session=a%0d%0ab",
            "other=jason",
            ";;=;",
        ] {
            assert_eq!(user(&headers(&[("cookie", cookie)])), None, "{cookie:?}");
        }
    }

    #[test]
    fn lists_the_products_with_istio_s_fields() {
        let json = serde_json::to_value(PRODUCTS).unwrap();
        assert_eq!(json[0]["id"], 0);
        assert_eq!(json[0]["title"], "The Comedy of Errors");
        assert!(json[0]["descriptionHtml"].is_string());
    }
}
