//! Passes a response on to the client.

use std::net::SocketAddr;

use http::{Method, StatusCode};

use super::{
    attempt::{Attempt, Interrupted, starts_tunnel},
    clock::Clock,
    downstream::Downstream,
    exchange::{Ended, Exchange},
    failure::Failure,
    headers::set_service_time,
    replay::Held,
    routing::Target,
    upstream::Upstream,
};
use crate::message::{Broken, ResponseHead};

impl<D: Downstream> Exchange<'_, D> {
    /// Passes on the response, and keeps the connection for the next request.
    pub async fn respond(
        &mut self,
        to: &Target<'_>,
        from: SocketAddr,
        (mut attempt, mut head): (Attempt, ResponseHead),
        (mut held, mut clock): (Held<'_>, Clock),
    ) -> Result<(), Ended> {
        held.stop();
        clock.response_has_begun();
        let is_connect = self.head.method == Method::CONNECT;
        let is_tunnel = starts_tunnel(self.head.is_tunnel(), &head, is_connect);
        if head.status == StatusCode::SWITCHING_PROTOCOLS && !is_tunnel {
            let broken = Broken::Protocol("switches_protocols_unasked");
            return Err(bad_response(from, broken));
        }
        let service_time = attempt.sent().elapsed();
        self.tally.service_time = Some(service_time);
        self.tally.details = "via_upstream";
        self.tally.read_grpc_status(&head.fields);
        set_service_time(&mut head, service_time);
        if let Some(weighted) = to.weighted {
            weighted.response_headers.apply(&mut head.fields);
        }
        to.route.response_headers.apply(&mut head.fields);
        self.start(&mut head).map_err(|broken| match broken {
            // The client's version of HTTP can't carry it.
            Broken::Protocol(_) => bad_response(from, broken),
            Broken::Closed | Broken::Reset(_) => Ended::ClientGone,
        })?;
        if self.head.is_tunnel() {
            attempt.answer_tunnel(is_tunnel);
        }
        if is_tunnel {
            self.downstream.become_tunnel();
            clock.stop();
        }
        let ended = match is_tunnel {
            true => attempt.tunnel(self.downstream, &mut held, &mut clock).await,
            false => attempt.bodies(self.downstream, &mut held, &mut clock).await,
        };
        self.tally.request_bytes = attempt.up.bytes;
        self.tally.response_bytes = attempt.down.bytes;
        self.tally.grpc_status = attempt.down.grpc_status.or(self.tally.grpc_status);
        self.tally.response_fields = Some(head.fields);
        if let Err(interrupted) = ended {
            if is_tunnel && matches!(interrupted, Interrupted::Client(_)) {
                attempt.upstream.abort();
            }
            return Err(Ended::within_response(interrupted));
        }
        if let Upstream::Http1(connection) = attempt.upstream
            && connection.client.is_reusable()
        {
            self.worker.http1_pool.give(connection);
        }
        Ok(())
    }
}

fn bad_response(to: SocketAddr, broken: Broken) -> Ended {
    Ended::Failed(Failure::Upstream { to, broken })
}
