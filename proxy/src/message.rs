//! HTTP messages as the pipeline sees them, whichever version of HTTP carries them.
//!
//! A head owns its bytes and knows its framing as a value, not as fields: the codecs read
//! `content-length` and `transfer-encoding` (HTTP/1) or `END_STREAM` (HTTP/2), and write
//! them again for the other side. A body is polled piece by piece and never collected.

mod authority;
mod body;
mod field_name;
mod fields;
mod methods;
mod request;
mod response;
mod token;
mod trailers;

pub(crate) use self::{
    authority::{is_authority, is_authority_with_port},
    body::{BodySize, Broken, Piece, Sink, Source},
    field_name::FieldName,
    fields::{FieldLine, Fields, SPARE_BYTES, SPARE_FIELDS},
    methods::is_known_method,
    request::{RequestHead, Scheme},
    response::ResponseHead,
    token::{is_token, is_token_byte},
    trailers::{TrailersOf, frames_a_message},
};
