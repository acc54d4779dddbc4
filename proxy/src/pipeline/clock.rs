//! How long a request may take.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Sleep, sleep};

use crate::{
    message::{FieldName, RequestHead},
    tables::{Forward, GrpcTimeout},
};

/// What took too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expired {
    /// The whole response, with all attempts, which may take so long.
    Response(Duration),
    /// The head of the response to one attempt.
    Attempt(Duration),
}

impl Expired {
    /// Envoy's response code details.
    pub fn details(self) -> &'static str {
        match self {
            Self::Response(_) => "response_timeout",
            Self::Attempt(_) => "upstream_per_try_timeout",
        }
    }
}

/// The timeouts of a request. They begin when all of the request has come, as Envoy's. A
/// request without them has no timers.
pub(super) struct Clock {
    response: Timer,
    attempt: Timer,
    is_running: bool,
    /// What ends the request when its client may not be served any more.
    left: Option<Left>,
}

/// Done when a client may not be served any more.
pub(super) type Left = Pin<Box<dyn Future<Output = ()>>>;

#[derive(Debug)]
struct Timer {
    limit: Option<Duration>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Clock {
    /// Nothing has begun.
    pub fn new(response: Option<Duration>, attempt: Option<Duration>) -> Self {
        Self {
            response: Timer::new(response),
            attempt: Timer::new(attempt),
            is_running: false,
            left: None,
        }
    }

    /// The request may go on until that is done.
    pub fn until(&mut self, left: Option<Left>) {
        self.left = left;
    }

    /// All of the request is there.
    pub fn request_has_come(&mut self) {
        if !self.is_running {
            self.is_running = true;
            self.response.start();
            self.attempt.start();
        }
    }

    /// Another attempt begins.
    pub fn begin_attempt(&mut self) {
        self.attempt.sleep = None;
        if self.is_running {
            self.attempt.start();
        }
    }

    /// The response has begun: it is bounded by the whole timeout only.
    pub fn response_has_begun(&mut self) {
        self.attempt = Timer::new(None);
    }

    /// Lifts the route's time limits.
    pub fn stop(&mut self) {
        self.response = Timer::new(None);
        self.attempt = Timer::new(None);
    }

    /// Ready when the client may not be served any more.
    pub fn poll_left(&mut self, context: &mut Context<'_>) -> Poll<()> {
        match &mut self.left {
            Some(left) => left.as_mut().poll(context),
            None => Poll::Pending,
        }
    }

    /// Ready when something takes too long.
    pub fn poll(&mut self, context: &mut Context<'_>) -> Poll<Expired> {
        if let Poll::Ready(limit) = self.response.poll(context) {
            return Poll::Ready(Expired::Response(limit));
        }
        self.attempt.poll(context).map(Expired::Attempt)
    }
}

impl Timer {
    fn new(limit: Option<Duration>) -> Self {
        Self { limit, sleep: None }
    }

    fn start(&mut self) {
        self.sleep = self.limit.map(|limit| Box::pin(sleep(limit)));
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Duration> {
        match (&mut self.sleep, self.limit) {
            (Some(sleep), Some(limit)) => sleep.as_mut().poll(context).map(|()| limit),
            _ => Poll::Pending,
        }
    }
}

/// The timeout of a request: that of its route, or what a client of gRPC says.
pub(super) fn response_timeout(forward: &Forward, head: &RequestHead) -> Option<Duration> {
    let asked = || grpc_timeout(head.fields.get(FieldName::GrpcTimeout)?);
    let asked = match forward.grpc_timeout {
        GrpcTimeout::Ignored => None,
        GrpcTimeout::Honored => asked(),
        GrpcTimeout::Capped(most) => asked().map(|asked| asked.min(most)),
    };
    asked.or(forward.timeout)
}

/// Reads `grpc-timeout` (gRPC over HTTP/2, "Timeout"): up to eight digits and a unit.
fn grpc_timeout(value: &[u8]) -> Option<Duration> {
    let (unit, digits) = value.split_last()?;
    if digits.is_empty() || digits.len() > 8 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    Some(match unit {
        b'H' => Duration::from_secs(number * 3600),
        b'M' => Duration::from_secs(number * 60),
        b'S' => Duration::from_secs(number),
        b'm' => Duration::from_millis(number),
        b'u' => Duration::from_micros(number),
        b'n' => Duration::from_nanos(number),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;
    use crate::message::Fields;

    fn head(timeout: Option<&str>) -> RequestHead {
        let mut fields = Fields::default();
        if let Some(timeout) = timeout {
            fields.push(b"grpc-timeout", timeout.as_bytes());
        }
        RequestHead::new(Method::POST, Some(b"a"), b"/", fields)
    }

    #[test]
    fn a_client_of_grpc_says_how_long_it_waits() {
        for (text, expected) in [
            ("2H", Some(7_200_000_000)),
            ("3M", Some(180_000_000)),
            ("1S", Some(1_000_000)),
            ("100m", Some(100_000)),
            ("5u", Some(5)),
            ("12345678u", Some(12_345_678)),
            ("123456789u", None),
            ("m", None),
            ("-1m", None),
            ("1", None),
            ("", None),
        ] {
            let expected = expected.map(Duration::from_micros);
            assert_eq!(grpc_timeout(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn the_timeout_is_the_route_s_or_the_client_s() {
        let seconds = Duration::from_secs;
        let mut forward = Forward::to("a");
        forward.timeout = Some(seconds(3));
        assert_eq!(
            response_timeout(&forward, &head(Some("1S"))),
            Some(seconds(3))
        );
        forward.grpc_timeout = GrpcTimeout::Honored;
        assert_eq!(
            response_timeout(&forward, &head(Some("9S"))),
            Some(seconds(9))
        );
        forward.grpc_timeout = GrpcTimeout::Capped(seconds(3));
        assert_eq!(
            response_timeout(&forward, &head(Some("9S"))),
            Some(seconds(3))
        );
        assert_eq!(
            response_timeout(&forward, &head(Some("1S"))),
            Some(seconds(1))
        );
        assert_eq!(response_timeout(&forward, &head(None)), Some(seconds(3)));
    }

    #[tokio::test(start_paused = true)]
    async fn time_runs_once_the_request_is_there() {
        let second = Duration::from_secs(1);
        let mut clock = Clock::new(Some(5 * second), Some(2 * second));
        clock.begin_attempt();
        sleep(60 * second).await;
        let mut context = Context::from_waker(std::task::Waker::noop());
        assert!(clock.poll(&mut context).is_pending());
        clock.request_has_come();
        let next = std::future::poll_fn(|context| clock.poll(context)).await;
        assert_eq!(next, Expired::Attempt(2 * second));
        clock.begin_attempt();
        clock.response_has_begun();
        let next = std::future::poll_fn(|context| clock.poll(context)).await;
        assert_eq!(next, Expired::Response(5 * second));
    }
}
