//! The webhook that reviews rules: bodies and limits around
//! [`pillion_api::admission::review`].

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Extension, Request, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use pillion_api::admission::{LARGEST_REVIEW, ReviewError, review};
use pillion_serve::{Limits, Peer, Port, PortMetrics, Readiness, Tls};
use tokio::{net::TcpListener, sync::Semaphore, time::timeout};
use tokio_util::sync::CancellationToken;

/// How many reviews are in memory at a time.
const REVIEWS: usize = 8;
/// How long a review waits for its turn.
const TURN: Duration = Duration::from_secs(2);

/// Serves reviews until `stop` is cancelled.
pub(super) async fn serve(
    listener: TcpListener,
    tls: Tls,
    readiness: Arc<Readiness>,
    metrics: PortMetrics,
    stop: CancellationToken,
) {
    let limits = Limits::default();
    let state = Arc::new(Reviews {
        places: Semaphore::new(REVIEWS),
        body: limits.body,
    });
    let routes = Router::new()
        .route("/validate", post(validate))
        .fallback(async || {
            (
                StatusCode::NOT_FOUND,
                "not found: send reviews to /validate",
            )
        })
        .with_state(state);
    Port::new(routes, limits, readiness, metrics)
        .serve(listener, Some(tls), stop)
        .await;
}

struct Reviews {
    places: Semaphore,
    /// How long a body may take.
    body: Duration,
}

async fn validate(
    State(reviews): State<Arc<Reviews>>,
    Extension(peer): Extension<Peer>,
    request: Request,
) -> Response {
    // Held until the review is done, so that callers can't fill the memory with bodies.
    let Ok(Ok(_place)) = timeout(TURN, reviews.places.acquire()).await else {
        return refusal(StatusCode::SERVICE_UNAVAILABLE, "too many reviews at once");
    };
    let body = match timeout(reviews.body, to_bytes(request.into_body(), LARGEST_REVIEW)).await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => {
            let text = "the body is incomplete, or too large for a review";
            return refusal(StatusCode::PAYLOAD_TOO_LARGE, text);
        }
        Err(_) => {
            return refusal(
                StatusCode::REQUEST_TIMEOUT,
                "the body did not arrive in time",
            );
        }
    };
    // A large review takes milliseconds, in which no connection must wait.
    let reviewed = tokio::task::spawn_blocking(move || review(&body)).await;
    match reviewed {
        Ok(Ok(response)) => {
            peer.record_useful();
            json(response.to_string())
        }
        Ok(Err(error @ ReviewError::TooLarge)) => {
            refusal(StatusCode::PAYLOAD_TOO_LARGE, error.to_string())
        }
        Ok(Err(error)) => refusal(StatusCode::BAD_REQUEST, error.to_string()),
        Err(_) => {
            tracing::error!("the review of a rule panicked");
            refusal(StatusCode::INTERNAL_SERVER_ERROR, "the review failed")
        }
    }
}

fn json(text: String) -> Response {
    let mut response = Response::new(Body::from(text));
    let value = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, value);
    response
}

fn refusal(status: StatusCode, text: impl Into<String>) -> Response {
    (status, text.into()).into_response()
}
