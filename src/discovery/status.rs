//! The status of Istio's objects, so that `kubectl get virtualservice NAME -o yaml` says
//! whether the object is in force.
//!
//! Watches, the model's thread and the streams of proxies put what they know on a [`Board`],
//! which takes no time; a task of its own writes, on one replica at a time.

mod board;
mod checked;
mod desired;
mod due;
mod refusal;
mod writer;

pub(super) use self::{
    board::Board,
    checked::Checked,
    refusal::{Ended, Place, Refused},
    writer::{Settings, run},
};
