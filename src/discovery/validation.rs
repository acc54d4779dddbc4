//! The webhook that reviews rules: bodies and limits around
//! [`pillion_api::admission::review`].
//!
//! As in the injector's, what an address may use is a share of everything: one that sends much
//! waits for itself alone.

use std::{io, sync::Arc};

use axum::{
    Router,
    body::Body,
    extract::{Extension, Request, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use pillion_api::admission::{LARGEST_REVIEW, ReviewError, review};
use pillion_serve::{Budget, Limits, Peer, Port, PortMetrics, Readiness, Room, Tls};
use tokio::{net::TcpListener, sync::Semaphore};
use tokio_util::sync::CancellationToken;

use crate::reviews::{
    body::{self, Unread},
    pool::{Pool, Unfinished},
    response_body,
};

/// The threads that review, each of which may need as much memory as the largest review takes.
const THREADS: usize = 2;

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
}

/// Why there is no review.
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
    pub fn start() -> io::Result<Self> {
        Self::with_limits(Limits {
            body_bytes: LARGEST_REVIEW,
            ..Limits::default()
        })
    }

    fn with_limits(limits: Limits) -> io::Result<Self> {
        Ok(Self {
            reviews: Semaphore::new(limits.in_flight),
            reviews_of_unknown: Semaphore::new(limits.in_flight_of_unknown()),
            budget: Budget::new(limits.buffered_bytes),
            pool: Pool::with_threads(THREADS)?,
            limits,
        })
    }

    /// Serves reviews until `stop` is cancelled.
    pub async fn serve(
        self,
        listener: TcpListener,
        tls: Tls,
        (readiness, metrics): (Arc<Readiness>, PortMetrics),
        stop: CancellationToken,
    ) {
        self.port(readiness, metrics)
            .serve(listener, Some(tls), stop)
            .await;
    }

    fn port(self, readiness: Arc<Readiness>, metrics: PortMetrics) -> Port<Router> {
        let limits = self.limits;
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

    async fn review(&self, peer: &Peer, request: Request) -> Result<String, Refusal> {
        let in_flight = self.reviews.try_acquire();
        let unknown = (!peer.is_known()).then(|| self.reviews_of_unknown.try_acquire());
        if in_flight.is_err() || matches!(unknown, Some(Err(_))) {
            return Err(overload("too many reviews at once"));
        }
        let Ok(_of_caller) = peer.requests().try_acquire() else {
            return Err(overload("too many reviews at once from your address"));
        };
        let budgets = [peer.budget(), &self.budget];
        let body = body::collect(request.into_body(), budgets, &self.limits).await?;
        // A large review takes milliseconds, in which no connection must wait. It has a thread
        // until it is done, also when its caller is gone: so many are in memory at most.
        let bytes = body.bytes.clone();
        let work = move || review(&bytes).map(|response| response.to_string());
        let reviewed = self.pool.run(peer.caller(), self.limits.work, work).await;
        Ok(reviewed??)
    }
}

async fn validate(
    State(validation): State<Arc<Validation>>,
    Extension(peer): Extension<Peer>,
    request: Request,
) -> Response {
    let text = match validation.review(&peer, request).await {
        Ok(text) => text,
        Err(refusal) => return (refusal.status, refusal.text).into_response(),
    };
    peer.record_useful();
    let budgets = [peer.budget(), &validation.budget];
    let Ok(room) = Room::of(budgets, text.len()) else {
        let refusal = overload("too many responses that callers have not read yet");
        return (refusal.status, refusal.text).into_response();
    };
    json(response_body::body(
        text.into_bytes(),
        room,
        peer.response(),
    ))
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

impl From<Unread> for Refusal {
    fn from(unread: Unread) -> Self {
        let (status, text) = match unread {
            Unread::TooLong => (
                StatusCode::PAYLOAD_TOO_LARGE,
                ReviewError::TooLarge.to_string(),
            ),
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
