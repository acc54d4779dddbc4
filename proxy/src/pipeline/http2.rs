//! Serves an HTTP/2 connection, whose requests run concurrently.

use super::{
    connection::Connection,
    exchange::{answer, refuse},
    worker::Worker,
};
use crate::{
    http2::{self, End},
    message::RequestHead,
    net::{input::Input, stream::Stream},
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
    let end = http2::serve(stream, first, &worker.http2_setup, serve).await;
    tracing::debug!(peer = %connection.peer, ?end, "an HTTP/2 connection has ended");
    end
}
