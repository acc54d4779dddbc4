//! Kubernetes' objects as the model has them. Pure.

pub(super) mod endpoints;
mod fields;
pub(super) mod kind;
pub(super) mod mesh;
pub(super) mod meta;
pub(super) mod pod;
mod providers;
pub(super) mod rule;
pub(super) mod service;
mod tracing;
pub(super) mod trust_domain;
