//! The webhook that reviews rules: bodies and limits around
//! [`pillion_api::admission::review_beside`].
//!
//! A review that gets no answer is accepted by an API server whose `failurePolicy` is `Ignore`. So
//! what is too large is answered, too, if the begin of the body says which review it is.
//!
//! As in the injector's, what an address may use is a share of everything: one that sends much
//! waits for itself alone.

mod log;

use std::{io, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{Extension, Request, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use pillion_api::{
    AnyObject,
    admission::{Answer, BEGIN, LARGEST_REVIEW, ReviewError, refuse, review_beside},
};
use pillion_serve::{Budget, Limits, Peer, Port, Readiness, Room, Tls};
use tokio::{net::TcpListener, sync::Semaphore, time::Instant};
use tokio_util::sync::CancellationToken;

use self::log::Log;
use super::{
    beside::Beside,
    metrics::{Metrics, ReviewResult},
};
use crate::reviews::{
    body::{self, Unread},
    pool::{Pool, Unfinished},
    response_body,
};

/// The threads that review, each of which may need as much memory as the largest review takes.
const THREADS: usize = 2;

/// The time for a body. The API server waits for 5 s (the chart's `timeoutSeconds`), and ignores a later
/// answer.
const BODY: Duration = Duration::from_secs(3);

/// The time for an answer, so that the API server gets to know why there is no better one.
const ANSWER: Duration = Duration::from_millis(4_500);

/// The memory for bodies. Half of it is an address's: two of the largest reviews at once.
const BODIES: usize = 32 << 20;

/// The limits of the port.
fn limits() -> Limits {
    Limits {
        body_bytes: LARGEST_REVIEW,
        buffered_bytes: BODIES,
        body: BODY,
        ..Limits::default()
    }
}

/// The webhook's state, shared by all reviews.
#[derive(Debug)]
pub(super) struct Validation {
    limits: Limits,
    /// Permits for reviews in flight.
    reviews: Semaphore,
    /// Those of them for addresses that have not sent a review yet.
    reviews_of_unknown: Semaphore,
    budget: Budget,
    pool: Pool,
    metrics: Arc<Metrics>,
    /// What other objects make of one.
    beside: Beside,
    log: Log,
}

/// The answer to a review.
struct Reviewed {
    text: String,
    /// Why the object is refused.
    refusal: Option<String>,
}

/// Why there is no answer to a review.
struct Refusal {
    status: StatusCode,
    text: String,
}

impl Validation {
    /// Starts the threads that review.
    ///
    /// # Errors
    ///
    /// Returns an error if the system can't start a thread.
    pub fn start(metrics: Arc<Metrics>, beside: Beside) -> io::Result<Self> {
        Self::with_limits(limits(), metrics, beside)
    }

    fn with_limits(limits: Limits, metrics: Arc<Metrics>, beside: Beside) -> io::Result<Self> {
        Ok(Self {
            reviews: Semaphore::new(limits.in_flight),
            reviews_of_unknown: Semaphore::new(limits.in_flight_of_unknown()),
            budget: Budget::new(limits.buffered_bytes),
            pool: Pool::with_threads(THREADS)?,
            metrics,
            beside,
            log: Log::new(),
            limits,
        })
    }

    /// Serves reviews until `stop` is cancelled.
    pub async fn serve(
        self,
        listener: TcpListener,
        tls: Tls,
        readiness: Arc<Readiness>,
        stop: CancellationToken,
    ) {
        self.port(readiness).serve(listener, Some(tls), stop).await;
    }

    fn port(self, readiness: Arc<Readiness>) -> Port<Router> {
        let limits = self.limits;
        let metrics = self.metrics.webhook_port().clone();
        let routes = Router::new()
            .route("/validate", post(validate))
            .fallback(async || {
                (
                    StatusCode::NOT_FOUND,
                    "not found: send reviews to /validate",
                )
            })
            .with_state(Arc::new(self));
        Port::new(routes, limits, readiness, metrics)
    }

    async fn review(&self, peer: &Peer, request: Request) -> Result<Reviewed, Refusal> {
        let until = Instant::now() + ANSWER;
        let in_flight = self.reviews.try_acquire();
        let unknown = (!peer.is_known()).then(|| self.reviews_of_unknown.try_acquire());
        if in_flight.is_err() || matches!(unknown, Some(Err(_))) {
            return Err(overload("too many reviews at once"));
        }
        let Ok(_of_caller) = peer.requests().try_acquire() else {
            return Err(overload("too many reviews at once from your address"));
        };
        let budgets = [peer.budget(), &self.budget];
        let body = match body::collect(request.into_body(), budgets, &self.limits).await {
            Ok(body) => body,
            Err(Unread::TooLong(body)) => {
                let begin = body.begin(BEGIN).await;
                return refuse(&begin).map(Reviewed::from).ok_or_else(too_large);
            }
            Err(unread) => return Err(unread.into()),
        };
        // A large review takes milliseconds, in which no connection must wait. It has a thread
        // until it is done, also when its caller is gone: so many are in memory at most.
        let bytes = body.bytes.clone();
        let beside = self.beside.clone();
        let work = move || {
            let warnings = |object: &AnyObject| beside.warnings(object);
            review_beside(&bytes, &warnings).map(Reviewed::from)
        };
        let time = until.saturating_duration_since(Instant::now());
        let time = time.min(self.limits.work);
        let reviewed = self.pool.run(peer.caller(), time, work).await;
        Ok(reviewed??)
    }

    async fn answer(&self, peer: &Peer, request: Request) -> Result<Response, Refusal> {
        let reviewed = self.review(peer, request).await?;
        peer.record_useful();
        let budgets = [peer.budget(), &self.budget];
        let Ok(room) = Room::of(budgets, reviewed.text.len()) else {
            return Err(overload(
                "too many responses that callers have not read yet",
            ));
        };
        match &reviewed.refusal {
            None => self.metrics.review(ReviewResult::Allowed),
            Some(refusal) => {
                self.metrics.review(ReviewResult::Refused);
                self.log.refused(refusal, peer);
            }
        }
        let text = reviewed.text.into_bytes();
        Ok(json(response_body::body(text, room, peer.response())))
    }
}

impl From<Answer> for Reviewed {
    fn from(answer: Answer) -> Self {
        Self {
            text: answer.review.to_string(),
            refusal: answer.refusal,
        }
    }
}

async fn validate(
    State(validation): State<Arc<Validation>>,
    Extension(peer): Extension<Peer>,
    request: Request,
) -> Response {
    let mut unanswered = Unanswered {
        validation: &validation,
        peer: &peer,
        is_answered: false,
    };
    let answer = validation.answer(&peer, request).await;
    unanswered.is_answered = true;
    match answer {
        Ok(response) => response,
        Err(refusal) => {
            validation.metrics.review(ReviewResult::Failed);
            validation.log.failed(refusal.status, &refusal.text, &peer);
            (refusal.status, refusal.text).into_response()
        }
    }
}

/// A review that may be dropped before it is answered: its caller goes, as an API server whose time or
/// whose client's is over, or this service stops.
struct Unanswered<'a> {
    validation: &'a Validation,
    peer: &'a Peer,
    is_answered: bool,
}

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        if !self.is_answered {
            self.validation.metrics.review(ReviewResult::Failed);
            self.validation.log.abandoned(self.peer);
        }
    }
}

fn json(body: Body) -> Response {
    let mut response = Response::new(body);
    let value = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, value);
    response
}

fn overload(text: &str) -> Refusal {
    Refusal {
        status: StatusCode::SERVICE_UNAVAILABLE,
        text: text.to_owned(),
    }
}

fn too_large() -> Refusal {
    Refusal {
        status: StatusCode::PAYLOAD_TOO_LARGE,
        text: ReviewError::TooLarge.to_string(),
    }
}

impl From<Unread> for Refusal {
    fn from(unread: Unread) -> Self {
        let (status, text) = match unread {
            Unread::TooLong(_) => return too_large(),
            Unread::TooSlow => (
                StatusCode::REQUEST_TIMEOUT,
                "the body did not arrive in time".to_owned(),
            ),
            Unread::Overload => return overload("too many large reviews at once"),
            Unread::Broken(error) => (
                StatusCode::BAD_REQUEST,
                format!("the body is incomplete: {error}"),
            ),
        };
        Self { status, text }
    }
}

impl From<Unfinished> for Refusal {
    fn from(unfinished: Unfinished) -> Self {
        match unfinished {
            Unfinished::Late => overload("too many large reviews at once"),
            Unfinished::Panicked => {
                tracing::error!("the review of a rule panicked");
                Self {
                    status: StatusCode::INTERNAL_SERVER_ERROR,
                    text: "the review failed because of a bug in Pillion: please report it"
                        .to_owned(),
                }
            }
        }
    }
}

impl From<ReviewError> for Refusal {
    fn from(error: ReviewError) -> Self {
        let status = match error {
            ReviewError::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            ReviewError::NoReview(_) | ReviewError::Version => StatusCode::BAD_REQUEST,
        };
        Self {
            status,
            text: error.to_string(),
        }
    }
}

#[cfg(test)]
mod tests;
