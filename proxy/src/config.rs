//! What the control plane sends, and how it becomes tables.
//!
//! [`start`] runs all of it on a thread of its own: the `driver` speaks with the server,
//! `compile` turns resources into what the tables say, and the `store` knows what of it is in
//! force. `dns` asks for the addresses of named endpoints.

mod asked;
#[cfg(feature = "test-util")]
mod check;
mod closed;
mod compile;
mod dns;
mod driver;
mod dump;
mod late;
mod node;
mod roots;
mod store;
#[cfg(test)]
mod test_util;
#[cfg(test)]
pub(crate) mod tests;

#[cfg(feature = "test-util")]
pub use self::check::{check_resource, read_roots};
pub(crate) use self::{
    closed::{WhenUnreachable, closed},
    compile::{CERTIFICATE, ROOTS},
    driver::{Settings, start},
    dump::Dump,
    node::Node,
};
