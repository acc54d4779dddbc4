//! The certificate that a running server presents.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use rustls::{
    ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
    version::{TLS12, TLS13},
};

use crate::{Error, Pair};

/// Holds the certificate that handshakes are answered with. Connections that
/// are up keep theirs.
#[derive(Debug, Default)]
pub struct Resolver(ArcSwapOption<CertifiedKey>);

impl Resolver {
    /// Presents this certificate from now on.
    pub fn replace(&self, pair: &Pair) {
        self.0.store(Some(pair.certified()));
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.load_full()
    }
}

/// Makes aws-lc-rs the process' TLS provider. The first line of every `main`.
pub fn install_provider() {
    // It fails when there is one already, which here can only be the same.
    let _ = CryptoProvider::install_default(aws_lc_rs::default_provider());
}

/// A server's configuration: TLS 1.2 and 1.3, no client certificates, and the
/// certificate that the resolver holds at the time of each handshake.
///
/// # Errors
///
/// When the provider lacks a cipher suite for these versions.
pub fn server_config(resolver: Arc<Resolver>) -> Result<ServerConfig, Error> {
    let builder = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    Ok(builder
        .with_protocol_versions(&[&TLS13, &TLS12])?
        .with_no_client_auth()
        .with_cert_resolver(resolver))
}
