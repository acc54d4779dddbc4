//! Client certificates, of a CA that may change while the server is running.

use std::{collections::BTreeSet, sync::Arc};

use arc_swap::ArcSwapOption;
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, RootCertStore, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::{
        WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls12_signature, verify_tls13_signature,
    },
    pki_types::{CertificateDer, UnixTime},
    server::{
        WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};
use x509_parser::{
    extensions::GeneralName,
    prelude::{FromDer, X509Certificate},
};

use crate::{Bundle, Error, chain::check_chain};

/// A verifier that requires clients to present a certificate of a CA, with one of the given
/// names if there are any. Until [`Clients::trust`] has set a CA, it rejects all clients.
#[derive(Debug)]
pub struct Clients {
    verifier: ArcSwapOption<Authorities>,
    names: BTreeSet<String>,
    algorithms: WebPkiSupportedAlgorithms,
}

/// A verifier for the current CAs.
#[derive(Debug)]
struct Authorities(Arc<dyn ClientCertVerifier>);

impl Clients {
    /// Creates a verifier that accepts certificates whose common name, or one of whose DNS
    /// names or URIs, is one of these names. Without names, it accepts all names.
    #[must_use]
    pub fn new(names: impl IntoIterator<Item = String>) -> Self {
        Self {
            verifier: ArcSwapOption::empty(),
            names: names.into_iter().collect(),
            algorithms: aws_lc_rs::default_provider().signature_verification_algorithms,
        }
    }

    /// Replaces the trusted CAs by those in a PEM text.
    ///
    /// # Errors
    ///
    /// Returns an error if a CA is invalid or the text contains none. The previous CAs are
    /// then still trusted.
    pub fn trust(&self, authorities: &str) -> Result<(), Error> {
        let bundle = Bundle::from_pem(authorities)?;
        let mut roots = RootCertStore::empty();
        for root in bundle.to_der() {
            roots.add(root)?;
        }
        if roots.is_empty() {
            return Err(Error::Missing("certificate of a CA"));
        }
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .map_err(|error| Error::Tls(rustls::Error::General(error.to_string())))?;
        self.verifier.store(Some(Arc::new(Authorities(verifier))));
        Ok(())
    }

    fn check_name(&self, certificate: &[u8]) -> Result<(), rustls::Error> {
        if self.names.is_empty() {
            return Ok(());
        }
        let (_, certificate) =
            X509Certificate::from_der(certificate).map_err(|_| CertificateError::BadEncoding)?;
        let alternative = certificate
            .subject_alternative_name()
            .map_err(|_| CertificateError::BadEncoding)?;
        let common = certificate.subject().iter_common_name();
        let is_known = common
            .filter_map(|name| name.as_str().ok())
            .chain(
                alternative
                    .iter()
                    .flat_map(|names| &names.value.general_names)
                    .filter_map(|name| match name {
                        GeneralName::DNSName(name) | GeneralName::URI(name) => Some(*name),
                        _ => None,
                    }),
            )
            .any(|name| self.names.contains(name));
        if is_known {
            Ok(())
        } else {
            Err(CertificateError::ApplicationVerificationFailure.into())
        }
    }
}

impl ClientCertVerifier for Clients {
    /// Returns no hints: the CAs may change at any time, and clients have only one certificate.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let authorities = self.verifier.load();
        let Some(authorities) = authorities.as_ref() else {
            return Err(CertificateError::UnknownIssuer.into());
        };
        check_chain(end_entity, intermediates)?;
        let verified = authorities
            .0
            .verify_client_cert(end_entity, intermediates, now)?;
        self.check_name(end_entity)?;
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SanType};

    use super::*;

    type Ca = CertifiedIssuer<'static, KeyPair>;

    fn ca() -> Ca {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
    }

    fn certificate(ca: &Ca, common_name: &str, other: &[SanType]) -> CertificateDer<'static> {
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::CommonName, common_name);
        params.subject_alt_names = other.to_vec();
        let key = KeyPair::generate().unwrap();
        params.signed_by(&key, ca).unwrap().der().clone()
    }

    fn accepts(clients: &Clients, certificate: &CertificateDer<'_>) -> bool {
        clients
            .verify_client_cert(certificate, &[], UnixTime::now())
            .is_ok()
    }

    fn clients(names: &[&str]) -> Clients {
        Clients::new(names.iter().map(|name| (*name).to_owned()))
    }

    #[test]
    fn rejects_everybody_until_a_ca_is_given() {
        let (clients, ca) = (clients(&[]), ca());
        let certificate = certificate(&ca, "api", &[]);
        assert!(!accepts(&clients, &certificate));
        clients.trust(&ca.pem()).unwrap();
        assert!(accepts(&clients, &certificate));
    }

    #[test]
    fn rejects_certificates_of_another_ca() {
        let (clients, ours, another) = (clients(&["api"]), ca(), ca());
        clients.trust(&ours.pem()).unwrap();
        assert!(!accepts(&clients, &certificate(&another, "api", &[])));
        clients.trust(&another.pem()).unwrap();
        assert!(accepts(&clients, &certificate(&another, "api", &[])));
        assert!(!accepts(&clients, &certificate(&ours, "api", &[])));
    }

    #[test]
    fn rejects_another_name() {
        let (clients, ca) = (clients(&["api", "spiffe://cluster/api"]), ca());
        clients.trust(&ca.pem()).unwrap();
        let dns = |name: &str| SanType::DnsName(name.try_into().unwrap());
        let uri = |name: &str| SanType::URI(name.try_into().unwrap());
        for (common_name, other) in [
            ("api", vec![]),
            ("other", vec![dns("x"), dns("api")]),
            ("other", vec![uri("spiffe://cluster/api")]),
        ] {
            assert!(accepts(&clients, &certificate(&ca, common_name, &other)));
        }
        for (common_name, other) in [
            ("other", vec![]),
            (
                "api2",
                vec![dns("api.example"), uri("spiffe://cluster/api/x")],
            ),
        ] {
            assert!(!accepts(&clients, &certificate(&ca, common_name, &other)));
        }
    }

    #[test]
    fn keeps_the_ca_before_when_the_next_is_bad() {
        let (clients, ca) = (clients(&[]), ca());
        clients.trust(&ca.pem()).unwrap();
        let damaged = format!("{}{}", ca.pem(), ca.pem().replacen("MII", "AAA", 1));
        for bad in ["", "no PEM", &damaged] {
            assert!(clients.trust(bad).is_err(), "{bad}");
        }
        assert!(accepts(&clients, &certificate(&ca, "api", &[])));
    }
}
