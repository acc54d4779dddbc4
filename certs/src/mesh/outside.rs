//! TLS with servers outside the mesh, which have a certificate for the name of a host. A client may have one that they
//! know.

use std::sync::Arc;

use rustls::{
    ClientConfig, DigitallySignedStruct, Error as TlsError, RootCertStore, SignatureScheme,
    client::{
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_cert_signed_by_trust_anchor, verify_server_name,
    },
    crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::ParsedCertificate,
    sign::{CertifiedKey, SingleCertAndKey},
    version::{TLS12, TLS13},
};

use super::{
    certificate::Certificate,
    fault::{PeerFault, few},
    provider::provider,
    verifier::chain_fault,
};
use crate::{Bundle, Error, Pair, chain::check_chain, shown::shown};

/// The roots that the certificates of servers outside the mesh are checked against.
#[derive(Debug, Clone)]
pub struct OutsideRoots(Arc<RootCertStore>);

impl OutsideRoots {
    /// Reads the certificates of a PEM text. Those that can't be read are left out, because users can't correct the
    /// bundle of a system.
    ///
    /// # Errors
    ///
    /// Returns an error if no certificate can be used.
    pub fn from_pem(text: &str) -> Result<Self, Error> {
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(Bundle::from_pem_lossy(text).to_der());
        match store.is_empty() {
            true => Err(Error::Missing("root certificate")),
            false => Ok(Self(Arc::new(store))),
        }
    }
}

/// A name that a server's certificate may have.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum OutsideName {
    /// A host. A wildcard in the certificate may match it.
    Dns(String),
    /// The whole URI.
    Uri(String),
}

/// How servers outside the mesh prove who they are.
#[derive(Debug, Clone)]
pub enum OutsideProof {
    /// Not at all: every server is accepted.
    None,
    /// By a certificate under these roots that has one of the names. If there are no names, any certificate under the
    /// roots will do.
    Roots(OutsideRoots, Vec<OutsideName>),
}

/// Returns the configuration of a client that shows this certificate, or none, with the protocols that it offers by
/// ALPN. It speaks TLS 1.3 and 1.2.
///
/// # Errors
///
/// Returns an error if the provider has no cipher suite for these versions.
pub fn outside_client_config(
    proof: OutsideProof,
    shown: Option<&Pair>,
    alpn: Vec<Vec<u8>>,
) -> Result<Arc<ClientConfig>, Error> {
    let algorithms = provider().signature_verification_algorithms;
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13, &TLS12])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Verifier { proof, algorithms }));
    let mut config = match shown {
        Some(pair) => {
            let certified = CertifiedKey::clone(&pair.certified());
            builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(certified)))
        }
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = alpn;
    Ok(Arc::new(config))
}

#[derive(Debug)]
struct Verifier {
    proof: OutsideProof,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        let OutsideProof::Roots(roots, names) = &self.proof else {
            return Ok(ServerCertVerified::assertion());
        };
        check_chain(end_entity, intermediates).map_err(PeerFault::from)?;
        let certificate = Certificate::read(end_entity)?;
        let parsed = ParsedCertificate::try_from(end_entity)?;
        let all = self.algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&parsed, &roots.0, intermediates, now, all)
            .map_err(|error| chain_fault(&error, &certificate))?;
        if names.is_empty() || names.iter().any(|name| has(&certificate, &parsed, name)) {
            return Ok(ServerCertVerified::assertion());
        }
        let found = certificate.dns_names.iter().chain(&certificate.uris);
        let found: Vec<String> = found.map(|name| shown(name)).collect();
        Err(PeerFault::OtherServer {
            expected: few(names.iter().map(|name| match name {
                OutsideName::Dns(name) | OutsideName::Uri(name) => name.clone(),
            })),
            found: few(found.into_iter()),
        }
        .into())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Whether a certificate has a name.
fn has(certificate: &Certificate<'_>, parsed: &ParsedCertificate<'_>, name: &OutsideName) -> bool {
    match name {
        OutsideName::Uri(uri) => certificate.uris.contains(&uri.as_str()),
        OutsideName::Dns(name) => match ServerName::try_from(name.as_str()) {
            Ok(name @ ServerName::DnsName(_)) => verify_server_name(parsed, &name).is_ok(),
            // A wildcard is no host's name, and a certificate may have it itself.
            _ => {
                let mut names = certificate.dns_names.iter();
                names.any(|own| own.eq_ignore_ascii_case(name))
            }
        },
    }
}
