//! What the server has said of a resource, for those who look.

use std::{sync::Arc, time::SystemTime};

use pillion_envoy_api::Any;

use crate::config::compile::Fault;

/// A resource as it came.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub version: Arc<str>,
    pub body: Any,
    /// When it came.
    pub updated: SystemTime,
}

/// A resource that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub version: Arc<str>,
    /// The field, and the reason.
    pub reason: Arc<str>,
    pub at: SystemTime,
}

/// What is known of a name.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    pub name: Arc<str>,
    /// What is used, or waits for what it needs; `None` if all that ever came was refused.
    pub record: Option<Record>,
    pub refusal: Option<Refusal>,
}

/// A resource that the server is told about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    pub name: Arc<str>,
    /// The field, and the reason.
    pub reason: String,
}

impl Refused {
    /// For that fault.
    pub(super) fn new(name: Arc<str>, fault: &Fault) -> Self {
        Self {
            name,
            reason: fault.to_string(),
        }
    }
}
