//! Handles one request, from its head to its record, whatever version of HTTP each side speaks.
//!
//! Head → fields → route → endpoint → attempt (again, where that is safe) → response → record.
//! One task does all of it: it passes the request's body up and the response's body down.

mod attempt;
mod connection;
mod connector;
mod downstream;
mod exchange;
mod failure;
mod headers;
mod http1;
mod http2;
mod local_reply;
mod pump;
mod replay;
mod tally;
#[cfg(test)]
mod tests;
mod upstream;
mod worker;

pub(crate) use self::{
    connection::Connection, http1::serve_http1, http2::serve_http2, worker::Worker,
};
