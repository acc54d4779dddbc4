//! How a port speaks TLS.

use std::sync::Arc;

use rustls::ServerConfig;
use tokio_rustls::TlsAcceptor;

use crate::Condition;

/// How a port speaks TLS.
#[derive(Clone)]
pub struct Tls {
    pub(crate) acceptor: TlsAcceptor,
    /// Without a certificate handshakes have to fail, and `/readyz` says why.
    pub(crate) certificate: Condition,
    pub(crate) hint: &'static str,
}

impl Tls {
    /// TLS with HTTP/1.1 and HTTP/2 offered by ALPN, whatever the configuration
    /// says. Handshakes that fail are counted and logged while `certificate`
    /// holds; `hint` ends the line in the log and says what to do about it.
    #[must_use]
    pub fn new(config: &ServerConfig, certificate: Condition, hint: &'static str) -> Self {
        let mut config = config.clone();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Self {
            acceptor: TlsAcceptor::from(Arc::new(config)),
            certificate,
            hint,
        }
    }
}
