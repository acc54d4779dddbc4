//! Workloads of others, which speak no newer TLS than 1.2.

use std::sync::Arc;

use pillion_certs::{Clients, mesh::Identity, unverified_client_config_for};
use rustls::{ClientConfig, ServerConfig, crypto::aws_lc_rs, version::TLS12};

use crate::support::{Ca, client, server};

/// A client that takes any server.
pub fn old_client(identity: &Arc<Identity>, ca: &Ca) -> Arc<ClientConfig> {
    let mut config = unverified_client_config_for(&[&TLS12]).unwrap();
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
