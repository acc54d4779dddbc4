//! An address's part of the limits.

use tokio::sync::Semaphore;

use crate::Budget;

/// What all connections of an address share.
#[derive(Debug)]
pub(crate) struct Shares {
    /// Requests in flight.
    pub(crate) requests: Semaphore,
    /// Memory for bodies and responses.
    pub(crate) budget: Budget,
}
