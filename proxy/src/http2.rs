//! HTTP/2 at both edges, over h2.
//!
//! Downstream, [`serve`] runs a connection and the future that a handler makes for each
//! of its streams, all in the caller's task: nothing needs to be `Send`, and when the
//! future of `serve` is dropped, so are they.
//!
//! ```ignore
//! let setup = Setup { limits, drain, metrics };          // shared by connections
//! let refused = |method: &Method, bad: BadHead| …;        // the codec has answered it
//! let end = serve(io, first_bytes, &setup, refused, |head: RequestHead, stream: ServerStream| async {
//!     stream.poll_piece(cx), stream.consume(n)           // Source: the request's body
//!     stream.interim(&head)?;                            // 1xx, any number, before `start`
//!     stream.start(&head)?;                              // `BodySize::Empty` ends the stream
//!     stream.poll_write(cx, data), stream.poll_flush(cx), stream.finish(trailers)  // Sink
//!     stream.poll_gone(cx)                               // the client has given up
//!     stream.reset(code)                                 // ends it before its time
//! }).await;
//! ```
//!
//! A stream that is dropped before its response has ended is reset with CANCEL. If the
//! response has ended and the request has not, h2 says so (NO_ERROR).
//!
//! Upstream, [`connect`] makes a [`Connection`] for any number of tasks, and a [`Driver`]
//! that one of them (better: a task of its own) has to poll. Both are `Send` if `io` is.
//! The driver ends when the connection does, and closes it once all handles and streams
//! are dropped.
//!
//! ```ignore
//! let (mut connection, driver) = connect(io, &setup).await?;
//! connection.has_room(), connection.is_gone(), connection.streams()
//! connection.poll_settled(cx), connection.takes_upgrades()   // before an extended CONNECT
//! let mut stream: ClientStream = connection.send(&head)?;    // NotSent: send it elsewhere
//! stream.poll_head(cx)        // interim heads (`is_interim`), then the final one
//! stream.poll_piece(cx), stream.consume(n)                   // Source, after the final head
//! stream.poll_write(cx, data), stream.poll_flush(cx), stream.finish(trailers)  // Sink
//! stream.is_unprocessed()     // after an error: the server can't have seen the request
//! stream.reset(code)
//! ```
//!
//! What is written waits in h2 until the connection is polled, in the turn of the event
//! loop that follows; the last piece waits in the stream for `poll_flush`, `finish` or the
//! next piece. No more is taken than the windows and [`Limits::send_buffer`] allow.
//!
//! Upgrades (RFC 8441) look as they do in HTTP/1.1: a GET with `upgrade()` and an empty body,
//! accepted by a response of 101. The other version's head of a tunnel has no body either;
//! its bytes are read and written as a body all the same.

mod broken;
mod client;
mod client_stream;
mod end;
mod endings;
mod heads;
mod limits;
mod places;
mod receiving;
mod sending;
mod server;
mod server_stream;
mod setup;
#[cfg(test)]
mod tests;
mod wire;

#[cfg(test)]
use self::client::Driver;
pub(crate) use self::{
    client::{Connection, NotSent, connect},
    client_stream::ClientStream,
    end::End,
    heads::{BadHead, join_cookies},
    server::serve,
    server_stream::ServerStream,
    setup::Setup,
};
