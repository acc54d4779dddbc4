//! TLS clients that take any certificate.

use std::sync::Arc;

use rustls::{
    ClientConfig, DEFAULT_VERSIONS, DigitallySignedStruct, Error, SignatureScheme,
    SupportedProtocolVersion,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, ServerName, UnixTime},
};

/// The configuration of a client that takes any certificate, as the kubelet's checks of a
/// pod's health do: they ask whether somebody answers, and tell nobody a secret.
///
/// # Errors
///
/// When the provider has no protocol in common with rustls, which its own tests rule out.
pub fn unverified_client_config() -> Result<ClientConfig, Error> {
    unverified_client_config_for(DEFAULT_VERSIONS)
}

/// The same for a client that speaks only these versions of TLS.
///
/// # Errors
///
/// When the provider speaks none of these versions.
pub fn unverified_client_config_for(
    versions: &[&'static SupportedProtocolVersion],
) -> Result<ClientConfig, Error> {
    unverified_client_config_with(aws_lc_rs::default_provider(), versions)
}

/// The same for a client with the ciphers of this provider.
///
/// # Errors
///
/// When the provider speaks none of these versions.
pub fn unverified_client_config_with(
    provider: CryptoProvider,
    versions: &[&'static SupportedProtocolVersion],
) -> Result<ClientConfig, Error> {
    let provider = Arc::new(provider);
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider));
    Ok(builder
        .with_protocol_versions(versions)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anyone(provider)))
        .with_no_client_auth())
}

/// Takes every certificate, also one that can't be read.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        // A signature by a key that anyone may have made proves nothing.
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = self.0.signature_verification_algorithms;
        algorithms.supported_schemes()
    }
}
