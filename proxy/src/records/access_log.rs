//! Envoy's access log: a line for each request and each TCP connection.
//!
//! A format is compiled once into a list of parts. A worker appends its lines to a block of
//! its own, and a thread writes blocks: a slow reader of the log can't hold up a worker.

mod config;
mod entry;
mod format;
mod operator;
mod start_time;
mod value;
mod writer;

pub(crate) use self::config::AccessLogConfig;
pub(super) use self::{
    entry::Entry,
    writer::{AccessLog, WorkerLog},
};
