//! Handles one request, from its head to its record, whatever version of HTTP each side speaks.
//!
//! Head → fields → route → endpoint → attempt (again, where that is safe) → response → record.
//! One task does all of it: it passes the request's body up and the response's body down.

mod attempt;
mod broken_off;
mod client_cert;
mod clock;
mod connection;
mod connector;
mod dial;
mod downstream;
mod edge;
mod ended;
mod ending;
mod endpoint;
mod exchange;
mod failure;
mod forward;
mod headers;
mod http1;
mod http2;
mod local_reply;
mod normal_path;
mod own_responses;
#[cfg(feature = "test-util")]
mod played;
mod pump;
mod refused;
mod replay;
mod request;
mod respond;
mod rest;
mod retries;
mod routing;
mod span;
mod tally;
#[cfg(test)]
pub(crate) mod tests;
mod traced;
mod upstream;
mod worker;

#[cfg(feature = "test-util")]
pub use self::client_cert::client_cert_element;
#[cfg(feature = "test-util")]
pub use self::played::{Edit, Edits, Fate, Play, Setting};
pub(crate) use self::{
    client_cert::ClientCertField,
    connection::{Connection, TABLES_TIME},
    dial::{Undialled, dial},
    edge::Edge,
    endpoint::destination,
    http1::serve_http1,
    http2::serve_http2,
    worker::Worker,
};
