//! The configuration of a TLS client.

use std::sync::Arc;

use rustls::{
    ClientConfig, ConfigBuilder, RootCertStore, client::WantsClientCert, crypto::aws_lc_rs,
};

use crate::{Bundle, Error};

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
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(store))
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
    fn refuses_a_text_without_roots() {
        for text in ["", "no PEM"] {
            assert!(client_config(text, &[]).is_err(), "{text}");
        }
    }
}
