//! Serves an HTTP/1 connection, one request after the other.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    task::Poll,
    time::Duration,
};

use http::{Method, StatusCode};
use tokio::time::{Instant, Sleep, sleep, timeout};

use super::{
    connection::Connection,
    exchange::answer,
    headers::edit_response,
    local_reply::{Text, text_reply},
    pump::Pump,
    tally::Tally,
    worker::Worker,
};
use crate::{
    bounds::{HEAD_TIME, IDLE},
    http1::{BadRequest, NoRequest, Server},
    message::{Fields, RequestHead},
    net::{input::Input, stream::Stream},
    records::{Refused, ResponseFlag},
};

/// How long the proxy waits for the client to read the last response and close its side.
const GOODBYE: Duration = Duration::from_secs(2);

/// Serves the connection to its end.
pub(crate) async fn serve_http1(
    worker: &Worker,
    connection: &Connection,
    stream: Stream,
    received: Input,
) {
    let mut server = Server::new(stream, received);
    let mut clock = pin!(sleep(IDLE));
    loop {
        match next(&mut server, clock.as_mut()).await {
            Next::Request(head) => {
                answer(worker, connection, *head, &mut server).await;
            }
            Next::Bad(bad) => {
                let refusal = Refusal {
                    status: bad.status(),
                    details: bad.as_str(),
                    text: bad.to_string(),
                };
                refusal.send(worker, connection, &mut server).await;
                break;
            }
            Next::Slow => {
                let refusal = Refusal {
                    status: StatusCode::REQUEST_TIMEOUT,
                    details: "request_header_timeout",
                    text: "the head of the request did not come within 60 s".to_owned(),
                };
                refusal.send(worker, connection, &mut server).await;
                break;
            }
            Next::Nothing => return,
        }
        if !server.can_continue() {
            break;
        }
    }
    // A response that was cut must not look complete.
    if !server.is_aborted() {
        let close = poll_fn(|context| server.poll_close(context));
        let _ = timeout(GOODBYE, close).await;
    }
}

enum Next {
    Request(Box<RequestHead>),
    Bad(BadRequest),
    /// The head has begun, and has not ended in time.
    Slow,
    /// The client is gone, or idle.
    Nothing,
}

/// Waits for the next request. The timer is reset when it fires, not for each request.
async fn next(server: &mut Server, mut clock: Pin<&mut Sleep>) -> Next {
    // What is waited for, and since when.
    let mut waiting: Option<(bool, Instant)> = None;
    poll_fn(|context| {
        match server.poll_request(context) {
            Poll::Ready(Ok(head)) => return Poll::Ready(Next::Request(Box::new(head))),
            Poll::Ready(Err(NoRequest::Bad(bad))) => return Poll::Ready(Next::Bad(bad)),
            Poll::Ready(Err(NoRequest::Closed)) => return Poll::Ready(Next::Nothing),
            Poll::Pending => {}
        }
        let in_head = server.is_in_head();
        let limit = if in_head { HEAD_TIME } else { IDLE };
        waiting = waiting.filter(|(was_in_head, _)| *was_in_head == in_head);
        let (_, began) = *waiting.get_or_insert_with(|| (in_head, Instant::now()));
        if clock.deadline() > began + limit {
            clock.as_mut().reset(began + limit);
        }
        while clock.as_mut().poll(context).is_ready() {
            if Instant::now() >= began + limit {
                return Poll::Ready(if in_head { Next::Slow } else { Next::Nothing });
            }
            clock.as_mut().reset(began + limit);
        }
        Poll::Pending
    })
    .await
}

/// The response to input that is not a request.
struct Refusal {
    status: StatusCode,
    /// Envoy's response code details.
    details: &'static str,
    text: String,
}

impl Refusal {
    async fn send(self, worker: &Worker, connection: &Connection, server: &mut Server) {
        let (direction, refused) = (connection.direction, Refused::Request);
        worker.recorder.refused(direction, refused, self.details);
        let mut tally = Tally::new();
        tally.status = Some(self.status);
        tally.details = self.details.into();
        tally.flags.insert(ResponseFlag::DownstreamProtocolError);
        let (mut head, body) = text_reply(self.status, &Method::GET, self.text);
        let said = worker.server(direction);
        edit_response(&mut head, said, None, &worker.date);
        server.close_after_response();
        server.start(&head);
        let mut body = Text(&body);
        let mut pump = Pump::default();
        let _ = poll_fn(|context| pump.poll(context, &mut body, server)).await;
        tally.response_bytes = pump.bytes;
        let unknown = RequestHead::new(Method::GET, None, b"", Fields::default());
        let record = tally.record(&unknown, connection, (None, None));
        worker.recorder.request(&record);
    }
}
