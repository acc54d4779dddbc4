//! The certificate that a running server presents.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use rustls::{
    ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    server::{ClientHello, NoServerSessionStorage, ResolvesServerCert},
    sign::CertifiedKey,
    version::{TLS12, TLS13},
};

use crate::{Clients, Error, Pair};

/// Holds the certificate for TLS handshakes. Replacing it does not affect existing
/// connections.
#[derive(Debug, Default)]
pub struct Resolver(ArcSwapOption<CertifiedKey>);

impl Resolver {
    /// Replaces the certificate for future handshakes.
    pub fn replace(&self, pair: &Pair) {
        self.0.store(Some(pair.certified()));
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.load_full()
    }
}

/// Makes aws-lc-rs the process' TLS provider. Call it first in every `main`.
pub fn install_provider() {
    // This fails if a provider is already installed, which can only be the same one.
    let _ = CryptoProvider::install_default(aws_lc_rs::default_provider());
}

/// Returns a server configuration for TLS 1.2 and 1.3, without client certificates. Each
/// handshake uses the resolver's certificate at that time.
///
/// # Errors
///
/// Returns an error if the provider has no cipher suite for these versions.
pub fn server_config(resolver: Arc<Resolver>) -> Result<ServerConfig, Error> {
    let builder = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    Ok(builder
        .with_protocol_versions(&[&TLS13, &TLS12])?
        .with_no_client_auth()
        .with_cert_resolver(resolver))
}

/// Returns the same configuration as [`server_config`], but requires client certificates.
///
/// # Errors
///
/// Returns an error if the provider has no cipher suite for these versions.
pub fn mutual_server_config(
    resolver: Arc<Resolver>,
    clients: Arc<Clients>,
) -> Result<ServerConfig, Error> {
    let builder = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let mut config = builder
        .with_protocol_versions(&[&TLS13, &TLS12])?
        .with_client_cert_verifier(clients)
        .with_cert_resolver(resolver);
    // Resuming a session would skip the check of the certificate, whose CA may no longer be
    // trusted.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

#[cfg(test)]
mod tests {
    use rustls::{
        ClientConfig, ClientConnection, HandshakeKind, RootCertStore, ServerConnection,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    };
    use time::OffsetDateTime;

    use super::*;
    use crate::Authority;

    fn pair(name: &str) -> (Authority, Pair) {
        let (now, day) = (OffsetDateTime::now_utc(), time::Duration::DAY);
        let authority = Authority::generate("ca", now, day).unwrap();
        let pair = authority.issue(&[name.to_owned()], now, day).unwrap();
        (authority, pair)
    }

    /// Returns the kind of handshake of a client that reuses its sessions with the server.
    fn shake_hands(client: &Arc<ClientConfig>, server: &Arc<ServerConfig>) -> HandshakeKind {
        let name = "server.example".try_into().unwrap();
        let mut client = ClientConnection::new(Arc::clone(client), name).unwrap();
        let mut server = ServerConnection::new(Arc::clone(server)).unwrap();
        while client.wants_write() || server.wants_write() {
            let mut bytes = Vec::new();
            while client.wants_write() {
                client.write_tls(&mut bytes).unwrap();
            }
            server.read_tls(&mut bytes.as_slice()).unwrap();
            server.process_new_packets().unwrap();
            bytes.clear();
            while server.wants_write() {
                server.write_tls(&mut bytes).unwrap();
            }
            client.read_tls(&mut bytes.as_slice()).unwrap();
            client.process_new_packets().unwrap();
        }
        server.handshake_kind().unwrap()
    }

    /// A certificate is checked at the start of a session only.
    #[test]
    fn sessions_of_clients_with_a_certificate_are_not_resumed() {
        let (authority, serving) = pair("server.example");
        let resolver = Arc::new(Resolver::default());
        resolver.replace(&serving);
        let mut roots = RootCertStore::empty();
        let der = |pem: &str| CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
        roots.add(der(authority.certificate())).unwrap();
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::default();
        let identity = params.self_signed(&key).unwrap();
        let clients = Arc::new(Clients::new([]));
        clients.trust(&identity.pem()).unwrap();
        let open = Arc::new(server_config(Arc::clone(&resolver)).unwrap());
        let mutual = Arc::new(mutual_server_config(resolver, clients).unwrap());
        for version in [&TLS12, &TLS13] {
            let provider = Arc::new(aws_lc_rs::default_provider());
            let client = ClientConfig::builder_with_provider(provider)
                .with_protocol_versions(&[version])
                .unwrap()
                .with_root_certificates(roots.clone());
            let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
            let client = client.with_client_auth_cert(vec![identity.der().clone()], key);
            let client = Arc::new(client.unwrap());
            let twice = |server| [(); 2].map(|()| shake_hands(&client, server));
            let full = HandshakeKind::Full;
            assert_eq!(twice(&mutual), [full, full], "{version:?}");
            // Without client certificates, the session is resumed.
            assert_eq!(twice(&open), [full, HandshakeKind::Resumed], "{version:?}");
        }
    }
}
