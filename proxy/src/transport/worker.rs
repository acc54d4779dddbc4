//! A worker's view of TLS.

use std::{
    cell::{Cell, RefCell},
    net::IpAddr,
    sync::{Arc, atomic::Ordering::Relaxed},
};

use pillion_telemetry::HeldBack;
use time::OffsetDateTime;
use tokio::sync::watch;

use super::{configs::Configs, failure::TlsFailure};
use crate::identity::Credentials;

/// What a worker's handshakes use.
#[derive(Debug, Default)]
pub(crate) struct Transport {
    pub(super) configs: Arc<Configs>,
    credentials: RefCell<Option<Arc<Credentials>>>,
    trusts: Cell<u64>,
}

impl Transport {
    /// With what the channel has. [`Self::follow`] takes what comes later.
    pub fn new(
        configs: &Arc<Configs>,
        credentials: &watch::Receiver<Option<Arc<Credentials>>>,
    ) -> Self {
        Self {
            configs: Arc::clone(configs),
            credentials: RefCell::new(credentials.borrow().clone()),
            trusts: Cell::default(),
        }
    }

    /// Takes new credentials as they come.
    pub async fn follow(&self, mut newer: watch::Receiver<Option<Arc<Credentials>>>) {
        // What has come between the two calls is taken, too.
        newer.mark_changed();
        while newer.changed().await.is_ok() {
            let newest = newer.borrow_and_update().clone();
            self.take(newest);
        }
    }

    pub(super) fn take(&self, newest: Option<Arc<Credentials>>) {
        let mut held = self.credentials.borrow_mut();
        let trust = |of: &Option<Arc<Credentials>>| of.as_ref().map(|it| Arc::clone(&it.trust));
        if trust(&held) != trust(&newest) {
            self.trusts.set(self.trusts.get() + 1);
        }
        *held = newest;
    }

    /// Counts the changes of who is trusted. Connections to servers that were checked before such a
    /// change are not used again after it.
    pub fn trust_number(&self) -> u64 {
        self.trusts.get()
    }

    /// The newest credentials, unless they have expired.
    pub(super) fn credentials(&self) -> Result<Arc<Credentials>, TlsFailure> {
        valid(self.credentials.borrow().as_ref())
    }

    /// How many clients of any worker have broken the rules of TLS after their handshakes, since it was
    /// asked last.
    pub fn take_violations(&self) -> u64 {
        self.configs.violations.swap(0, Relaxed)
    }

    /// Whether a line about a handshake with that address may be logged.
    pub fn may_warn(&self, address: IpAddr) -> Option<HeldBack> {
        self.configs.warnings.pass(address)
    }
}

/// These credentials, unless they have expired.
pub(super) fn valid(held: Option<&Arc<Credentials>>) -> Result<Arc<Credentials>, TlsFailure> {
    let held = held.ok_or(TlsFailure::NoIdentity)?;
    let ends = held.identity.validity().not_after;
    match ends <= OffsetDateTime::now_utc() {
        true => Err(TlsFailure::Expired(ends)),
        false => Ok(Arc::clone(held)),
    }
}
