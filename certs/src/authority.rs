//! A certificate authority.

use std::net::IpAddr;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, SanType,
};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use time::{Duration, OffsetDateTime};

use crate::{Error, Pair, Validity};

/// The names in a serving certificate: DNS names and IP addresses.
pub type Names = [String];

/// A CA: its certificate and private key.
#[derive(Clone)]
pub struct Authority {
    certificate: String,
    key: String,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority")
            .field("certificate", &self.certificate)
            .finish_non_exhaustive()
    }
}

impl Authority {
    /// Generates a CA with a new key (ECDSA P-256). It is valid from an hour before `now`, to
    /// allow for clock skew, for the lifetime after `now`.
    ///
    /// # Errors
    ///
    /// Returns an error if the key can't be generated.
    pub fn generate(name: &str, now: OffsetDateTime, lifetime: Duration) -> Result<Self, Error> {
        let key = KeyPair::generate()?;
        let mut params = params(name, Validity::starting(now, lifetime));
        // It may sign serving certificates, but no other CA.
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        Ok(Self {
            certificate: params.self_signed(&key)?.pem(),
            key: key.serialize_pem(),
        })
    }

    /// Reads a CA from PEM.
    ///
    /// # Errors
    ///
    /// Returns an error if either can't be read, or the key does not match the certificate.
    pub fn from_pem(certificate: &str, key: &str) -> Result<Self, Error> {
        // This checks that the key matches the certificate.
        Pair::from_pem(certificate, key)?;
        Ok(Self {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
        })
    }

    /// Issues a serving certificate with a new key. It expires no later than the CA.
    ///
    /// # Errors
    ///
    /// Returns an error if a name is invalid, or the key can't be generated.
    pub fn issue(
        &self,
        names: &Names,
        now: OffsetDateTime,
        lifetime: Duration,
    ) -> Result<Pair, Error> {
        let mut validity = Validity::starting(now, lifetime);
        validity.not_after = validity.not_after.min(self.validity()?.not_after);
        let mut params = params(names.first().map_or("pillion", String::as_str), validity);
        params.subject_alt_names = names
            .iter()
            .map(|name| san(name))
            .collect::<Result<_, _>>()?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        let issuer = Issuer::from_ca_cert_pem(&self.certificate, KeyPair::from_pem(&self.key)?)?;
        let certificate = params.signed_by(&key, &issuer)?;
        Pair::from_pem(&certificate.pem(), &key.serialize_pem())
    }

    /// Returns the validity period of the CA.
    ///
    /// # Errors
    ///
    /// Returns an error if its certificate can't be read.
    pub fn validity(&self) -> Result<Validity, Error> {
        let certificate = CertificateDer::from_pem_slice(self.certificate.as_bytes())
            .map_err(|error| Error::Certificate(error.to_string()))?;
        Validity::of(&certificate)
    }

    /// Returns the certificate in PEM.
    #[must_use]
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// Returns the private key in PEM.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }
}

fn params(name: &str, validity: Validity) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, common_name(name));
    params.not_before = validity.not_before;
    params.not_after = validity.not_after;
    params
}

/// Truncates a name to 64 characters, the limit of X.520.
fn common_name(name: &str) -> String {
    name.chars().take(64).collect()
}

fn san(name: &str) -> Result<SanType, Error> {
    Ok(match name.parse::<IpAddr>() {
        Ok(address) => SanType::IpAddress(address),
        Err(_) => SanType::DnsName(name.try_into()?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> OffsetDateTime {
        OffsetDateTime::UNIX_EPOCH + Duration::days(20_000)
    }

    fn authority() -> Authority {
        Authority::generate("test CA", now(), Duration::days(10)).unwrap()
    }

    #[test]
    fn issues_certificates_that_it_signed() {
        let authority = authority();
        let pair = authority
            .issue(
                &["a.b.svc".into(), "127.0.0.1".into()],
                now(),
                Duration::days(1),
            )
            .unwrap();
        assert!(pair.is_signed_by(authority.certificate()).unwrap());
        assert_eq!(pair.names().unwrap(), ["a.b.svc", "127.0.0.1"]);
        let stranger = Authority::generate("test CA", now(), Duration::days(10)).unwrap();
        assert!(!pair.is_signed_by(stranger.certificate()).unwrap());
    }

    #[test]
    fn a_certificate_does_not_outlive_its_authority() {
        let pair = authority()
            .issue(&["a".into()], now(), Duration::days(100))
            .unwrap();
        assert_eq!(
            pair.validity().unwrap().not_after,
            now() + Duration::days(10)
        );
    }

    #[test]
    fn is_the_same_after_being_written_and_read() {
        let authority = authority();
        let read = Authority::from_pem(authority.certificate(), authority.key()).unwrap();
        let pair = read.issue(&["a".into()], now(), Duration::days(1)).unwrap();
        assert!(pair.is_signed_by(authority.certificate()).unwrap());
    }

    #[test]
    fn rejects_the_key_of_another() {
        assert!(Authority::from_pem(authority().certificate(), authority().key()).is_err());
    }

    #[test]
    fn does_not_show_its_key() {
        assert!(!format!("{:?}", authority()).contains("PRIVATE"));
    }
}
