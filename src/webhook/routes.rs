//! The webhook's HTTP: from a request to the bytes of a review, and back.

use std::{sync::Arc, time::Instant};

use super::{
    Webhook,
    body::{self, Unread},
    budget::{Full, Room},
    callers::Shares,
    path_env,
    pool::Unfinished,
    port::Peer,
    review::{self, Answer, Context},
    sendable,
};
use crate::inject::YAML_ANNOTATION;
use crate::metrics::{Overload, Phase, ReviewOutcome};
use axum::{
    Router,
    body::Body,
    extract::{Extension, Path, Request, State, rejection::PathRejection},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
    routing::post,
};
use memchr::memmem;

/// Bodies up to this length may be worked on where they were read.
const AT_ONCE: usize = 8 * 1024;

/// The paths that the webhook has.
pub(super) fn router(webhook: Arc<Webhook>) -> Router {
    Router::new()
        .route("/inject", post(bare))
        .route("/inject/", post(bare))
        .route("/inject/{*path}", post(with_path))
        .fallback(elsewhere)
        .method_not_allowed_fallback(with_another_method)
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
        Err(error) => webhook.reject(400, "bad_path", error.body_text(), &peer),
    }
}

async fn elsewhere(
    State(webhook): State<Arc<Webhook>>,
    Extension(peer): Extension<Peer>,
) -> Response {
    let text = "there is nothing here: reviews go to /inject or /inject/KEY/VALUE/...";
    webhook.reject(404, "bad_path", text, &peer)
}

async fn with_another_method(
    State(webhook): State<Arc<Webhook>>,
    Extension(peer): Extension<Peer>,
) -> Response {
    webhook.reject(405, "bad_method", "reviews are sent with POST", &peer)
}

impl Webhook {
    async fn inject(&self, path: &str, peer: Peer, request: Request) -> Response {
        let begun = Instant::now();
        let answer = self.answer(path, &peer, request).await;
        self.respond(answer, begun, &peer)
    }

    /// Answers what is no review by its head alone.
    fn reject(
        &self,
        code: u16,
        reason: &'static str,
        message: impl Into<String>,
        peer: &Peer,
    ) -> Response {
        self.respond(failed(code, reason, message), Instant::now(), peer)
    }

    fn respond(&self, answer: Answer, begun: Instant, peer: &Peer) -> Response {
        let budgets = [&peer.shares.budget, &self.budget];
        let (answer, room) = match Room::of(budgets, answer.body.len()) {
            Ok(room) => (answer, room),
            Err(Full) => {
                self.metrics.server().overloaded(Overload::Bytes);
                let subject = answer.subject;
                let answer = overload("too many answers that their callers do not read");
                (Answer { subject, ..answer }, Room::default())
            }
        };
        let took = begun.elapsed();
        if !matches!(answer.outcome, ReviewOutcome::Failed(_)) {
            peer.connected.reviewed();
        }
        self.metrics.review(answer.outcome, took);
        self.metrics.bypasses(&answer.bypasses);
        self.log.review(&answer, took, peer.address);
        let body = sendable::body(answer.body, room, peer.activity.answer());
        response(answer.http_status, body)
    }

    async fn answer(&self, path: &str, peer: &Peer, request: Request) -> Answer {
        let shares: &Shares = &peer.shares;
        let most = self.limits.in_flight_of(peer.connected.is_known());
        let Some(_in_flight) = self.metrics.server().review(most) else {
            self.metrics.server().overloaded(Overload::Reviews);
            return overload("too many reviews at a time");
        };
        let Ok(_of_caller) = shares.reviews.try_acquire() else {
            self.metrics.server().overloaded(Overload::Caller);
            return overload("too many reviews at a time from your address");
        };
        let env = match path_env::parse(path) {
            Ok(env) => env,
            Err(error) => return failed(400, "bad_path", error.to_string()),
        };
        if !is_json(request.headers()) {
            let text = "the Content-Type of a review is application/json";
            return failed(415, "content_type", text);
        }
        let budgets = [&shares.budget, &self.budget];
        let body = match body::collect(request.into_body(), budgets, &self.limits).await {
            Ok(body) => body,
            Err(unread) => return self.unread(unread),
        };
        let (bytes, current, inject) = (body.bytes.clone(), Arc::clone(&self.current), self.inject);
        let work = move || {
            // Loaded as late as can be: what is in force when the review is decided.
            let config = current.config();
            let Some(config) = config.as_ref() else {
                return failed(500, "no_configuration", NO_CONFIGURATION);
            };
            let context = Context {
                config,
                cluster_has_native_sidecars: current.native_sidecars(),
                path_env: &env,
            };
            review::review_with(&bytes, &context, inject)
        };
        if is_cheap(&body.bytes) {
            return work();
        }
        let caller = peer.connected.caller();
        match self.pool.run(caller, self.limits.work, work).await {
            Ok(answer) => answer,
            Err(unfinished) => self.unfinished(&unfinished),
        }
    }

    fn unfinished(&self, unfinished: &Unfinished) -> Answer {
        match unfinished {
            Unfinished::Late => {
                self.metrics.server().overloaded(Overload::Work);
                overload("too many large reviews at a time")
            }
            Unfinished::Panicked => failed(500, "panic", review::PANICKED),
        }
    }

    fn unread(&self, unread: Unread) -> Answer {
        match unread {
            Unread::TooLong => failed(
                413,
                "too_large",
                format!("the body is longer than {} bytes", self.limits.body_bytes),
            ),
            Unread::TooSlow => {
                self.metrics.server().timed_out(Phase::Body);
                let seconds = self.limits.body.as_secs_f32();
                failed(
                    408,
                    "body_timeout",
                    format!("the body did not come within {seconds} s"),
                )
            }
            Unread::Overload => {
                self.metrics.server().overloaded(Overload::Bytes);
                overload("too many large reviews at a time")
            }
            Unread::Broken(error) => {
                failed(400, "body_broken", format!("the body broke off: {error}"))
            }
        }
    }
}

/// No 503 with `Retry-After`: the API server would try again until its time is
/// up, and tell the user of that instead.
const NO_CONFIGURATION: &str = "the injector has no configuration: its ConfigMaps istio-sidecar-injector and istio are \
     missing or at fault; its log and the Events on them say how";

fn failed(code: u16, reason: &'static str, message: impl Into<String>) -> Answer {
    Answer::http_error(code, ReviewOutcome::Failed(reason), message.into())
}

fn overload(message: &str) -> Answer {
    failed(503, "overload", message)
}

/// Whether the work on a body takes less than a millisecond, whatever it holds: to hand
/// it to another thread and back would take a tenth of the usual review.
///
/// YAML, of which 8 KiB take tens of milliseconds, stands in one annotation; its name
/// is there as it is, or with an escape in it.
fn is_cheap(body: &[u8]) -> bool {
    let has = |text: &str| memmem::find(body, text.as_bytes()).is_some();
    body.len() <= AT_ONCE && !has(YAML_ANNOTATION) && !has("\\u")
}

/// Whether a body says of itself that it is JSON, whatever the charset: JSON
/// has but one.
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

fn response(code: u16, body: Body) -> Response {
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
        assert!(!is_cheap(&[b' '; AT_ONCE + 1]));
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
