//! A certificate chain and its private key.

use std::{sync::Arc, time::Duration};

use rustls::{
    RootCertStore,
    client::{WebPkiServerVerifier, danger::ServerCertVerifier},
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
    sign::CertifiedKey,
};
use time::OffsetDateTime;
use x509_parser::{
    extensions::GeneralName,
    prelude::{FromDer, X509Certificate},
};

use crate::{Bundle, Error, Validity};

/// A certificate chain and the private key of its first certificate, in PEM. The key has
/// been checked to match the certificate.
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
    /// Reads a pair from PEM, with a key in PKCS#8, or in SEC 1 or PKCS#1.
    ///
    /// # Errors
    ///
    /// Returns an error if either can't be read, or the key does not match the certificate.
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

    /// Returns the validity period of the certificate.
    ///
    /// # Errors
    ///
    /// Returns an error if it can't be read.
    pub fn validity(&self) -> Result<Validity, Error> {
        Validity::of(self.certificate()?)
    }

    /// Returns the DNS names and IP addresses in the certificate.
    ///
    /// # Errors
    ///
    /// Returns an error if it can't be read.
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
    /// Returns an error if either certificate can't be read.
    pub fn is_signed_by(&self, authority: &str) -> Result<bool, Error> {
        let authority = CertificateDer::from_pem_slice(authority.as_bytes())
            .map_err(|error| Error::Certificate(error.to_string()))?;
        let authority = parse(&authority)?;
        let certificate = parse(self.certificate()?)?;
        Ok(certificate
            .verify_signature(Some(authority.public_key()))
            .is_ok())
    }

    /// Checks the chain, its validity period and its names, as an API server does that trusts
    /// these roots and calls one of these names.
    ///
    /// # Errors
    ///
    /// Returns an error if the API server would not accept the certificate for any of the
    /// names.
    pub fn check_accepted(
        &self,
        names: &[String],
        roots: &Bundle,
        now: OffsetDateTime,
    ) -> Result<(), Error> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(roots.to_der());
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider)
            .build()
            .map_err(|error| Error::Unacceptable(rustls::Error::General(error.to_string())))?;
        let seconds = u64::try_from(now.unix_timestamp()).unwrap_or_default();
        let now = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        let (first, rest) = self
            .certified
            .cert
            .split_first()
            .ok_or(Error::Missing("certificate"))?;
        let mut refused = Error::Missing("valid server name");
        for name in names {
            let Ok(name) = ServerName::try_from(name.as_str()) else {
                continue;
            };
            match verifier.verify_server_cert(first, rest, &name, &[], now) {
                Ok(_) => return Ok(()),
                Err(error) => refused = Error::Unacceptable(error),
            }
        }
        Err(refused)
    }

    /// Returns the chain in PEM.
    #[must_use]
    pub fn chain(&self) -> &str {
        &self.chain
    }

    /// Returns the private key in PEM.
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
    use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256};
    use time::{Duration, OffsetDateTime};
    use x509_parser::der_parser::der::parse_der;

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
    fn is_accepted_as_an_api_server_would() {
        let now = OffsetDateTime::UNIX_EPOCH + time::Duration::days(20_000);
        let days = time::Duration::days;
        let root = |authority: &Authority| Bundle::from_pem(authority.certificate()).unwrap();
        let authority = Authority::generate("ca", now, days(10)).unwrap();
        let names = ["a.b.svc".to_owned(), "127.0.0.1".to_owned()];
        let pair = authority.issue(&names, now, days(1)).unwrap();
        let roots = root(&authority);
        assert!(pair.check_accepted(&names[..1], &roots, now).is_ok());
        assert!(pair.check_accepted(&names[1..], &roots, now).is_ok());
        let other = ["other.svc".to_owned(), "a.b.svc".to_owned()];
        assert!(pair.check_accepted(&other, &roots, now).is_ok());
        for (names, roots, now) in [
            (&other[..1], &roots, now),
            (&names[..], &roots, now + days(2)),
            (&names[..], &roots, now - days(1)),
            (
                &names[..],
                &root(&Authority::generate("ca", now, days(10)).unwrap()),
                now,
            ),
        ] {
            let error = pair.check_accepted(names, roots, now).unwrap_err();
            assert!(matches!(error, Error::Unacceptable(_)), "{error}");
        }
    }

    /// The key inside of a key in PKCS#8, with the tag of its own format.
    fn unwrapped(key: &KeyPair, tag: &str) -> String {
        let pkcs8 = key.serialize_der();
        let (_, pkcs8) = parse_der(&pkcs8).unwrap();
        pem::encode(&pem::Pem::new(tag, pkcs8[2].as_slice().unwrap()))
    }

    #[test]
    fn reads_keys_in_the_formats_that_there_are() {
        let of = |key: &KeyPair| {
            let params = CertificateParams::default();
            params.self_signed(key).unwrap().pem()
        };
        let curve = KeyPair::generate().unwrap();
        let rsa = KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap();
        for (key, tag) in [(&curve, "EC PRIVATE KEY"), (&rsa, "RSA PRIVATE KEY")] {
            let (chain, own) = (of(key), unwrapped(key, tag));
            assert!(Pair::from_pem(&chain, &key.serialize_pem()).is_ok());
            // OpenSSL writes such a block before the key.
            let named = format!(
                "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n{own}"
            );
            assert_eq!(Pair::from_pem(&chain, &named).unwrap().key(), named);
            let other = of(&KeyPair::generate().unwrap());
            let error = Pair::from_pem(&other, &own).unwrap_err();
            assert!(matches!(error, Error::Mismatch), "{error}");
        }
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
