//! The configuration of a TLS client.

use std::sync::Arc;

use rustls::{
    ClientConfig, ConfigBuilder, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        WantsClientCert, WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, ServerName, UnixTime},
};

use crate::{Bundle, Error, chain::check_chain};

/// The configuration of a client that trusts the root certificates in a PEM text and presents
/// no certificate, with the protocols that it offers by ALPN, the preferred one first.
///
/// # Errors
///
/// Returns an error if a root is invalid or the text contains none.
pub fn client_config(roots: &str, protocols: &[&[u8]]) -> Result<ClientConfig, Error> {
    let mut config = trusting(roots)?.with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|one| one.to_vec()).collect();
    Ok(config)
}

/// A configuration that trusts the root certificates in a PEM text.
pub(crate) fn trusting(roots: &str) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, Error> {
    let mut store = RootCertStore::empty();
    for root in Bundle::from_pem(roots)?.to_der() {
        store.add(root)?;
    }
    if store.is_empty() {
        return Err(Error::Missing("root certificate"));
    }
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier =
        WebPkiServerVerifier::builder_with_provider(Arc::new(store), Arc::clone(&provider))
            .build()
            .map_err(|error| rustls::Error::General(error.to_string()))?;
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Bounded(verifier))))
}

/// rustls' own verifier, for chains that cost little.
#[derive(Debug)]
struct Bounded(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for Bounded {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        check_chain(end_entity, intermediates)?;
        self.0
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, CertifiedIssuer, KeyPair};

    use super::*;

    fn root() -> String {
        let key = KeyPair::generate().unwrap();
        CertifiedIssuer::self_signed(CertificateParams::default(), key)
            .unwrap()
            .pem()
    }

    #[test]
    fn offers_its_protocols() {
        let config = client_config(&root(), &[b"h2"]).unwrap();
        assert_eq!(config.alpn_protocols, [b"h2"]);
    }

    #[test]
    fn looks_for_no_path_in_a_crowd_of_one_name() {
        let pems: Vec<_> = (0..4).map(|_| root()).collect();
        let namesakes = Bundle::from_pem(&pems.concat()).unwrap();
        let namesakes: Vec<_> = namesakes.to_der().collect();
        let mut store = RootCertStore::empty();
        store.add(namesakes[0].clone()).unwrap();
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider);
        let verifier = Bounded(verifier.build().unwrap());
        let name = ServerName::try_from("a.example").unwrap();
        let refused = |above| {
            let (leaf, now) = (&namesakes[0], UnixTime::now());
            let verified = verifier.verify_server_cert(leaf, above, &name, &[], now);
            verified.unwrap_err().to_string()
        };
        assert!(refused(&namesakes[1..]).contains("of one name"));
        assert!(!refused(&namesakes[1..3]).contains("of one name"));
    }

    #[test]
    fn refuses_a_text_without_roots() {
        for text in ["", "no PEM"] {
            assert!(client_config(text, &[]).is_err(), "{text}");
        }
    }
}
