//! Passes a response on to the client.

use std::net::SocketAddr;

use http::StatusCode;

use super::{
    attempt::{Attempt, Interrupted, starts_tunnel},
    clock::{Clock, Left},
    downstream::Downstream,
    ended::Ended,
    exchange::Exchange,
    failure::{Failure, NOT_CARRIED},
    headers::set_service_time,
    replay::Held,
    rest::{Places, Rest},
    routing::Target,
    upstream::Upstream,
};
use crate::{
    message::{Broken, ResponseHead},
    records::{Refused, ResponseFlag},
    tables::{Listener, Listeners},
};

impl<'a, D: Downstream> Exchange<'a, '_, D> {
    /// Passes on the response. Returns what is left of it if not all of it is there.
    pub async fn respond(
        &mut self,
        to: &Target<'_>,
        (from, mut attempt, mut head): (SocketAddr, Attempt, ResponseHead),
        (mut held, mut clock): (Held<'a>, Clock),
        places: Places,
    ) -> Result<Option<Box<Rest<'a>>>, Ended> {
        held.stop();
        clock.response_has_begun();
        let is_tunnel = starts_tunnel(&self.request.head, &head);
        if head.status == StatusCode::SWITCHING_PROTOCOLS && !is_tunnel {
            let broken = Broken::Refused("switches_protocols_unasked");
            self.count_refused_response(&broken);
            return Err(bad_response(from, broken));
        }
        let service_time = attempt.sent().elapsed();
        self.request.tally.service_time = Some(service_time);
        self.request.tally.details = "via_upstream".into();
        self.request.tally.read_grpc_status(&head.fields);
        set_service_time(&mut head, service_time);
        if let Some(weighted) = to.weighted {
            weighted.response_headers.apply(&mut head.fields);
        }
        to.route.response_headers.apply(&mut head.fields);
        self.start(&mut head).map_err(|broken| match broken {
            // The client's version of HTTP can't carry it.
            Broken::Protocol(_) | Broken::Refused(_) => {
                if matches!(attempt.upstream, Upstream::Http1(_)) {
                    self.count_refused(Refused::Response, NOT_CARRIED);
                }
                bad_response(from, broken)
            }
            Broken::Closed | Broken::Reset(_) | Broken::Alert(_) => Ended::ClientGone,
        })?;
        if self.request.head.is_tunnel() {
            attempt.answer_tunnel(is_tunnel);
        }
        if is_tunnel {
            self.downstream.become_tunnel();
            clock.stop();
        }
        attempt.down.wants_grpc_message = self.request.traced.is_wanted();
        let rest = Rest {
            attempt,
            held,
            clock,
            is_tunnel,
            fields: head.fields,
            places,
        };
        self.pass_on(rest).await
    }

    /// Passes on what is there already of the bodies. Returns what is left if more is to come.
    async fn pass_on(&mut self, mut rest: Rest<'a>) -> Result<Option<Box<Rest<'a>>>, Ended> {
        match rest.begin(self.downstream).await {
            Some(ended) => self.finish(rest, ended).map(|()| None),
            None => {
                rest.clock.until(self.left());
                // Only responses that continue are boxed.
                Ok(Some(Box::new(rest)))
            }
        }
    }

    /// Done when newer tables have had no place for the client for a while. Only a response that may go on for days
    /// needs this: the next request of a connection is decided by the newer tables anyway.
    fn left(&self) -> Option<Left> {
        if !self.connection.can_be_left() {
            return None;
        }
        let (tables, connection) = (self.worker.tables.clone(), self.connection.clone());
        Some(Box::pin(async move {
            let serves = |listener: &Listener| listener.http_of(connection.hello()).is_some();
            let have_place = |listeners: &Listeners| connection.has_place(listeners, serves);
            tables.left_by(have_place).await;
        }))
    }

    /// Passes on all that comes.
    pub async fn go_on(&mut self, mut rest: Box<Rest<'_>>) -> Result<(), Ended> {
        let ended = rest.go_on(self.downstream).await;
        self.finish(*rest, ended)
    }

    /// Notes what came of it, and keeps the connection for the next request.
    fn finish(&mut self, rest: Rest<'_>, ended: Result<(), Interrupted>) -> Result<(), Ended> {
        // Whoever waits for the places may use the connection.
        let _places = rest.places;
        let mut attempt = rest.attempt;
        let tally = &mut self.request.tally;
        tally.request_bytes = attempt.up.bytes;
        tally.response_bytes = attempt.down.bytes;
        tally.grpc_status = attempt.down.grpc_status.or(tally.grpc_status);
        tally.grpc_message = attempt.down.grpc_message.take();
        tally.response_fields = Some(rest.fields);
        if let Err(interrupted) = ended {
            if rest.is_tunnel && matches!(interrupted, Interrupted::Client(_) | Interrupted::Left) {
                attempt.upstream.abort();
            }
            return Err(Ended::within_response(interrupted));
        }
        if let Upstream::Http1(connection) = attempt.upstream {
            if connection.client.is_reusable() {
                self.worker.http1_pool.give(connection);
            } else if connection.client.has_surplus() {
                tally.flags.insert(ResponseFlag::UpstreamProtocolError);
                tally.details = BEHIND_RESPONSE.into();
                self.count_refused(Refused::Response, BEHIND_RESPONSE);
            }
        }
        Ok(())
    }
}

/// The label of a complete response behind which there is more: the start of a forged one, perhaps.
const BEHIND_RESPONSE: &str = "bytes_behind_response";

fn bad_response(to: SocketAddr, broken: Broken) -> Ended {
    Ended::Failed(Failure::Upstream { to, broken })
}
