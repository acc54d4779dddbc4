//! `pillion authn`.

mod check;
mod command;
mod inbound;
mod outbound;

pub(super) use self::command::Args;
