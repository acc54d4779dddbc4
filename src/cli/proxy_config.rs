//! `pillion proxy-config`.

mod args;
mod clusters;
mod command;
mod endpoints;
mod listener_match;
mod listeners;
mod routes;
mod secrets;

pub(super) use self::command::Args;
