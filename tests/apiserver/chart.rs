//! The chart, installed on a real API server.

mod account;
mod certificates;
mod helm;
mod install;
mod misuse;
mod permissions;
mod running;
