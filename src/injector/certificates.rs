//! The serving certificate: our own, or that of a mounted Secret.

mod lease;
pub(super) mod mounted;
pub(super) mod own;
mod rotation;
mod state;

use std::sync::Arc;

use pillion_certs::{Error, Pair, Resolver};
use tokio::sync::watch;

use super::{Shared, ca_bundle::Roots, certificate_is_served};

/// Where a certificate goes that has been found good.
pub(super) struct Serving {
    resolver: Arc<Resolver>,
    roots: watch::Sender<Roots>,
    shared: Shared,
}

impl Serving {
    pub fn new(resolver: Arc<Resolver>, roots: watch::Sender<Roots>, shared: Shared) -> Self {
        Self {
            resolver,
            roots,
            shared,
        }
    }

    /// Serves a certificate from now on.
    fn serve(&self, pair: &Pair) -> Result<(), Error> {
        let validity = pair.validity()?;
        self.resolver.replace(pair);
        self.shared
            .metrics
            .certificate_expires(validity.not_after.unix_timestamp());
        certificate_is_served(&self.shared);
        tracing::info!(not_after = %validity.not_after, "serving certificate loaded");
        Ok(())
    }

    /// Wants these roots trusted from now on.
    fn trust(&self, roots: Roots) {
        self.roots.send_if_modified(|wanted| {
            let differs = *wanted != roots;
            *wanted = roots;
            differs
        });
    }
}
