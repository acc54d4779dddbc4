//! The serving certificates of a role: its own, or those of a mounted Secret; and the
//! caBundle of its webhooks, by which API servers trust them.

pub(crate) mod ca_bundle;
pub(crate) mod mounted;
pub(crate) mod own;
mod owner;
mod rotation;
mod serving;
mod state;

pub(crate) use owner::{Owner, WAITS_FOR_CA_BUNDLE, WAITS_FOR_CERTIFICATE};
pub(crate) use rotation::Plan;
pub(crate) use serving::{Issuing, Serving};
