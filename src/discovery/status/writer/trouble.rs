//! What is wrong with the Lease, which is said once.

use std::mem::discriminant;

/// Why this replica can't hold the Lease.
#[derive(Debug)]
pub(super) enum Trouble {
    /// It does not exist.
    Missing,
    /// The permission is missing.
    Forbidden(String),
    /// Anything else.
    Error(String),
}

impl Trouble {
    /// Replaces the trouble that was there before, and logs what is new.
    pub fn replace(before: &mut Option<Self>, now: Option<Self>, lease: &str) {
        if before.as_ref().map(discriminant) != now.as_ref().map(discriminant) {
            match &now {
                Some(trouble) => trouble.log(lease),
                None => tracing::info!(lease, "the Lease for writing statuses is available again"),
            }
        }
        *before = now;
    }

    fn log(&self, lease: &str) {
        match self {
            Self::Missing => tracing::warn!(
                lease,
                "the statuses of rules are not written: the chart's Lease is missing, and this process may not create \
                 one. Create it again with helm upgrade"
            ),
            Self::Forbidden(error) => tracing::warn!(
                lease,
                error,
                "the statuses of rules are not written: this process may not get or update the Lease"
            ),
            Self::Error(error) => tracing::warn!(
                lease,
                error,
                "cannot renew the Lease for writing statuses; trying again"
            ),
        }
    }
}
