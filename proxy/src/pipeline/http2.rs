//! Serves an HTTP/2 connection, whose requests run concurrently.

use http::{Method, Version};

use super::{
    connection::Connection,
    exchange::{answer, refuse},
    tally::Tally,
    worker::Worker,
};
use crate::{
    http2::{self, BadHead, End},
    message::{Fields, RequestHead},
    net::{input::Input, stream::Stream},
    records::ResponseFlag,
    traffic::{Open, Room},
};

/// Serves the connection to its end, and says how it has ended.
pub(crate) async fn serve_http2(
    worker: &Worker,
    connection: &Connection,
    open: &Open,
    stream: Stream,
    received: Input,
) -> End {
    let first = received.bytes().to_vec().into();
    drop(received);
    let room = Room::new(open);
    let serve = async |head: RequestHead, mut stream| match room
        .for_request(head.path().len() + head.fields.bytes())
    {
        Some(_share) => answer(worker, connection, head, &mut stream).await,
        None => refuse(worker, connection, head, &mut stream).await,
    };
    let refused = |method: &Method, bad| record_refused(worker, connection, method, bad);
    let end = http2::serve(stream, first, &worker.http2_setup, refused, serve).await;
    tracing::debug!(peer = %connection.peer, ?end, "an HTTP/2 connection has ended");
    end
}

/// Records a request whose head was refused. What else it says is not believed.
fn record_refused(worker: &Worker, connection: &Connection, method: &Method, bad: BadHead) {
    let mut tally = Tally::new();
    tally.status = bad.status();
    tally.details = bad.as_str().into();
    tally.flags.insert(ResponseFlag::DownstreamProtocolError);
    let mut head = RequestHead::new(method.clone(), None, b"", Fields::default());
    head.version = Version::HTTP_2;
    let record = tally.record(&head, connection, (None, None));
    worker.recorder.request(&record);
}
