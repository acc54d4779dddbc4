//! Root certificates, as Kubernetes' `caBundle` holds them.

use pem::Pem;
use rustls::pki_types::CertificateDer;
use time::OffsetDateTime;

use crate::{Error, Validity};

const TAG: &str = "CERTIFICATE";

/// An ordered set of root certificates.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bundle {
    roots: Vec<Root>,
}

/// A root certificate.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Root {
    der: Vec<u8>,
    not_after: OffsetDateTime,
}

impl Bundle {
    /// Reads all certificates in a PEM text, which may contain none.
    ///
    /// # Errors
    ///
    /// Returns an error if one of them can't be read.
    pub fn from_pem(text: &str) -> Result<Self, Error> {
        let mut bundle = Self::default();
        for block in certificates(text)? {
            bundle.push(Root::new(block)?);
        }
        Ok(bundle)
    }

    /// Reads all certificates in a PEM text that can be read, and ignores the others; for a
    /// bundle that others may write, too.
    #[must_use]
    pub fn from_pem_lossy(text: &str) -> Self {
        let mut bundle = Self::default();
        for root in certificates(text).into_iter().flatten().map(Root::new) {
            root.into_iter().for_each(|root| bundle.push(root));
        }
        bundle
    }

    /// Appends the other certificates.
    #[must_use]
    pub fn join(mut self, others: Self) -> Self {
        for root in others.roots {
            self.push(root);
        }
        self
    }

    /// Removes expired certificates.
    #[must_use]
    pub fn valid_at(mut self, now: OffsetDateTime) -> Self {
        self.roots.retain(|root| now < root.not_after);
        self
    }

    /// Removes certificates that are in the other bundle.
    #[must_use]
    pub fn without(mut self, others: &Self) -> Self {
        self.roots.retain(|root| !others.roots.contains(root));
        self
    }

    /// Removes certificates that are not in the other bundle.
    #[must_use]
    pub fn within(mut self, others: &Self) -> Self {
        self.roots.retain(|root| others.roots.contains(root));
        self
    }

    /// Iterates over the certificates.
    pub fn roots(&self) -> impl Iterator<Item = &Root> {
        self.roots.iter()
    }

    /// Whether it contains all certificates of the other bundle.
    #[must_use]
    pub fn contains(&self, others: &Self) -> bool {
        others.roots.iter().all(|root| self.roots.contains(root))
    }

    /// Whether it contains at least one certificate of the other bundle.
    #[must_use]
    pub fn shares_one_with(&self, others: &Self) -> bool {
        others.roots.iter().any(|root| self.roots.contains(root))
    }

    /// Whether it contains no certificates.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.roots.is_empty()
    }

    /// Returns the number of certificates.
    #[must_use]
    pub fn len(&self) -> usize {
        self.roots.len()
    }

    pub(crate) fn to_der(&self) -> impl Iterator<Item = CertificateDer<'_>> {
        let roots = self.roots.iter();
        roots.map(|root| CertificateDer::from_slice(&root.der))
    }

    /// Returns the certificates in PEM.
    #[must_use]
    pub fn to_pem(&self) -> String {
        let lines = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
        self.roots
            .iter()
            .map(|root| pem::encode_config(&Pem::new(TAG, root.der.as_slice()), lines))
            .collect()
    }

    fn push(&mut self, root: Root) {
        if !self.roots.contains(&root) {
            self.roots.push(root);
        }
    }
}

impl Root {
    fn new(certificate: Pem) -> Result<Self, Error> {
        let not_after = Validity::of(certificate.contents())?.not_after;
        Ok(Self {
            der: certificate.into_contents(),
            not_after,
        })
    }

    /// The certificate in DER.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// When it expires.
    #[must_use]
    pub fn not_after(&self) -> OffsetDateTime {
        self.not_after
    }
}

fn certificates(text: &str) -> Result<impl Iterator<Item = Pem>, Error> {
    let blocks = pem::parse_many(text)?;
    Ok(blocks.into_iter().filter(|block| block.tag() == TAG))
}

#[cfg(test)]
mod tests {
    use time::Duration;

    use super::*;
    use crate::Authority;

    fn now() -> OffsetDateTime {
        OffsetDateTime::UNIX_EPOCH + Duration::days(20_000)
    }

    fn root(days: i64) -> Bundle {
        let authority = Authority::generate("ca", now(), Duration::days(days)).unwrap();
        Bundle::from_pem(authority.certificate()).unwrap()
    }

    #[test]
    fn keeps_each_root_once_in_its_order() {
        let (first, second) = (root(1), root(1));
        let joined = first.clone().join(second.clone()).join(first.clone());
        assert_eq!(
            joined.to_pem(),
            format!("{}{}", first.to_pem(), second.to_pem())
        );
        assert_eq!(Bundle::from_pem(&joined.to_pem()).unwrap(), joined);
    }

    #[test]
    fn leaves_expired_roots_out() {
        let (long, short) = (root(10), root(1));
        let later = now() + Duration::days(5);
        assert_eq!(short.join(long.clone()).valid_at(later), long);
    }

    #[test]
    fn tells_what_is_in_it() {
        let (first, second) = (root(1), root(1));
        let both = first.clone().join(second.clone());
        assert!(both.contains(&second) && !second.contains(&both));
        assert!(both.shares_one_with(&second) && !first.shares_one_with(&second));
        assert_eq!(both.clone().within(&second), second);
        assert_eq!(both.without(&first), second);
    }

    #[test]
    fn rejects_what_is_no_certificate() {
        let damaged = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(Bundle::from_pem(damaged).is_err());
        assert!(Bundle::from_pem("").unwrap().is_empty());
        let root = root(1);
        assert_eq!(
            Bundle::from_pem_lossy(&format!("{damaged}{}", root.to_pem())),
            root
        );
        assert!(Bundle::from_pem_lossy("no certificate").is_empty());
    }
}
