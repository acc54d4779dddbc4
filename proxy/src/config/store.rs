//! What the server has sent, and what of it is in force.

mod clusters;
mod collection;
mod endpoints;
mod listeners;
mod record;
mod slot;
mod state;
#[cfg(test)]
mod tests;
mod waits;

pub(crate) use self::{
    record::{Held, Record, Refusal, Refused},
    state::{Step, Store, Wanted},
};
