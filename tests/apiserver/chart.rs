//! The chart, installed on a real API server.

pub mod account;
mod certificates;
pub mod helm;
mod install;
mod kinds;
mod misuse;
mod permissions;
mod running;
