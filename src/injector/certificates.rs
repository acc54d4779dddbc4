//! The serving certificate: the injector's own, or that of a mounted Secret.

mod lease;
pub(super) mod mounted;
pub(super) mod own;
mod rotation;
mod serving;
mod state;

pub(super) use serving::Serving;
