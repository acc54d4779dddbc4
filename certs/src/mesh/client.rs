//! The configuration of clients.

use std::sync::Arc;

use rustls::{
    ClientConfig,
    client::Resumption,
    version::{TLS12, TLS13},
};

use super::{
    identity::Identity, provider::provider, san::SanMatch, trust::Trust, verifier::Verifier,
};
use crate::Error;

/// The most TLS 1.3 tickets that a configuration keeps.
const SESSIONS: usize = 256;

/// What a client offers and which servers it accepts.
#[derive(Debug, Clone)]
pub struct ClientSettings {
    /// The protocols by ALPN, the preferred one first; without any, ALPN is not used.
    pub alpn: Vec<Vec<u8>>,
    /// The servers that are accepted; without any, all of the trusted trust domains.
    pub sans: Vec<SanMatch>,
}

/// Returns the configuration of a client that shows its certificate, and checks the server's by
/// its identity; the name that is asked for only tells the server which service is meant. It
/// speaks TLS 1.3 and 1.2.
///
/// Its sessions belong to the name that is asked for. Where several servers stand behind a name,
/// each with tickets of its own, use [`EndpointConfigs`](super::EndpointConfigs).
///
/// # Errors
///
/// Returns an error if the provider has no cipher suite for these versions.
pub fn client_config(
    identity: &Arc<Identity>,
    trust: &Arc<Trust>,
    settings: &ClientSettings,
) -> Result<Arc<ClientConfig>, Error> {
    let verifier = Verifier::new(trust, settings.sans.clone())?;
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13, &TLS12])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_client_cert_resolver(Arc::clone(&identity.certified) as _);
    config.alpn_protocols.clone_from(&settings.alpn);
    config.resumption = Resumption::in_memory_sessions(SESSIONS);
    config.require_ems = true;
    Ok(Arc::new(config))
}
