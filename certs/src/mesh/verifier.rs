//! The check of the other end's certificate.

use std::sync::Arc;

use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme,
    client::{
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_cert_signed_by_trust_anchor,
    },
    crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::{
        ParsedCertificate, WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};
use time::OffsetDateTime;

use super::{
    certificate::Certificate,
    fault::{PeerFault, few},
    provider::provider,
    san::SanMatch,
    trust::Trust,
};
use crate::{chain::check_chain, shown::shown};

/// Checks the other end's certificate: the chain, then its identity. The name of a host is not
/// looked at.
#[derive(Debug)]
pub(super) struct Verifier {
    trust: Arc<Trust>,
    /// The names that are accepted; without any, all of the trust domains.
    sans: Vec<SanMatch>,
    clients: Arc<dyn ClientCertVerifier>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Verifier {
    pub(super) fn new(trust: &Arc<Trust>, sans: Vec<SanMatch>) -> Result<Self, crate::Error> {
        let roots = Arc::clone(&trust.roots);
        let clients = WebPkiClientVerifier::builder_with_provider(roots, provider())
            .build()
            .map_err(|error| Error::General(error.to_string()))?;
        Ok(Self {
            trust: Arc::clone(trust),
            sans,
            clients,
            algorithms: provider().signature_verification_algorithms,
        })
    }

    /// Checks all but the chain, of which it is told what came out.
    fn check(
        &self,
        end_entity: &CertificateDer<'_>,
        chain: Result<(), Error>,
    ) -> Result<(), PeerFault> {
        let certificate = Certificate::read(end_entity)?;
        chain.map_err(|error| chain_fault(&error, &certificate))?;
        let id = certificate.identity()?;
        if !self.trust.trust_domains.contains(id.trust_domain()) {
            return Err(PeerFault::ForeignTrustDomain {
                found: id.to_string(),
                trusted: few(self.trust.trust_domains.iter().cloned()),
            });
        }
        if !self.sans.is_empty() && !self.sans.iter().any(|san| san.matches(id.as_str())) {
            return Err(PeerFault::WrongName {
                expected: few(self.sans.iter().map(ToString::to_string)),
                found: id.to_string(),
            });
        }
        Ok(())
    }
}

/// What is wrong with the chain above a certificate.
pub(super) fn chain_fault(error: &Error, certificate: &Certificate<'_>) -> PeerFault {
    use CertificateError as E;
    let peer = certificate.owner();
    let Error::InvalidCertificate(error) = error else {
        return PeerFault::Unacceptable {
            peer,
            reason: error.to_string(),
        };
    };
    match error {
        E::Expired => PeerFault::Expired {
            peer,
            since: certificate.validity().not_after,
        },
        E::ExpiredContext { not_after, .. } => PeerFault::Expired {
            peer,
            since: at(*not_after),
        },
        E::NotValidYet => PeerFault::NotYetValid {
            peer,
            until: certificate.validity().not_before,
        },
        E::NotValidYetContext { not_before, .. } => PeerFault::NotYetValid {
            peer,
            until: at(*not_before),
        },
        // A CA of the same name with another key looks like a bad signature.
        E::UnknownIssuer | E::BadSignature => PeerFault::UnknownIssuer {
            peer,
            issuer: match shown(&certificate.issuer()) {
                unnamed if unnamed.is_empty() => "an unnamed CA".to_owned(),
                issuer => issuer,
            },
        },
        E::BadEncoding => PeerFault::Malformed("one of the chain can't be read"),
        other => PeerFault::Unacceptable {
            peer,
            reason: other.to_string(),
        },
    }
}

fn at(time: UnixTime) -> OffsetDateTime {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        check_chain(end_entity, intermediates).map_err(PeerFault::from)?;
        let chain = ParsedCertificate::try_from(end_entity).and_then(|parsed| {
            verify_server_cert_signed_by_trust_anchor(
                &parsed,
                &self.trust.roots,
                intermediates,
                now,
                self.algorithms.all,
            )
        });
        self.check(end_entity, chain)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

impl ClientCertVerifier for Verifier {
    /// Returns no hints: clients of the mesh have only one certificate.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        check_chain(end_entity, intermediates).map_err(PeerFault::from)?;
        let chain = self
            .clients
            .verify_client_cert(end_entity, intermediates, now)
            .map(|_| ());
        self.check(end_entity, chain)?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
