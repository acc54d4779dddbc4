//! The connections that the proxy carries, counted across workers.
//!
//! When there are as many as there may be, an address that has many makes room for those
//! that have few: one pod can't take the service away from all others.

mod direction;
mod open;
mod places;
mod room;

pub(crate) use self::{
    direction::Direction,
    open::{Open, Traffic},
    room::Room,
};
