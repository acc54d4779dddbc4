//! Whose certificates are accepted.

use std::{collections::BTreeSet, sync::Arc};

use aws_lc_rs::digest::{Context, SHA256};
use rustls::RootCertStore;

use crate::{Bundle, Error};

/// Whose certificates are accepted: the roots behind them, and the trust domains of the
/// identities in them.
#[derive(Debug, Clone)]
pub struct Trust {
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
            roots: Arc::new(store),
            trust_domains,
            fingerprint,
        })
    }

    /// The trust domains whose identities are accepted.
    pub fn trust_domains(&self) -> impl Iterator<Item = &str> {
        self.trust_domains.iter().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use time::{Duration, OffsetDateTime};

    use super::*;
    use crate::Authority;

    #[test]
    fn is_the_same_in_any_order_and_another_with_any_other_part() {
        let root = || {
            let now = OffsetDateTime::UNIX_EPOCH + Duration::days(20_000);
            let authority = Authority::generate("ca", now, Duration::days(1)).unwrap();
            Bundle::from_pem(authority.certificate()).unwrap()
        };
        let (one, other) = (root(), root());
        let trust = |roots: &Bundle, domains: &[&str]| {
            let domains = domains.iter().map(|domain| (*domain).to_owned());
            Trust::new(roots, domains).unwrap()
        };
        let both = one.clone().join(other.clone());
        let first = trust(&both, &["a", "b"]);
        assert_eq!(first, trust(&other.clone().join(one.clone()), &["b", "a"]));
        for another in [
            trust(&one, &["a", "b"]),
            trust(&both, &["a"]),
            trust(&both, &["ab"]),
            trust(&both, &["a", "b", "c"]),
        ] {
            assert_ne!(first, another);
        }
        assert!(Trust::new(&Bundle::default(), ["a".to_owned()]).is_err());
        assert!(Trust::new(&one, []).is_err());
    }
}
