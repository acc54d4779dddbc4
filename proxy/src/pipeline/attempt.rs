//! One attempt at a request: it is sent until the response's head comes, and the bodies
//! are passed on until both have ended.

use std::{
    future::poll_fn,
    task::{Context, Poll},
};

use http::{Method, StatusCode};
use tokio::time::{Instant, timeout};

use super::{
    clock::{Clock, Expired},
    downstream::Downstream,
    pump::{Pump, PumpError},
    replay::Held,
    upstream::Upstream,
};
use crate::{
    bounds::IDLE,
    message::{Broken, FieldName, RequestHead, ResponseHead, Sink as _},
};

/// Which side broke off, and why.
#[derive(Debug)]
pub(super) enum Interrupted {
    Client(Broken),
    Server(Broken),
    /// Neither: nothing has passed for too long.
    Idle,
    /// Neither: the route allows no more time.
    Timeout(Expired),
    /// Neither: newer tables don't allow the client any more.
    Left,
}

/// One attempt at a request.
#[derive(Debug)]
pub(super) struct Attempt {
    pub upstream: Upstream,
    /// The request's body, or what enters the tunnel.
    pub up: Pump,
    upload: Upload,
    /// The response's body.
    pub down: Pump,
    started: Instant,
    sent: Option<Instant>,
}

/// What the server gets from the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Upload {
    /// The body, or what enters the tunnel.
    Open,
    /// The head only. A tunnel has no body, and what is meant for it would be a request to
    /// a server that has not accepted it.
    Withheld,
    /// Nothing more: it has all of it, or takes no more but may still answer.
    Over,
}

impl Attempt {
    /// The request has begun on that connection.
    pub fn new(upstream: Upstream, asks_for_tunnel: bool) -> Self {
        Self {
            upstream,
            up: Pump::default(),
            upload: if asks_for_tunnel {
                Upload::Withheld
            } else {
                Upload::Open
            },
            down: Pump::default(),
            started: Instant::now(),
            sent: None,
        }
    }

    /// When the server had all of the request, or when it was begun.
    pub fn sent(&self) -> Instant {
        self.sent.unwrap_or(self.started)
    }

    /// Sends the request, and waits for the head of the response. Interim responses are
    /// passed on.
    pub async fn head(
        &mut self,
        downstream: &mut impl Downstream,
        held: &mut Held<'_>,
        clock: &mut Clock,
    ) -> Result<ResponseHead, Interrupted> {
        poll_fn(|context| {
            loop {
                self.poll_up(context, downstream, held)?;
                if self.is_sent() {
                    clock.request_has_come();
                }
                // A client that waits for 100 sends nothing before it has all of it, and no
                // interim response is held for a client that does not read.
                let flushed = downstream.poll_flush(context);
                if flushed.map_err(Interrupted::Client)?.is_pending() {
                    break;
                }
                let Poll::Ready(head) = self.upstream.poll_head(context) else {
                    break;
                };
                let head = head.map_err(Interrupted::Server)?;
                if !head.is_interim() {
                    return Poll::Ready(Ok(head));
                }
                downstream.start(&head).map_err(refused_response)?;
            }
            self.poll_client(context, downstream, clock)
        })
        .await
    }

    /// The server has answered the request for a tunnel.
    pub fn answer_tunnel(&mut self, is_accepted: bool) {
        self.upload = if is_accepted {
            self.upstream.become_tunnel();
            Upload::Open
        } else {
            // If this fails, so does reading the response.
            let _ = self.upstream.finish(None);
            Upload::Over
        };
    }

    /// Passes bytes both ways, until both have ended or nothing has passed for an hour: a
    /// client that has vanished would never end.
    pub async fn tunnel(
        &mut self,
        downstream: &mut impl Downstream,
        held: &mut Held<'_>,
        clock: &mut Clock,
    ) -> Result<(), Interrupted> {
        loop {
            let before = (self.up.bytes, self.down.bytes);
            if let Ok(ended) = timeout(IDLE, self.pass(downstream, held, clock, true)).await {
                return ended;
            }
            if (self.up.bytes, self.down.bytes) == before {
                return Err(Interrupted::Idle);
            }
        }
    }

    /// Passes on the bodies, until the response has ended.
    pub async fn bodies(
        &mut self,
        downstream: &mut impl Downstream,
        held: &mut Held<'_>,
        clock: &mut Clock,
    ) -> Result<(), Interrupted> {
        self.pass(downstream, held, clock, false).await
    }

    async fn pass(
        &mut self,
        downstream: &mut impl Downstream,
        held: &mut Held<'_>,
        clock: &mut Clock,
        is_tunnel: bool,
    ) -> Result<(), Interrupted> {
        poll_fn(|context| self.poll_pass(context, downstream, (held, clock), is_tunnel)).await
    }

    /// Passes on what there is. Ready when all is passed on.
    pub fn poll_pass(
        &mut self,
        context: &mut Context<'_>,
        downstream: &mut impl Downstream,
        (held, clock): (&mut Held<'_>, &mut Clock),
        is_tunnel: bool,
    ) -> Poll<Result<(), Interrupted>> {
        self.poll_up(context, downstream, held)?;
        if self.is_sent() {
            clock.request_has_come();
        }
        match self.down.poll(context, &mut self.upstream, downstream) {
            Poll::Ready(Err(PumpError::Source(broken))) => {
                return Poll::Ready(Err(Interrupted::Server(broken)));
            }
            Poll::Ready(Err(PumpError::Sink(broken))) => {
                return Poll::Ready(Err(refused_response(broken)));
            }
            Poll::Ready(Ok(())) if !is_tunnel || self.is_sent() => return Poll::Ready(Ok(())),
            Poll::Ready(Ok(())) | Poll::Pending => {}
        }
        self.poll_client(context, downstream, clock)
    }

    fn is_sent(&self) -> bool {
        self.upload != Upload::Open
    }

    fn poll_up(
        &mut self,
        context: &mut Context<'_>,
        downstream: &mut impl Downstream,
        held: &mut Held<'_>,
    ) -> Result<(), Interrupted> {
        let polled = match self.upload {
            Upload::Open => {
                let mut body = held.replay(downstream);
                self.up.poll(context, &mut body, &mut self.upstream)
            }
            Upload::Withheld => self.upstream.poll_flush(context).map_err(PumpError::Sink),
            Upload::Over => return Ok(()),
        };
        match polled {
            Poll::Ready(Ok(())) => {
                self.sent.get_or_insert_with(Instant::now);
                if self.upload == Upload::Open {
                    self.upload = Upload::Over;
                }
            }
            Poll::Ready(Err(PumpError::Source(broken))) => return Err(Interrupted::Client(broken)),
            Poll::Ready(Err(PumpError::Sink(_))) => self.upload = Upload::Over,
            Poll::Pending => {}
        }
        Ok(())
    }

    /// Ends the attempt if the client has gone away, or the time is over.
    fn poll_client<T>(
        &self,
        context: &mut Context<'_>,
        downstream: &mut impl Downstream,
        clock: &mut Clock,
    ) -> Poll<Result<T, Interrupted>> {
        if let Poll::Ready(expired) = clock.poll(context) {
            return Poll::Ready(Err(Interrupted::Timeout(expired)));
        }
        if clock.poll_left(context).is_ready() {
            return Poll::Ready(Err(Interrupted::Left));
        }
        if downstream.poll_gone(context).is_ready() {
            return Poll::Ready(Err(Interrupted::Client(Broken::Closed)));
        }
        Poll::Pending
    }
}

/// Why a response can't be passed on: it is not what its head or HTTP says, or nobody
/// takes it any more.
fn refused_response(broken: Broken) -> Interrupted {
    match broken {
        Broken::Protocol(_) | Broken::Refused(_) => Interrupted::Server(broken),
        Broken::Closed | Broken::Reset(_) | Broken::Alert(_) => Interrupted::Client(broken),
    }
}

/// Whether bytes follow in both directions instead of bodies. A server that switches to what was
/// not asked for starts no tunnel: what goes through it would mean one thing to the client, and
/// another to the server.
pub(super) fn starts_tunnel(request: &RequestHead, response: &ResponseHead) -> bool {
    if response.status != StatusCode::SWITCHING_PROTOCOLS {
        return request.method == Method::CONNECT && response.status.is_success();
    }
    let Some(asked) = request.upgrade() else {
        return false;
    };
    // Some servers say nothing.
    let mut agreed = response.fields.all(FieldName::Upgrade);
    agreed.all(|protocol| protocol.eq_ignore_ascii_case(asked))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Fields;

    fn asked(method: Method, protocol: Option<&[u8]>) -> RequestHead {
        let mut head = RequestHead::new(method, Some(b"a"), b"/", Fields::default());
        head.set_upgrade(protocol);
        head
    }

    #[test]
    fn a_tunnel_is_what_was_asked_for() {
        let upgrade = asked(Method::GET, Some(b"websocket"));
        let starts = |agreed: &[&[u8]]| {
            let mut head = ResponseHead::new(StatusCode::SWITCHING_PROTOCOLS);
            for protocol in agreed {
                head.fields.push(b"upgrade", protocol);
            }
            starts_tunnel(&upgrade, &head)
        };
        assert!(starts(&[b"websocket"]) && starts(&[b"WebSocket"]) && starts(&[]));
        assert!(starts(&[b"websocket", b"websocket"]));
        assert!(!starts(&[b"h2c"]) && !starts(&[b"websocket", b"h2c"]));
        assert!(!starts(&[b"websocket, h2c"]) && !starts(&[b""]) && !starts(&[b"websocket/13"]));
    }

    #[test]
    fn a_status_has_to_be_the_one_for_what_was_asked() {
        let (upgrade, connect) = (
            asked(Method::GET, Some(b"websocket")),
            asked(Method::CONNECT, None),
        );
        let starts = |request, status| starts_tunnel(request, &ResponseHead::new(status));
        assert!(starts(&connect, StatusCode::OK) && !starts(&upgrade, StatusCode::OK));
        assert!(!starts(&connect, StatusCode::SWITCHING_PROTOCOLS));
        let plain = asked(Method::GET, None);
        assert!(!starts(&plain, StatusCode::OK));
        assert!(!starts(&plain, StatusCode::SWITCHING_PROTOCOLS));
        assert!(!starts(&connect, StatusCode::FORBIDDEN));
    }
}
