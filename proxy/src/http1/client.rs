//! The side of a connection that sends requests.

use std::{
    net::SocketAddr,
    task::{Context, Poll, ready},
    time::Duration,
};

use http::Method;

use super::{
    Decoder, parse_response,
    web_socket::{missing_key, remove_accept},
    wire::{OnWire, Wire},
    write_request,
};
use crate::{
    bounds::INTERIM_RESPONSES,
    message::{Broken, RequestHead, ResponseHead},
    net::{
        input::Input,
        stream::{Stream, reset_when_dropped},
    },
};

/// Why an idle connection can't be used any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unusable {
    /// The server has closed it.
    Ended,
    /// The server has sent what nobody asked for: a forged response, perhaps.
    HasSurplus,
}

/// A connection to a server.
#[derive(Debug)]
pub(crate) struct Client {
    wire: Wire,
    /// Bytes of an incomplete head that have been parsed already.
    seen: usize,
    /// Of the request that is being sent.
    method: Method,
    /// Whether it has a key of WebSocket that its client doesn't know of.
    made_key: bool,
    /// Whether the server keeps the connection after its response.
    keep_alive: bool,
    /// How long the server says that it keeps an idle connection.
    idle: Option<Duration>,
    local: Option<SocketAddr>,
    /// Interim responses since the request.
    interim: u32,
    /// Whether something came since the request.
    has_received: bool,
    is_done: bool,
}

impl Client {
    /// Takes a new connection.
    pub fn new(io: Stream) -> Self {
        Self {
            local: io.local_addr().ok(),
            wire: Wire::new(io, Input::default()),
            seen: 0,
            method: Method::GET,
            made_key: false,
            keep_alive: false,
            idle: None,
            interim: 0,
            has_received: false,
            is_done: true,
        }
    }

    /// Its own address.
    pub fn local(&self) -> Option<SocketAddr> {
        self.local
    }

    /// Begins a request.
    pub fn start(&mut self, head: &RequestHead) {
        self.method = head.method.clone();
        self.keep_alive = false;
        self.interim = 0;
        self.has_received = false;
        self.is_done = false;
        self.wire.output.forget_sent();
        let key = missing_key(head);
        self.made_key = key.is_some();
        let key = key.as_ref().map(|(name, key)| (*name, &key[..]));
        self.wire.encoder = write_request(head, key, self.wire.output.bytes());
    }

    /// Receives the response's head, or an interim one.
    ///
    /// # Errors
    ///
    /// When the server closes the connection, or what comes is not a response.
    pub fn poll_head(&mut self, context: &mut Context<'_>) -> Poll<Result<ResponseHead, Broken>> {
        loop {
            let input = self.wire.input.bytes();
            if self.wire.limits.may_have_changed(input, self.seen) {
                let parsed = parse_response(input, &self.wire.limits, &self.method)
                    .map_err(|bad| Broken::Refused(bad.as_str()))?;
                self.seen = input.len();
                if let Some(mut parsed) = parsed {
                    self.seen = 0;
                    self.wire.input.consume(parsed.len);
                    if parsed.head.is_interim() {
                        self.interim += 1;
                        if self.interim > INTERIM_RESPONSES {
                            let why = "too_many_interim_responses";
                            return Poll::Ready(Err(Broken::Refused(why)));
                        }
                    } else {
                        if self.made_key {
                            remove_accept(&mut parsed.head.fields);
                        }
                        let decoder = Decoder::of_response(parsed.framing, &self.wire.limits);
                        self.wire.receive(decoder);
                        self.keep_alive = parsed.keep_alive;
                        let seconds = parsed.keep_alive_timeout;
                        self.idle = seconds.map(Duration::from_secs).or(self.idle);
                        self.is_done = true;
                    }
                    return Poll::Ready(Ok(parsed.head));
                }
            }
            if ready!(self.wire.poll_receive(context))? == 0 {
                return Poll::Ready(Err(Broken::Closed));
            }
            self.has_received = true;
        }
    }

    /// Whether a byte of the request was sent.
    pub fn has_sent(&self) -> bool {
        self.wire.output.has_sent()
    }

    /// Whether a byte of the response came: then the server has begun to answer.
    pub fn has_received(&self) -> bool {
        self.has_received
    }

    /// How long the server keeps an idle connection, where it said so.
    pub fn idle(&self) -> Option<Duration> {
        self.idle
    }

    /// From here on there are bytes both ways.
    pub fn become_tunnel(&mut self) {
        self.keep_alive = false;
        self.wire.become_tunnel();
    }

    /// The connection will be reset when it is dropped.
    pub fn abort(&mut self) {
        self.keep_alive = false;
        reset_when_dropped(self.wire.io());
    }

    /// Whether the connection may have another request, now that the response is complete.
    pub fn is_reusable(&self) -> bool {
        let wire = &self.wire;
        let at_rest = wire.output.is_empty() && wire.input.is_empty();
        self.keep_alive
            && self.is_done
            && at_rest
            && wire.decoder.is_finished()
            && wire.encoder.is_finished()
    }

    /// Whether the server has sent something behind the complete response: the start of a forged
    /// one, perhaps.
    pub fn has_surplus(&self) -> bool {
        let wire = &self.wire;
        self.is_done && !wire.is_tunnel() && wire.decoder.is_finished() && !wire.input.is_empty()
    }

    /// Why an idle connection can't be used any more, if that is so.
    pub fn poll_unusable(&mut self, context: &mut Context<'_>) -> Poll<Unusable> {
        self.wire
            .poll_receive(context)
            .map(|received| match received {
                Ok(1..) => Unusable::HasSurplus,
                Ok(0) | Err(_) => Unusable::Ended,
            })
    }
}

impl OnWire for Client {
    fn wire(&mut self) -> &mut Wire {
        &mut self.wire
    }
}
