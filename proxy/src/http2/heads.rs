//! Heads of HTTP/2 (RFC 9113, 8.2 and 8.3) as heads of the pipeline, and back.
//!
//! h2 decodes them and refuses some of what is malformed; what it lets through and a
//! server of HTTP/1 could misunderstand is refused here. A request for a tunnel
//! (`:protocol`, RFC 8441) becomes what HTTP/1.1 calls an upgrade: a GET with
//! [`crate::message::RequestHead::upgrade`], which a response of 101 accepts.

mod cookies;
mod exchange;
mod fields;
mod refusal;
mod request;
mod response;

pub(crate) use self::{cookies::join_cookies, refusal::BadHead};
pub(super) use self::{
    exchange::Asked,
    fields::{read_trailers, write_trailers},
    request::{read_request, write_request},
    response::{read_response, write_response},
};
