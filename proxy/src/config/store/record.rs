//! What the server has said of a resource, for those who look.

use std::{fmt, sync::Arc, time::SystemTime};

use pillion_envoy_api::Any;

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

impl Refusal {
    /// Of that version, for those faults.
    pub(super) fn new(version: &Arc<str>, faults: &impl fmt::Display, at: SystemTime) -> Self {
        Self {
            version: Arc::clone(version),
            reason: Arc::from(faults.to_string()),
            at,
        }
    }
}

/// What is known of a name.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    pub name: Arc<str>,
    /// What is used, or waits for what it needs; `None` if all that ever came was refused.
    pub record: Option<Record>,
    pub refusal: Option<Refusal>,
    /// Whether the record waits, and an older version of it is still used.
    pub is_waiting: bool,
}

/// A resource that the server is told about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    pub name: Arc<str>,
    pub version: Arc<str>,
    /// The field, and the reason.
    pub reason: String,
    /// Whether the resource is used, but for a part of it.
    pub is_used: bool,
}

impl Refused {
    /// That version of a name, for those faults.
    pub(in crate::config) fn new(
        (name, version): (Arc<str>, Arc<str>),
        faults: &impl fmt::Display,
        is_used: bool,
    ) -> Self {
        Self {
            name,
            version,
            reason: faults.to_string(),
            is_used,
        }
    }
}
