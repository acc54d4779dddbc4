//! The HTTP/1.0 and HTTP/1.1 codec: bytes to heads and bodies, and back (RFC 9112).
//!
//! The codec has no sockets and never waits. The parsers look at the bytes that have been received
//! so far and either want more, refuse, or say how many bytes a head took; the outcome is the
//! same however the bytes are cut into pieces. What two implementations could read in two
//! ways is refused: a proxy that guesses wrong lets requests be smuggled past it.
//!
//! [`Server`] and [`Client`] put it on sockets.

mod characters;
mod chunked;
mod client;
mod connection_field;
mod control_fields;
mod decoder;
mod encoder;
mod field_lines;
mod framing;
mod limits;
mod line;
mod numbers;
mod refusal;
#[cfg(any(test, feature = "test-util"))]
mod replay;
mod request;
mod request_line;
mod response;
mod server;
mod trailers;
mod web_socket;
mod wire;
mod write_request;
mod write_response;

#[cfg(test)]
mod properties;

#[cfg(feature = "test-util")]
pub use self::replay::{
    Event, Head, Trailers, read_requests, read_responses, rewrite_request, rewrite_response,
};
pub(crate) use self::{
    chunked::Step,
    client::{Client, Unusable},
    decoder::Decoder,
    encoder::Encoder,
    framing::Framing,
    limits::Limits,
    refusal::BadRequest,
    request::parse_request,
    response::parse_response,
    server::{NoRequest, Server},
    write_request::write_request,
    write_response::{ResponseOptions, write_response},
};
