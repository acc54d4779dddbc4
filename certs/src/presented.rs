//! Certificates that clients may present, and that are judged when a request relies on them.

use std::{sync::Arc, time::Duration};

use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, RootCertStore, ServerConfig,
    SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::{
        WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls12_signature, verify_tls13_signature,
    },
    pki_types::{CertificateDer, UnixTime},
    server::{
        WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
    version::{TLS12, TLS13},
};
use time::OffsetDateTime;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::{
    Bundle, Error, Resolver, SpiffeId,
    alternative_names::AlternativeNames,
    chain::{check_chain, check_kept},
};

/// Why a presented certificate proves no identity.
#[derive(Debug, thiserror::Error)]
pub enum Unproven {
    /// None was presented.
    #[error("no certificate was presented")]
    Missing,
    /// It does not lead to a root, or is not valid at this time.
    #[error("the certificate is not accepted: {0}")]
    Chain(rustls::Error),
    /// It can't be read.
    #[error("the certificate can't be read")]
    Malformed,
    /// It has another number of URIs than one.
    #[error("the certificate has {0} URIs, and must have one, which is the identity")]
    Uris(usize),
    /// Its URI is not an identity.
    #[error("the certificate's URI is {0}")]
    Identity(Error),
    /// It is of another trust domain.
    #[error("the certificate is of the trust domain {found}, and this one is {ours}")]
    ForeignTrustDomain {
        /// The certificate's.
        found: String,
        /// The one that is asked about.
        ours: String,
    },
}

/// Returns the same configuration as [`server_config`](crate::server_config), which also asks
/// clients for a certificate. They need none, and one of any CA is taken if the client has its
/// key, so that nobody is kept out who proves itself in another way: whoever relies on a
/// certificate has it judged by [`verify_workload`], and at that time.
///
/// # Errors
///
/// Returns an error if the provider has no cipher suite for these versions.
pub fn asking_server_config(resolver: Arc<Resolver>) -> Result<ServerConfig, Error> {
    let provider = aws_lc_rs::default_provider();
    let algorithms = provider.signature_verification_algorithms;
    let builder = ServerConfig::builder_with_provider(Arc::new(provider));
    Ok(builder
        .with_protocol_versions(&[&TLS13, &TLS12])?
        .with_client_cert_verifier(Arc::new(Anyone(algorithms)))
        .with_cert_resolver(resolver))
}

/// Returns the identity that a client's certificate proves: it leads to one of the roots, is valid
/// now, and has one URI, which is an identity of this trust domain.
///
/// # Errors
///
/// Returns why it proves none.
pub fn verify_workload(
    chain: &[CertificateDer<'_>],
    roots: &Bundle,
    trust_domain: &str,
    now: OffsetDateTime,
) -> Result<SpiffeId, Unproven> {
    let [leaf, intermediates @ ..] = chain else {
        return Err(Unproven::Missing);
    };
    check_chain(leaf, intermediates).map_err(|fault| Unproven::Chain(fault.into()))?;
    let mut store = RootCertStore::empty();
    for root in roots.to_der() {
        store.add(root).map_err(Unproven::Chain)?;
    }
    let unknown = || Unproven::Chain(CertificateError::UnknownIssuer.into());
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(store), provider)
        .build()
        .map_err(|_| unknown())?;
    let seconds = u64::try_from(now.unix_timestamp()).unwrap_or_default();
    let now = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
    verifier
        .verify_client_cert(leaf, intermediates, now)
        .map_err(Unproven::Chain)?;
    let id = identity(leaf)?;
    if id.trust_domain() != trust_domain {
        return Err(Unproven::ForeignTrustDomain {
            found: id.trust_domain().to_owned(),
            ours: trust_domain.to_owned(),
        });
    }
    Ok(id)
}

/// The only URI of a certificate.
fn identity(leaf: &[u8]) -> Result<SpiffeId, Unproven> {
    let (_, leaf) = X509Certificate::from_der(leaf).map_err(|_| Unproven::Malformed)?;
    let names = AlternativeNames::of(&leaf).map_err(|_| Unproven::Malformed)?;
    match names.uris.as_slice() {
        [uri] => uri.parse().map_err(Unproven::Identity),
        uris => Err(Unproven::Uris(uris.len())),
    }
}

/// A verifier that takes no certificate, or any of which the client has the key.
#[derive(Debug)]
struct Anyone(WebPkiSupportedAlgorithms);

impl ClientCertVerifier for Anyone {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    /// Returns no hints: the CAs may change at any time, and clients have only one certificate.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        check_kept(end_entity, intermediates)?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SanType};

    use super::*;

    type Ca = CertifiedIssuer<'static, KeyPair>;

    fn now() -> OffsetDateTime {
        OffsetDateTime::UNIX_EPOCH + time::Duration::days(20_000)
    }

    fn ca() -> Ca {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
    }

    /// A certificate that is valid for an hour from now.
    fn certificate(ca: &Ca, uris: &[&str]) -> CertificateDer<'static> {
        let mut params = CertificateParams::default();
        params.not_before = now();
        params.not_after = now() + time::Duration::HOUR;
        let uris = uris
            .iter()
            .map(|uri| SanType::URI((*uri).try_into().unwrap()));
        params.subject_alt_names = uris.collect();
        let key = KeyPair::generate().unwrap();
        params.signed_by(&key, ca).unwrap().der().clone()
    }

    const WEB: &str = "spiffe://cluster.local/ns/shop/sa/web";

    fn verify(
        ca: &Ca,
        certificate: &CertificateDer<'static>,
        at: OffsetDateTime,
    ) -> Result<SpiffeId, Unproven> {
        let roots = Bundle::from_pem(&ca.pem()).unwrap();
        let chain = std::slice::from_ref(certificate);
        verify_workload(chain, &roots, "cluster.local", at)
    }

    #[test]
    fn a_certificate_of_the_mesh_proves_its_identity() {
        let ca = ca();
        let id = verify(&ca, &certificate(&ca, &[WEB]), now()).unwrap();
        assert_eq!(id.as_str(), WEB);
    }

    #[test]
    fn other_certificates_prove_nothing() {
        let (ours, other) = (ca(), ca());
        let refused = |uris: &[&str]| verify(&ours, &certificate(&ours, uris), now()).unwrap_err();
        assert!(matches!(refused(&[]), Unproven::Uris(0)));
        assert!(matches!(refused(&[WEB, WEB]), Unproven::Uris(2)));
        assert!(matches!(refused(&["https://web"]), Unproven::Identity(_)));
        let foreign = refused(&["spiffe://other/ns/shop/sa/web"]);
        assert!(
            matches!(foreign, Unproven::ForeignTrustDomain { .. }),
            "{foreign}"
        );
        let stranger = verify(&ours, &certificate(&other, &[WEB]), now()).unwrap_err();
        assert!(matches!(stranger, Unproven::Chain(_)), "{stranger}");
        let none = verify_workload(&[], &Bundle::default(), "cluster.local", now());
        assert!(matches!(none, Err(Unproven::Missing)));
        let no_roots = [certificate(&ours, &[WEB])];
        let no_roots = verify_workload(&no_roots, &Bundle::default(), "cluster.local", now());
        assert!(matches!(no_roots, Err(Unproven::Chain(_))));
    }

    #[test]
    fn a_certificate_proves_nothing_before_and_after_its_time() {
        let ca = ca();
        let certificate = certificate(&ca, &[WEB]);
        let second = time::Duration::SECOND;
        for at in [now() - second, now() + time::Duration::HOUR + second] {
            let refused = verify(&ca, &certificate, at);
            assert!(matches!(refused, Err(Unproven::Chain(_))), "{at}");
        }
    }

    #[test]
    fn a_handshake_takes_any_certificate_of_a_moderate_size() {
        let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms;
        let anyone = Anyone(algorithms);
        assert!(!anyone.client_auth_mandatory());
        let leaf = certificate(&ca(), &[]);
        let takes = |intermediates: &[CertificateDer<'_>]| {
            let verified = anyone.verify_client_cert(&leaf, intermediates, UnixTime::now());
            verified.is_ok()
        };
        assert!(takes(&[]));
        assert!(takes(&[leaf.clone(), leaf.clone()]));
        // Whoever looked for a path to a root among many of one name would take seconds.
        assert!(!takes(&[leaf.clone(), leaf.clone(), leaf.clone()]));
        assert!(!takes(&[CertificateDer::from(vec![0; 8 * 1024])]));
    }
}
