//! The serving certificates of a role: its own, or those of a mounted Secret; and the
//! caBundle of its webhooks, by which API servers trust them. Where the role signs for a mesh,
//! the same CA does that, or one that is plugged in.

pub(crate) mod ca_bundle;
pub(crate) mod mounted;
pub(crate) mod own;
mod owner;
pub(crate) mod plugged;
mod rotation;
mod serving;
mod signer;
mod state;

pub(crate) use owner::{Owner, WAITS_FOR_CA_BUNDLE, WAITS_FOR_CERTIFICATE};
pub(crate) use rotation::Plan;
pub(crate) use serving::Serving;
pub(crate) use signer::Issuing;
#[cfg(test)]
pub(crate) use signer::Signer;
