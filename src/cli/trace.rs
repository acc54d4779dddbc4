//! `pillion trace`.

mod backend;
mod check;
mod command;
mod id;
mod jaeger;
mod show;
mod span;
mod tree;
mod zipkin;

pub(super) use self::command::Args;
