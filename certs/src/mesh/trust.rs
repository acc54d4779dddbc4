//! Whose certificates are accepted.

use std::{collections::BTreeSet, sync::Arc};

use aws_lc_rs::digest::{Context, SHA256};
use rustls::RootCertStore;

use crate::{Bundle, Error};

/// Whose certificates are accepted: the roots behind them, and the trust domains of the
/// identities in them.
#[derive(Debug, Clone)]
pub struct Trust {
    bundle: Bundle,
    pub(super) roots: Arc<RootCertStore>,
    pub(super) trust_domains: BTreeSet<String>,
    pub(super) fingerprint: [u8; 32],
}

impl PartialEq for Trust {
    fn eq(&self, other: &Self) -> bool {
        self.fingerprint == other.fingerprint
    }
}

impl Eq for Trust {}

impl Trust {
    /// Trusts these roots for identities of these trust domains. Leave expired roots out
    /// ([`Bundle::valid_at`]): they are not checked for that.
    ///
    /// # Errors
    ///
    /// Returns an error if there is no root that can be used, or no trust domain.
    pub fn new(
        roots: &Bundle,
        trust_domains: impl IntoIterator<Item = String>,
    ) -> Result<Self, Error> {
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(roots.to_der());
        if store.is_empty() {
            return Err(Error::Missing("root certificate"));
        }
        let trust_domains: BTreeSet<_> = trust_domains.into_iter().collect();
        if trust_domains.is_empty() {
            return Err(Error::Workload("no trust domain is given".to_owned()));
        }
        // The order in a bundle does not matter.
        let mut certificates: Vec<_> = roots.to_der().collect();
        certificates.sort_by(|one, other| one.as_ref().cmp(other.as_ref()));
        let mut context = Context::new(&SHA256);
        let parts = certificates.iter().map(AsRef::as_ref);
        let parts = parts.chain(std::iter::once([].as_slice()));
        for part in parts.chain(trust_domains.iter().map(String::as_bytes)) {
            context.update(&part.len().to_be_bytes());
            context.update(part);
        }
        let mut fingerprint = [0; 32];
        fingerprint.copy_from_slice(context.finish().as_ref());
        Ok(Self {
            bundle: roots.clone(),
            roots: Arc::new(store),
            trust_domains,
            fingerprint,
        })
    }

    /// The roots.
    #[must_use]
    pub fn roots(&self) -> &Bundle {
        &self.bundle
    }

    /// The trust domains whose identities are accepted.
    pub fn trust_domains(&self) -> impl Iterator<Item = &str> {
        self.trust_domains.iter().map(String::as_str)
    }
}
