//! A certificate chain with its key.

use std::sync::Arc;

use rustls::{
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    sign::CertifiedKey,
};
use x509_parser::{
    extensions::GeneralName,
    prelude::{FromDer, X509Certificate},
};

use crate::{Error, Validity};

/// A certificate chain and the key of its first certificate, in PEM. They have
/// been checked to belong together.
#[derive(Clone)]
pub struct Pair {
    chain: String,
    key: String,
    certified: Arc<CertifiedKey>,
}

impl std::fmt::Debug for Pair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pair")
            .field("chain", &self.chain)
            .finish_non_exhaustive()
    }
}

impl PartialEq for Pair {
    fn eq(&self, other: &Self) -> bool {
        self.chain == other.chain && self.key == other.key
    }
}

impl Pair {
    /// Reads a pair from PEM.
    ///
    /// # Errors
    ///
    /// When either can't be read, or the key is not the certificate's.
    pub fn from_pem(chain: &str, key: &str) -> Result<Self, Error> {
        let certificates: Vec<_> = CertificateDer::pem_slice_iter(chain.as_bytes())
            .collect::<Result<_, _>>()
            .map_err(|error| Error::Certificate(error.to_string()))?;
        if certificates.is_empty() {
            return Err(Error::Missing("certificate"));
        }
        let private = PrivateKeyDer::from_pem_slice(key.as_bytes())
            .map_err(|_| Error::Missing("private key"))?;
        let certified =
            CertifiedKey::from_der(certificates, private, &aws_lc_rs::default_provider()).map_err(
                |error| match error {
                    rustls::Error::InconsistentKeys(_) => Error::Mismatch,
                    other => Error::Tls(other),
                },
            )?;
        Ok(Self {
            chain: chain.to_owned(),
            key: key.to_owned(),
            certified: Arc::new(certified),
        })
    }

    /// When the certificate is valid.
    ///
    /// # Errors
    ///
    /// When it can't be read.
    pub fn validity(&self) -> Result<Validity, Error> {
        Validity::of(self.certificate()?)
    }

    /// The DNS names and addresses that the certificate is for.
    ///
    /// # Errors
    ///
    /// When it can't be read.
    pub fn names(&self) -> Result<Vec<String>, Error> {
        let certificate = parse(self.certificate()?)?;
        let names = certificate
            .subject_alternative_name()
            .map_err(|error| Error::Certificate(error.to_string()))?;
        Ok(names
            .into_iter()
            .flat_map(|names| &names.value.general_names)
            .filter_map(|name| match name {
                GeneralName::DNSName(name) => Some((*name).to_owned()),
                GeneralName::IPAddress(bytes) => address(bytes),
                _ => None,
            })
            .collect())
    }

    /// Whether a CA, given in PEM, signed the certificate.
    ///
    /// # Errors
    ///
    /// When either certificate can't be read.
    pub fn is_signed_by(&self, authority: &str) -> Result<bool, Error> {
        let authority = CertificateDer::from_pem_slice(authority.as_bytes())
            .map_err(|error| Error::Certificate(error.to_string()))?;
        let authority = parse(&authority)?;
        let certificate = parse(self.certificate()?)?;
        Ok(certificate
            .verify_signature(Some(authority.public_key()))
            .is_ok())
    }

    /// The chain in PEM.
    #[must_use]
    pub fn chain(&self) -> &str {
        &self.chain
    }

    /// The key in PEM.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    pub(crate) fn certified(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.certified)
    }

    fn certificate(&self) -> Result<&[u8], Error> {
        let first = self.certified.cert.first();
        first
            .map(AsRef::as_ref)
            .ok_or(Error::Missing("certificate"))
    }
}

fn parse(der: &[u8]) -> Result<X509Certificate<'_>, Error> {
    let (_, certificate) =
        X509Certificate::from_der(der).map_err(|error| Error::Certificate(error.to_string()))?;
    Ok(certificate)
}

fn address(bytes: &[u8]) -> Option<String> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes)
            .ok()
            .map(|bytes| std::net::Ipv4Addr::from(bytes).to_string()),
        16 => <[u8; 16]>::try_from(bytes)
            .ok()
            .map(|bytes| std::net::Ipv6Addr::from(bytes).to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use time::{Duration, OffsetDateTime};

    use super::*;
    use crate::Authority;

    fn pair() -> Pair {
        let now = OffsetDateTime::UNIX_EPOCH + Duration::days(20_000);
        let authority = Authority::generate("ca", now, Duration::days(10)).unwrap();
        authority
            .issue(&["a".into()], now, Duration::days(1))
            .unwrap()
    }

    #[test]
    fn rejects_a_key_of_another_certificate() {
        assert!(matches!(
            Pair::from_pem(pair().chain(), pair().key()),
            Err(Error::Mismatch)
        ));
    }

    #[test]
    fn rejects_text_without_pem_blocks() {
        let pair = pair();
        assert!(matches!(
            Pair::from_pem("", pair.key()),
            Err(Error::Missing("certificate"))
        ));
        assert!(matches!(
            Pair::from_pem(pair.chain(), "nothing"),
            Err(Error::Missing("private key"))
        ));
    }

    #[test]
    fn rejects_a_damaged_certificate() {
        let pair = pair();
        let damaged = pair.chain().replacen("MII", "!!!", 1);
        assert!(Pair::from_pem(&damaged, pair.key()).is_err());
    }
}
