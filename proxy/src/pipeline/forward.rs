//! Sends a request to its cluster, as often as that is needed and allowed.

use std::{future::poll_fn, net::SocketAddr, pin::pin, sync::Arc, task::Poll, time::Duration};

use http::{Method, Version as HttpVersion};
use tokio::time::sleep;

use super::{
    attempt::{Attempt, Interrupted},
    clock::{Clock, Expired, response_timeout},
    connector::{Begun, Connector, Version},
    downstream::Downstream,
    ended::Ended,
    endpoint::destination,
    exchange::Exchange,
    failure::Failure,
    headers::{edit_by_route, set_attempt},
    replay::Held,
    rest::{Free, Places, Rest},
    retries::{Retries, Verdict},
    routing::Target,
    upstream::Upstream,
};
use crate::{
    http2::join_cookies,
    message::{BodySize, Broken, ResponseHead},
    tables::{Counted, EndpointState, Endpoints, NoResponse, Pick, Picked, UpstreamProtocol},
};

/// What came of one attempt: the head of a response, which may be worth another attempt,
/// or none.
type Outcome = Result<(Attempt, ResponseHead), Failed>;

/// An attempt without a response.
struct Failed {
    /// What the client is told unless there is another attempt.
    failure: Failure,
    /// `None`: another attempt would fail in the same way.
    why: Option<NoResponse>,
    /// The connection was an idle one that had died, and the request may be repeated whatever
    /// the route says.
    was_stale: bool,
}

impl<'a, D: Downstream> Exchange<'a, '_, D> {
    /// Sends the request to the cluster, and passes on the response. Returns what is left of it
    /// once it has begun, if not all of it is there.
    pub async fn forward(&mut self, to: Target<'_>) -> Result<Option<Box<Rest<'a>>>, Ended> {
        let cluster = to.cluster;
        let free = Free::of(cluster);
        let Ok(request) = cluster.enter(Counted::Requests) else {
            return Err(overflow(&to));
        };
        let timeout = response_timeout(to.forward, &self.request.head);
        edit_by_route(&mut self.request.head, &to, timeout);
        let mut retries = Retries::new(to.forward.retry.as_ref(), cluster);
        let per_try = retries.policy().and_then(|policy| policy.per_try_timeout);
        let mut clock = Clock::new(timeout, per_try);
        if self.request.head.body == BodySize::Empty {
            clock.request_has_come();
        }
        let mut held = Held::new(&self.worker.held);
        let mut attempts = 1;
        loop {
            if to.tells_attempt {
                set_attempt(&mut self.request.head, attempts);
            }
            let picked = self.pick(&to, &retries)?;
            let address = picked.address;
            let active = picked.state.as_ref().map(EndpointState::begin);
            clock.begin_attempt();
            let outcome = self.attempt(&to, &picked, &retries, (&mut held, &mut clock));
            let pause = match outcome.await? {
                Ok((attempt, head)) => match self.judge(&mut retries, address, &head, &held) {
                    Some(pause) => Some(pause),
                    None => {
                        let response = (address, attempt, head);
                        let permits = (retries.into_permit(), request);
                        let places = Places::new(active, permits, free);
                        let state = (held, clock);
                        return self.respond(&to, response, state, places).await;
                    }
                },
                Err(failed) => self.judge_failure(&mut retries, address, failed, &held)?,
            };
            drop(active);
            if let Some(pause) = pause {
                Box::pin(self.pause(pause, &mut clock, address)).await?;
            }
            attempts += 1;
            held.rewind();
        }
    }

    fn pick(&mut self, to: &Target<'_>, retries: &Retries<'_>) -> Result<Picked, Ended> {
        let original = self.connection.original_destination();
        let picked = self
            .worker
            .with_random(|random| to.cluster.pick(original, retries.avoid(), random));
        let Pick::Endpoint(picked) = picked else {
            let cluster = Arc::clone(&to.cluster.settings.name);
            return Err(Ended::Failed(match to.cluster.endpoints {
                Endpoints::OriginalDestination => Failure::NoOriginalDestination { cluster },
                Endpoints::Set(_) | Endpoints::Waiting => Failure::NoEndpoint { cluster },
            }));
        };
        self.request.tally.upstream_host = Some(picked.address);
        Ok(picked)
    }

    /// The pause before another attempt; `None` if the response is passed on.
    fn judge(
        &mut self,
        retries: &mut Retries<'_>,
        from: SocketAddr,
        head: &ResponseHead,
        held: &Held<'_>,
    ) -> Option<Duration> {
        if !may_send_again(retries, held) {
            return None;
        }
        match retries.after_response(from, head) {
            Verdict::Again(retry) => self.next_pause(retries, retry),
            Verdict::Over => None,
            Verdict::Exhausted(flag) => {
                self.request.tally.flags.insert(flag);
                None
            }
        }
    }

    /// The pause before another attempt, `None` without one.
    fn judge_failure(
        &mut self,
        retries: &mut Retries<'_>,
        to: SocketAddr,
        failed: Failed,
        held: &Held<'_>,
    ) -> Result<Option<Duration>, Ended> {
        if failed.was_stale && retries.replay() {
            return Ok(None);
        }
        let why = failed.why.filter(|_| may_send_again(retries, held));
        match why.map(|why| retries.after_failure(to, why)) {
            Some(Verdict::Again(retry)) => Ok(self.next_pause(retries, retry)),
            Some(Verdict::Exhausted(flag)) => {
                self.request.tally.flags.insert(flag);
                Err(Ended::Failed(failed.failure))
            }
            Some(Verdict::Over) | None => Err(Ended::Failed(failed.failure)),
        }
    }

    fn next_pause(&self, retries: &Retries<'_>, retry: u32) -> Option<Duration> {
        let policy = retries.policy()?;
        Some(
            self.worker
                .with_random(|random| policy.pause(retry, random)),
        )
    }

    /// Waits before another attempt, unless the client goes away or the time is over.
    async fn pause(
        &mut self,
        pause: Duration,
        clock: &mut Clock,
        last: SocketAddr,
    ) -> Result<(), Ended> {
        clock.begin_attempt();
        let downstream = &mut *self.downstream;
        let mut pause = pin!(sleep(pause));
        poll_fn(|context| {
            if pause.as_mut().poll(context).is_ready() {
                return Poll::Ready(Ok(()));
            }
            if let Poll::Ready(expired) = clock.poll(context) {
                let to = Some(last);
                return Poll::Ready(Err(Ended::Failed(Failure::Timeout { to, expired })));
            }
            downstream
                .poll_gone(context)
                .map(|()| Err(Ended::ClientGone))
        })
        .await
    }

    /// One attempt, up to the head of the response.
    async fn attempt(
        &mut self,
        to: &Target<'_>,
        picked: &Picked,
        retries: &Retries<'_>,
        (held, clock): (&mut Held<'_>, &mut Clock),
    ) -> Result<Outcome, Ended> {
        // Of an attempt before, they would stay where this one does not begin.
        self.request.tally.upstream_local = None;
        self.request.tally.upstream_parties = None;
        let begun = self.begin(to, picked, retries.want_fresh_connection(), clock);
        let Begun {
            upstream,
            reused,
            parties,
        } = match begun.await? {
            Ok(begun) => begun,
            Err(failure) => return Ok(Err(Failed::not_begun(failure))),
        };
        self.request.tally.upstream_local = upstream.local();
        self.request.tally.upstream_parties = parties;
        if !reused && !retries.are_left() {
            held.stop();
        }
        let mut attempt = Attempt::new(upstream, self.request.head.is_tunnel());
        let head = attempt.head(self.downstream, held, clock).await;
        self.request.tally.request_bytes = attempt.up.bytes;
        let server = Some(picked.address);
        match head {
            Ok(head) => Ok(Ok((attempt, head))),
            Err(Interrupted::Client(Broken::Protocol(reason) | Broken::Refused(reason))) => {
                Err(Ended::Failed(Failure::Bad(reason)))
            }
            Err(Interrupted::Client(_)) => Err(Ended::ClientGone),
            Err(Interrupted::Idle) => Err(Ended::Idle),
            Err(Interrupted::Left) => Err(Ended::Left),
            Err(Interrupted::Timeout(expired)) => Ok(Err(Failed::late(expired, server))),
            Err(Interrupted::Server(broken)) => {
                self.count_refused_response(&broken);
                if let Broken::Alert(alert) = &broken {
                    let (worker, cluster) = (self.worker, to.cluster.name());
                    worker.warn_of_server(picked.address, cluster, alert);
                }
                let was_stale = reused && self.may_repeat(&attempt, held);
                let why = Some(no_response(&attempt.upstream));
                let to = picked.address;
                Ok(Err(Failed {
                    failure: Failure::Upstream { to, broken },
                    why,
                    was_stale,
                }))
            }
        }
    }

    /// Whether a request that died on a used connection is sent again: the
    /// server has seen nothing of it, or has not answered and may get it twice (RFC 9110,
    /// 9.2.2), and its body is still here.
    fn may_repeat(&self, attempt: &Attempt, held: &Held<'_>) -> bool {
        let upstream = &attempt.upstream;
        let may_come_twice = is_idempotent(&self.request.head.method) && upstream.is_unanswered();
        held.is_complete() && (may_come_twice || upstream.is_unprocessed())
    }

    /// A connection with the request begun on it, unless the client goes away first or the time
    /// is over.
    async fn begin(
        &mut self,
        to: &Target<'_>,
        picked: &Picked,
        fresh: bool,
        clock: &mut Clock,
    ) -> Result<Result<Begun, Failure>, Ended> {
        let version = match to.cluster.settings.protocol {
            UpstreamProtocol::Http1 => Version::Http1,
            UpstreamProtocol::Http2 => Version::Http2,
            UpstreamProtocol::Downstream if self.request.head.version == HttpVersion::HTTP_2 => {
                Version::Http2
            }
            UpstreamProtocol::Downstream => Version::Http1,
        };
        if version == Version::Http1 && self.request.head.version == HttpVersion::HTTP_2 {
            join_cookies(&mut self.request.head.fields);
        }
        let head = &self.request.head;
        let downstream = &mut *self.downstream;
        let is_secured = picked.security.for_requests();
        let connector = Connector {
            worker: self.worker,
            cluster: to.cluster,
            endpoint: picked.state.as_ref(),
            destination: destination(self.worker, to.cluster, picked.address, is_secured),
            direction: self.connection.direction,
            client: self.connection.client(),
            version,
            fresh,
        };
        let mut begin = pin!(connector.begin(head));
        let server = Some(picked.address);
        poll_fn(|context| {
            if let Poll::Ready(begun) = begin.as_mut().poll(context) {
                return Poll::Ready(Ok(begun));
            }
            if let Poll::Ready(expired) = clock.poll(context) {
                let failure = Failure::Timeout {
                    to: server,
                    expired,
                };
                return Poll::Ready(Ok(Err(failure)));
            }
            downstream
                .poll_gone(context)
                .map(|()| Err(Ended::ClientGone))
        })
        .await
    }
}

impl Failed {
    /// The request could not be begun.
    fn not_begun(failure: Failure) -> Self {
        let why = match &failure {
            Failure::Connect { .. } | Failure::Tls { .. } | Failure::Upstream { .. } => {
                Some(NoResponse::NotConnected)
            }
            Failure::Timeout { expired, .. } => after_timeout(*expired),
            _ => None,
        };
        Self {
            failure,
            why,
            was_stale: false,
        }
    }

    fn late(expired: Expired, to: Option<SocketAddr>) -> Self {
        Self {
            failure: Failure::Timeout { to, expired },
            why: after_timeout(expired),
            was_stale: false,
        }
    }
}

/// Whether the body is still here. It is not held for the last attempt, which is not too long
/// but one too many.
fn may_send_again(retries: &Retries<'_>, held: &Held<'_>) -> bool {
    held.is_complete() || !retries.are_left()
}

/// When all of the time is over, there is no other attempt.
fn after_timeout(expired: Expired) -> Option<NoResponse> {
    match expired {
        Expired::Response(_) => None,
        Expired::Attempt(_) => Some(NoResponse::TryTimeout),
    }
}

fn no_response(upstream: &Upstream) -> NoResponse {
    match upstream {
        Upstream::Http2(stream) if stream.is_unprocessed() => NoResponse::Refused,
        _ => NoResponse::Broken {
            sent: !upstream.is_unprocessed(),
        },
    }
}

fn overflow(to: &Target<'_>) -> Ended {
    let cluster = Arc::clone(&to.cluster.settings.name);
    Ended::Failed(Failure::Overflow { cluster })
}

/// RFC 9110, 9.2.2.
fn is_idempotent(method: &Method) -> bool {
    [
        Method::GET,
        Method::HEAD,
        Method::OPTIONS,
        Method::TRACE,
        Method::PUT,
        Method::DELETE,
    ]
    .contains(method)
}
