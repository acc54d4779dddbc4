//! Which requests are traced, and as part of which trace: what a request's fields say of it,
//! and what they say from here on. Pure functions, which the pipeline asks once for each request.

mod b3;
mod context;
mod decision;
mod fields;
mod hex;
mod incoming;
mod outgoing;
#[cfg(feature = "test-util")]
mod played;
mod request_id;
mod w3c;
mod w3c_state;

#[cfg(feature = "test-util")]
pub use self::played::{PassedContext, pass_context};
pub(crate) use self::{
    context::Outgoing,
    decision::decide,
    fields::TraceFields,
    incoming::incoming,
    outgoing::{Came, write},
    request_id::unmarked,
};
