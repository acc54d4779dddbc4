//! What is asked of DNS.

use std::{sync::Arc, time::Duration};

use crate::config::compile::Family;

/// A name, and how it is asked for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Question {
    pub name: Arc<str>,
    pub family: Family,
    /// How long an answer holds; `None` for as long as it says itself.
    pub refresh: Option<Duration>,
}
