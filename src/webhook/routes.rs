//! The webhook's HTTP routes: from a request to the bytes of a review, and to the response.

use std::{sync::Arc, time::Instant};

use super::{
    path_env,
    review::{self, Context, ReviewResponse},
    shared::Webhook,
};
use crate::{
    metrics::{Failure, Overload, ReviewOutcome},
    reviews::{
        body::{self, Unread},
        pool::Unfinished,
        response_body,
    },
};
use axum::{
    Router,
    body::Body,
    extract::{Extension, Path, Request, State, rejection::PathRejection},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
    routing::post,
};
use memchr::memmem;
use pillion_inject::PROXY_CONFIG;
use pillion_serve::{Full, Peer, Phase, Room};

/// Bodies up to this length may be processed on the thread that read them.
const INLINE_BYTES: usize = 8 * 1024;

/// The webhook's paths.
pub(super) fn router(webhook: Arc<Webhook>) -> Router {
    Router::new()
        .route("/inject", post(bare))
        .route("/inject/", post(bare))
        .route("/inject/{*path}", post(with_path))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(webhook)
}

async fn bare(
    State(webhook): State<Arc<Webhook>>,
    Extension(peer): Extension<Peer>,
    request: Request,
) -> Response {
    webhook.inject("", peer, request).await
}

async fn with_path(
    State(webhook): State<Arc<Webhook>>,
    Extension(peer): Extension<Peer>,
    path: Result<Path<String>, PathRejection>,
    request: Request,
) -> Response {
    match path {
        Ok(Path(path)) => webhook.inject(&path, peer, request).await,
        Err(error) => webhook.reject(400, Failure::BadPath, error.body_text(), &peer),
    }
}

async fn not_found(
    State(webhook): State<Arc<Webhook>>,
    Extension(peer): Extension<Peer>,
) -> Response {
    let text = "not found: send reviews to /inject or /inject/KEY/VALUE/...";
    webhook.reject(404, Failure::BadPath, text, &peer)
}

async fn method_not_allowed(
    State(webhook): State<Arc<Webhook>>,
    Extension(peer): Extension<Peer>,
) -> Response {
    webhook.reject(
        405,
        Failure::BadMethod,
        "method not allowed: send reviews with POST",
        &peer,
    )
}

impl Webhook {
    async fn inject(&self, path: &str, peer: Peer, request: Request) -> Response {
        let begun = Instant::now();
        let response = self.process(path, &peer, request).await;
        self.respond(response, begun, &peer)
    }

    /// Rejects a request that is not a review according to its headers.
    fn reject(
        &self,
        code: u16,
        reason: Failure,
        message: impl Into<String>,
        peer: &Peer,
    ) -> Response {
        self.respond(failed(code, reason, message), Instant::now(), peer)
    }

    fn respond(&self, response: ReviewResponse, begun: Instant, peer: &Peer) -> Response {
        let budgets = [peer.budget(), &self.budget];
        let (response, room) = match Room::of(budgets, response.body.len()) {
            Ok(room) => (response, room),
            Err(Full) => {
                self.metrics.overloaded(Overload::Bytes);
                let subject = response.subject;
                let response = overload("too many responses that callers have not read yet");
                (
                    ReviewResponse {
                        subject,
                        ..response
                    },
                    Room::default(),
                )
            }
        };
        let took = begun.elapsed();
        if !matches!(response.outcome, ReviewOutcome::Failed(_)) {
            peer.record_useful();
        }
        self.metrics.review(response.outcome, took);
        self.metrics.bypasses(&response.bypasses);
        self.log.review(&response, took, peer.address());
        let body = response_body::body(response.body, room, peer.response());
        http_response(response.http_status, body)
    }

    async fn process(&self, path: &str, peer: &Peer, request: Request) -> ReviewResponse {
        let in_flight = self.reviews.try_acquire();
        let unknown = (!peer.is_known()).then(|| self.reviews_of_unknown.try_acquire());
        if in_flight.is_err() || matches!(unknown, Some(Err(_))) {
            self.metrics.overloaded(Overload::Reviews);
            return overload("too many reviews at once");
        };
        let _in_flight = self.metrics.in_flight();
        let Ok(_of_caller) = peer.requests().try_acquire() else {
            self.metrics.overloaded(Overload::Caller);
            return overload("too many reviews at once from your address");
        };
        let env = match path_env::parse(path) {
            Ok(env) => env,
            Err(error) => return failed(400, Failure::BadPath, error.to_string()),
        };
        if !is_json(request.headers()) {
            let text = "the Content-Type of a review must be application/json";
            return failed(415, Failure::ContentType, text);
        }
        let budgets = [peer.budget(), &self.budget];
        let body = match body::collect(request.into_body(), budgets, &self.limits).await {
            Ok(body) => body,
            Err(unread) => return self.unread(unread),
        };
        let (bytes, active, inject) = (
            body.bytes.clone(),
            Arc::clone(&self.active_config),
            self.inject,
        );
        let work = move || {
            // Loaded as late as possible, so that the review uses the newest configuration.
            let config = active.config();
            let Some(config) = config.as_ref() else {
                return failed(500, Failure::NoConfiguration, NO_CONFIGURATION);
            };
            let context = Context {
                config,
                cluster_has_native_sidecars: active.native_sidecars(),
                path_env: &env,
            };
            review::review_with(&bytes, &context, inject)
        };
        if is_cheap(&body.bytes) {
            return work();
        }
        let caller = peer.caller();
        match self.pool.run(caller, self.limits.work, work).await {
            Ok(response) => response,
            Err(unfinished) => self.unfinished(&unfinished),
        }
    }

    fn unfinished(&self, unfinished: &Unfinished) -> ReviewResponse {
        match unfinished {
            Unfinished::Late => {
                self.metrics.overloaded(Overload::Work);
                overload("too many large reviews at once")
            }
            Unfinished::Panicked => failed(500, Failure::Panic, review::PANICKED),
        }
    }

    fn unread(&self, unread: Unread) -> ReviewResponse {
        match unread {
            Unread::TooLong(_) => failed(
                413,
                Failure::TooLarge,
                format!("the body is longer than {} bytes", self.limits.body_bytes),
            ),
            Unread::TooSlow => {
                self.metrics.port().timed_out(Phase::Body);
                let seconds = self.limits.body.as_secs_f32();
                failed(
                    408,
                    Failure::BodyTimeout,
                    format!("the body did not arrive within {seconds} s"),
                )
            }
            Unread::Overload => {
                self.metrics.overloaded(Overload::Bytes);
                overload("too many large reviews at once")
            }
            Unread::Broken(error) => failed(
                400,
                Failure::BodyBroken,
                format!("the body is incomplete: {error}"),
            ),
        }
    }
}

/// Not sent as a 503 with `Retry-After`: the API server would retry until its timeout, and
/// report only the timeout to the user.
const NO_CONFIGURATION: &str = "the injector has no configuration: its ConfigMaps istio-sidecar-injector and istio are \
     missing or invalid; see the injector's log and the Events on the ConfigMaps";

fn failed(code: u16, reason: Failure, message: impl Into<String>) -> ReviewResponse {
    ReviewResponse::http_error(code, ReviewOutcome::Failed(reason), message.into())
}

fn overload(message: &str) -> ReviewResponse {
    failed(503, Failure::Overload, message)
}

/// Whether processing a body takes less than a millisecond, whatever it contains. Using
/// another thread would make a typical review a tenth slower.
///
/// Only YAML takes longer: tens of milliseconds for 8 KiB. Only one annotation contains
/// YAML, and its name is in the body either literally or with a `\\u` escape.
fn is_cheap(body: &[u8]) -> bool {
    let has = |text: &str| memmem::find(body, text.as_bytes()).is_some();
    body.len() <= INLINE_BYTES && !has(PROXY_CONFIG) && !has("\\u")
}

/// Whether the Content-Type is JSON, with any charset: JSON has only one.
fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(header::CONTENT_TYPE) else {
        return false;
    };
    let bytes = value.as_bytes();
    let essence = bytes.split(|byte| *byte == b';').next().unwrap_or_default();
    essence
        .trim_ascii()
        .eq_ignore_ascii_case(b"application/json")
}

fn http_response(code: u16, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() =
        StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    if code == 503 {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(content_type: &'static str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        is_json(&headers)
    }

    #[test]
    fn accepts_json_with_any_parameter() {
        for accepted in [
            "application/json",
            "Application/JSON",
            "application/json; charset=utf-8",
            "application/json;charset=UTF-8",
        ] {
            assert!(says(accepted), "{accepted}");
        }
    }

    #[test]
    fn yaml_is_not_cheap_however_its_annotation_is_written() {
        assert!(is_cheap(br#"{"metadata": {"annotations": {"a": "b"}}}"#));
        assert!(!is_cheap(br#"{"proxy.istio.io/config": ""}"#));
        assert!(!is_cheap(br#"{"pr\u006fxy.istio.io/config": ""}"#));
        assert!(!is_cheap(&[b' '; INLINE_BYTES + 1]));
    }

    #[test]
    fn rejects_other_content_types() {
        for rejected in [
            "text/plain",
            "application/json-patch+json",
            "application/jsonx",
            "",
        ] {
            assert!(!says(rejected), "{rejected}");
        }
        assert!(!is_json(&HeaderMap::new()));
    }
}
