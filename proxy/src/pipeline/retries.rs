//! Whether a request is sent another time.

use std::net::SocketAddr;

use super::pump::grpc_status;
use crate::{
    message::ResponseHead,
    records::ResponseFlag,
    tables::{Avoid, Cluster, Counted, NoResponse, Permit, RetryPolicy},
};

/// How often a request is sent again at most because its connection had died while it was idle.
const MAX_REPLAYS: u32 = 2;

/// The attempts of a request.
#[derive(Debug)]
pub(super) struct Retries<'t> {
    policy: Option<&'t RetryPolicy>,
    cluster: &'t Cluster,
    /// Retries that the policy has had.
    done: u32,
    replays: u32,
    tried: Vec<SocketAddr>,
    /// Counts the retry that is under way, where there is a limit.
    permit: Option<Permit>,
}

/// What comes after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Another attempt: the retry of that number, from 1 on.
    Again(u32),
    /// The response is passed on, or the failure answered.
    Over,
    /// The same, with this flag: there may not be another attempt.
    Exhausted(ResponseFlag),
}

impl<'t> Retries<'t> {
    /// No attempt has been made.
    pub fn new(policy: Option<&'t RetryPolicy>, cluster: &'t Cluster) -> Self {
        Self {
            policy,
            cluster,
            done: 0,
            replays: 0,
            tried: Vec::new(),
            permit: None,
        }
    }

    /// The policy of the route.
    pub fn policy(&self) -> Option<&'t RetryPolicy> {
        self.policy
    }

    /// Whether the policy allows another retry, so that the request's body has to be held.
    pub fn are_left(&self) -> bool {
        self.policy.is_some_and(|policy| self.done < policy.retries)
    }

    /// What counts the retry that is under way, where there is a limit. No other one follows.
    pub fn into_permit(self) -> Option<Permit> {
        self.permit
    }

    /// The endpoints that had better not have the request.
    pub fn avoid(&self) -> Avoid<'_> {
        match self.policy {
            Some(policy) if policy.avoids_previous_hosts => Avoid {
                tried: &self.tried,
                attempts: policy.host_attempts,
            },
            _ => Avoid::default(),
        }
    }

    /// Whether connections that have been idle are left alone, after one was found to be dead.
    pub fn want_fresh_connection(&self) -> bool {
        self.replays > 0
    }

    /// Whether a request whose connection had died is sent again, whatever the policy is.
    pub fn replay(&mut self) -> bool {
        self.replays += 1;
        self.replays <= MAX_REPLAYS
    }

    /// What is done about a response.
    pub fn after_response(&mut self, from: SocketAddr, head: &ResponseHead) -> Verdict {
        let is_bad = |policy: &RetryPolicy| {
            policy.retries_response(head.status.as_u16(), grpc_status(&head.fields))
        };
        match self.policy {
            Some(policy) if is_bad(policy) => self.again(from),
            _ => Verdict::Over,
        }
    }

    /// What is done about an attempt without a response.
    pub fn after_failure(&mut self, to: SocketAddr, failure: NoResponse) -> Verdict {
        match self.policy {
            Some(policy) if policy.retries_failure(failure) => self.again(to),
            _ => Verdict::Over,
        }
    }

    fn again(&mut self, tried: SocketAddr) -> Verdict {
        if !self.are_left() {
            return Verdict::Exhausted(ResponseFlag::UpstreamRetryLimitExceeded);
        }
        // The retry that was under way has ended.
        drop(self.permit.take());
        let Ok(permit) = self.cluster.enter(Counted::Retries) else {
            return Verdict::Exhausted(ResponseFlag::UpstreamOverflow);
        };
        self.permit = permit;
        self.tried.push(tried);
        self.done += 1;
        Verdict::Again(self.done)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http::StatusCode;

    use super::*;
    use crate::tables::{
        ClusterSettings, ClusterStates, EndpointSource, RetryCondition, RetryConditions,
    };

    fn cluster(retries: u32) -> Arc<Cluster> {
        let mut settings = ClusterSettings::new("test");
        settings.limits.retries = retries;
        ClusterStates::default().build(settings, EndpointSource::List(Vec::new()))
    }

    fn policy() -> RetryPolicy {
        RetryPolicy {
            on: RetryConditions::from_iter([RetryCondition::ServerError]),
            avoids_previous_hosts: true,
            host_attempts: 5,
            ..RetryPolicy::new(2)
        }
    }
    const TO: ([u8; 4], u16) = ([10, 0, 0, 1], 80);

    #[test]
    fn a_request_is_sent_again_as_often_as_the_policy_says() {
        let (cluster, policy) = (cluster(u32::MAX), policy());
        let mut retries = Retries::new(Some(&policy), &cluster);
        let head = ResponseHead::new(StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(retries.after_response(TO.into(), &head), Verdict::Again(1));
        assert_eq!(retries.avoid().tried, [TO.into()]);
        let failure = NoResponse::Broken { sent: true };
        assert_eq!(retries.after_failure(TO.into(), failure), Verdict::Again(2));
        let limit = Verdict::Exhausted(ResponseFlag::UpstreamRetryLimitExceeded);
        assert_eq!(retries.after_response(TO.into(), &head), limit);
        let ok = ResponseHead::new(StatusCode::OK);
        assert_eq!(retries.after_response(TO.into(), &ok), Verdict::Over);
    }

    #[test]
    fn retries_are_limited_for_all_requests_of_a_cluster() {
        let (cluster, policy) = (cluster(1), policy());
        let mut first = Retries::new(Some(&policy), &cluster);
        let mut second = Retries::new(Some(&policy), &cluster);
        let failure = NoResponse::NotConnected;
        assert_eq!(first.after_failure(TO.into(), failure), Verdict::Again(1));
        let overflow = Verdict::Exhausted(ResponseFlag::UpstreamOverflow);
        assert_eq!(second.after_failure(TO.into(), failure), overflow);
        assert_eq!(first.after_failure(TO.into(), failure), Verdict::Again(2));
        drop(first);
        assert_eq!(second.after_failure(TO.into(), failure), Verdict::Again(1));
    }

    #[test]
    fn nothing_is_sent_again_without_a_policy() {
        let cluster = cluster(u32::MAX);
        let mut retries = Retries::new(None, &cluster);
        let failure = NoResponse::NotConnected;
        assert_eq!(retries.after_failure(TO.into(), failure), Verdict::Over);
        assert!(!retries.are_left());
        assert!(retries.replay() && retries.replay() && !retries.replay());
    }
}
