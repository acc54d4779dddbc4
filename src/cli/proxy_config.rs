//! `pillion proxy-config`.

mod args;
mod clusters;
mod command;
mod dump;
mod endpoints;
mod listener_match;
mod listeners;
mod routes;

pub(super) use self::command::Args;
