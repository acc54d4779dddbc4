//! When a request is sent again.

use std::time::Duration;

/// What may go wrong for a request to be sent again. The names are those of Envoy's `retry_on`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RetryCondition {
    /// `5xx`: such a status, or no response.
    ServerError,
    /// `gateway-error`: 502, 503, 504, or no response.
    GatewayError,
    /// `reset`: no response.
    Reset,
    /// `reset-before-request`: no response, and the request had not been sent.
    ResetBeforeRequest,
    /// `connect-failure`: the server could not be reached.
    ConnectFailure,
    /// `refused-stream`: the server says that it has not processed the request.
    RefusedStream,
    /// `retriable-4xx`: 409.
    Conflict,
    /// `retriable-status-codes`: one of the policy's own.
    StatusCodes,
    /// `cancelled`: gRPC's status 1, in the head of the response.
    Cancelled,
    /// `deadline-exceeded`: 4.
    DeadlineExceeded,
    /// `resource-exhausted`: 8.
    ResourceExhausted,
    /// `internal`: 13.
    Internal,
    /// `unavailable`: 14.
    Unavailable,
}

const NAMES: [(&str, RetryCondition); 13] = [
    ("5xx", RetryCondition::ServerError),
    ("gateway-error", RetryCondition::GatewayError),
    ("reset", RetryCondition::Reset),
    ("reset-before-request", RetryCondition::ResetBeforeRequest),
    ("connect-failure", RetryCondition::ConnectFailure),
    ("refused-stream", RetryCondition::RefusedStream),
    ("retriable-4xx", RetryCondition::Conflict),
    ("retriable-status-codes", RetryCondition::StatusCodes),
    ("cancelled", RetryCondition::Cancelled),
    ("deadline-exceeded", RetryCondition::DeadlineExceeded),
    ("resource-exhausted", RetryCondition::ResourceExhausted),
    ("internal", RetryCondition::Internal),
    ("unavailable", RetryCondition::Unavailable),
];

impl RetryCondition {
    /// By its name in `retry_on`.
    pub fn of(name: &str) -> Option<Self> {
        let found = NAMES.iter().find(|(other, _)| *other == name);
        found.map(|(_, condition)| *condition)
    }
}

/// A set of conditions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct RetryConditions(u16);

impl RetryConditions {
    /// Whether that one is among them.
    pub fn contains(self, condition: RetryCondition) -> bool {
        self.0 & Self::bit(condition) != 0
    }

    /// Whether one of those is among them.
    pub fn has_any<const N: usize>(self, conditions: [RetryCondition; N]) -> bool {
        conditions
            .into_iter()
            .any(|condition| self.contains(condition))
    }

    fn bit(condition: RetryCondition) -> u16 {
        1 << condition as u16
    }
}

impl FromIterator<RetryCondition> for RetryConditions {
    fn from_iter<I: IntoIterator<Item = RetryCondition>>(conditions: I) -> Self {
        let bits = conditions.into_iter().map(Self::bit);
        Self(bits.fold(0, |all, bit| all | bit))
    }
}

/// What broke off an attempt before there was a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoResponse {
    /// The server could not be reached.
    NotConnected,
    /// The server says that it has not processed the request.
    Refused,
    /// The connection or the stream broke, or what came is not HTTP.
    Broken {
        /// Whether something of the request had been sent.
        sent: bool,
    },
    /// It took longer than an attempt may take.
    TryTimeout,
}

/// When and how a request is sent again.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RetryPolicy {
    pub on: RetryConditions,
    /// For [`RetryCondition::StatusCodes`].
    pub status_codes: Vec<u16>,
    /// How often, at most.
    pub retries: u32,
    /// How long one attempt may take up to the head of the response.
    pub per_try_timeout: Option<Duration>,
    /// The first pause is at most that long, and each further one twice as long.
    pub base_interval: Duration,
    /// No pause is longer.
    pub max_interval: Duration,
    /// Endpoints that have had the request are avoided (`previous_hosts`).
    pub avoids_previous_hosts: bool,
    /// How often an endpoint is drawn in search of one that has not had the request
    /// (`host_selection_retry_max_attempts`). After that, the first such one is taken.
    pub host_attempts: u32,
}

impl RetryPolicy {
    /// With Envoy's pauses, and without conditions.
    pub fn new(retries: u32) -> Self {
        let base_interval = Duration::from_millis(25);
        Self {
            on: RetryConditions::default(),
            status_codes: Vec::new(),
            retries,
            per_try_timeout: None,
            base_interval,
            max_interval: base_interval * 10,
            avoids_previous_hosts: false,
            host_attempts: 1,
        }
    }

    /// Whether a response with that status is worth another attempt. `grpc_status` is what
    /// its head says.
    pub fn retries_response(&self, status: u16, grpc_status: Option<u32>) -> bool {
        use RetryCondition as On;
        let grpc = match grpc_status {
            Some(1) => Some(On::Cancelled),
            Some(4) => Some(On::DeadlineExceeded),
            Some(8) => Some(On::ResourceExhausted),
            Some(13) => Some(On::Internal),
            Some(14) => Some(On::Unavailable),
            _ => None,
        };
        grpc.is_some_and(|condition| self.on.contains(condition))
            || (500..600).contains(&status) && self.on.contains(On::ServerError)
            || (502..=504).contains(&status) && self.on.contains(On::GatewayError)
            || status == 409 && self.on.contains(On::Conflict)
            || self.on.contains(On::StatusCodes) && self.status_codes.contains(&status)
    }

    /// Whether an attempt without a response is worth another one.
    pub fn retries_failure(&self, failure: NoResponse) -> bool {
        use RetryCondition as On;
        let on = self.on;
        // Envoy's conditions for any reset: a server that could not be reached is one.
        on.has_any([On::Reset, On::ServerError, On::GatewayError])
            || match failure {
                NoResponse::NotConnected => {
                    on.has_any([On::ConnectFailure, On::ResetBeforeRequest])
                }
                NoResponse::Refused => on.contains(On::RefusedStream),
                NoResponse::Broken { sent } => !sent && on.contains(On::ResetBeforeRequest),
                NoResponse::TryTimeout => false,
            }
    }

    /// The pause before a retry, of which 1 is the first: random, so that clients don't come
    /// back all at once.
    pub fn pause(&self, retry: u32, random: &mut fastrand::Rng) -> Duration {
        let factor = 1u32
            .checked_shl(retry.saturating_sub(1))
            .unwrap_or(u32::MAX);
        let longest = self
            .base_interval
            .saturating_mul(factor)
            .min(self.max_interval);
        longest.mul_f64(random.f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(conditions: &[&str]) -> RetryPolicy {
        let conditions = conditions
            .iter()
            .map(|name| RetryCondition::of(name).unwrap());
        RetryPolicy {
            on: conditions.collect(),
            ..RetryPolicy::new(2)
        }
    }

    /// Istio's default.
    fn default() -> RetryPolicy {
        policy(&[
            "connect-failure",
            "refused-stream",
            "unavailable",
            "cancelled",
            "retriable-status-codes",
        ])
    }

    #[test]
    fn the_default_repeats_what_the_server_has_not_done() {
        let policy = default();
        assert!(policy.retries_failure(NoResponse::NotConnected));
        assert!(policy.retries_failure(NoResponse::Refused));
        assert!(!policy.retries_failure(NoResponse::Broken { sent: true }));
        assert!(!policy.retries_failure(NoResponse::TryTimeout));
        assert!(policy.retries_response(200, Some(14)) && policy.retries_response(200, Some(1)));
        assert!(!policy.retries_response(503, None) && !policy.retries_response(200, Some(13)));
    }

    #[test]
    fn status_codes_are_those_of_their_condition() {
        for (name, yes, no) in [
            ("5xx", &[500, 503, 599][..], &[499, 600][..]),
            ("gateway-error", &[502, 503, 504], &[500, 501, 505]),
            ("retriable-4xx", &[409], &[404]),
        ] {
            let policy = policy(&[name]);
            assert!(
                yes.iter()
                    .all(|status| policy.retries_response(*status, None)),
                "{name}"
            );
            assert!(
                !no.iter()
                    .any(|status| policy.retries_response(*status, None)),
                "{name}"
            );
        }
        let mut own = default();
        own.status_codes = vec![418];
        assert!(own.retries_response(418, None));
    }

    #[test]
    fn no_response_is_a_server_error_and_a_reset() {
        for name in ["5xx", "gateway-error", "reset"] {
            let policy = policy(&[name]);
            assert!(
                policy.retries_failure(NoResponse::Broken { sent: true }),
                "{name}"
            );
            assert!(policy.retries_failure(NoResponse::TryTimeout), "{name}");
        }
        let before = policy(&["reset-before-request"]);
        assert!(before.retries_failure(NoResponse::Broken { sent: false }));
        assert!(!before.retries_failure(NoResponse::Broken { sent: true }));
    }

    #[test]
    fn pauses_grow_up_to_the_longest() {
        let policy = default();
        let mut random = fastrand::Rng::with_seed(3);
        for (retry, longest) in [(1, 25), (2, 50), (3, 100), (4, 200), (5, 250), (60, 250)] {
            let pauses: Vec<_> = (0..200).map(|_| policy.pause(retry, &mut random)).collect();
            let most = pauses.iter().max().unwrap();
            assert!(*most <= Duration::from_millis(longest));
            assert!(
                *most > Duration::from_millis(longest / 2),
                "{retry}: {most:?}"
            );
        }
    }

    #[test]
    fn unknown_conditions_have_no_meaning() {
        assert_eq!(RetryCondition::of("retriable-headers"), None);
    }
}
