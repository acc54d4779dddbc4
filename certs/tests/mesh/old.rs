//! Workloads of others, which speak no newer TLS than 1.2.

use std::sync::Arc;

use pillion_certs::{Clients, mesh::Identity};
use rustls::{
    ClientConfig, DigitallySignedStruct, Error, ServerConfig, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, ServerName, UnixTime},
    version::TLS12,
};

use crate::support::{Ca, client, server};

/// A client that takes any server.
pub fn old_client(identity: &Arc<Identity>, ca: &Ca) -> Arc<ClientConfig> {
    let provider = aws_lc_rs::default_provider();
    let mut config = ClientConfig::builder_with_provider(provider.into())
        .with_protocol_versions(&[&TLS12])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anyone))
        .with_no_client_auth();
    let new = client(identity, &ca.trust(), &[]);
    config.client_auth_cert_resolver = Arc::clone(&new.client_auth_cert_resolver);
    Arc::new(config)
}

/// A server that takes any client of the CA.
pub fn old_server(identity: &Arc<Identity>, ca: &Ca) -> Arc<ServerConfig> {
    let clients = Arc::new(Clients::new([]));
    clients.trust(&ca.root().to_pem()).unwrap();
    let new = server(identity, &ca.trust());
    let provider = aws_lc_rs::default_provider();
    let config = ServerConfig::builder_with_provider(provider.into())
        .with_protocol_versions(&[&TLS12])
        .unwrap()
        .with_client_cert_verifier(clients)
        .with_cert_resolver(Arc::clone(&new.cert_resolver));
    Arc::new(config)
}

#[derive(Debug)]
struct Anyone;

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
        vec![SignatureScheme::ECDSA_NISTP256_SHA256]
    }
}
