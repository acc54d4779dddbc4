//! Responses of the proxy's own: redirects, those that a route gives, and local replies.

use std::future::poll_fn;

use super::{
    downstream::Downstream,
    ended::Ended,
    exchange::Exchange,
    failure::Failure,
    local_reply::{Text, direct_reply, discard, local_reply, redirect_reply},
    pump::Pump,
    request::Cited,
};
use crate::{
    message::{BodySize, ResponseHead},
    tables::{DirectResponse, Redirect, Route},
};

impl<'t, D: Downstream> Exchange<'_, 't, D> {
    /// Tells the client where to go instead.
    pub async fn redirect(&mut self, route: &'t Route, redirect: &Redirect) -> Result<(), Ended> {
        let location = redirect.location(&self.request.head, &route.matches.path);
        let head = redirect_reply(redirect.status, &location);
        self.answer_by_route(route, head, &[]).await;
        Ok(())
    }

    /// Answers as the route says.
    pub async fn respond_directly(
        &mut self,
        route: &'t Route,
        response: &DirectResponse,
    ) -> Result<(), Ended> {
        let body = match &response.body[..] {
            b"" if &*route.name == BLOCK_ALL => BLOCKED,
            body => body,
        };
        let head = direct_reply(response.status, &self.request.head.method, body);
        self.answer_by_route(route, head, body).await;
        Ok(())
    }

    async fn answer_by_route(&mut self, route: &'t Route, mut head: ResponseHead, body: &[u8]) {
        self.request.route = Some(Cited::Borrowed(route));
        self.request.tally.details = "direct_response".into();
        route.response_headers.apply(&mut head.fields);
        discard(self.downstream).await;
        self.send(head, body).await;
    }

    /// Sends a local reply that says why the server did not respond.
    pub async fn reply(&mut self, failure: &Failure) {
        match failure.refused_request() {
            // If the request has a body, the connection closes, however much of it has arrived.
            Some(reason) => self.count_refused_request(reason),
            None => discard(self.downstream).await,
        }
        self.request.tally.failed(failure);
        let (head, body) = local_reply(&self.request.head, failure);
        self.send(head, &body).await;
    }

    /// The same without a body: it would wait for a window that the client may never open, and
    /// what is refused because there is no room for it takes none.
    pub async fn refuse(&mut self, failure: &Failure) {
        self.request.tally.failed(failure);
        let (mut head, _) = local_reply(&self.request.head, failure);
        head.body = BodySize::Empty;
        discard(self.downstream).await;
        self.send(head, &[]).await;
        self.request.has_ended = true;
    }

    /// Sends a response of the proxy's own.
    async fn send(&mut self, mut head: ResponseHead, body: &[u8]) {
        self.request.tally.service_time = None;
        if self.start(&mut head).is_err() {
            return self.request.tally.client_gone();
        }
        self.request.tally.read_grpc_status(&head.fields);
        self.request.tally.response_fields = Some(head.fields);
        let mut body = Text(match head.body {
            BodySize::Empty => &[],
            _ => body,
        });
        let mut pump = Pump::default();
        let downstream = &mut *self.downstream;
        let sent = poll_fn(|context| pump.poll(context, &mut body, downstream)).await;
        self.request.tally.response_bytes = pump.bytes;
        if sent.is_err() {
            self.request.tally.client_gone();
        }
    }
}

/// The name of Istio's route for hosts that nobody may go to.
const BLOCK_ALL: &str = "block_all";
/// What such a client is told.
const BLOCKED: &[u8] = b"no service and no ServiceEntry has this host and port, and outboundTrafficPolicy is REGISTRY_ONLY\n";
