//! The configuration of servers.

use std::sync::Arc;

use aws_lc_rs::digest::{Context, SHA256};
use rustls::{
    ServerConfig,
    server::NoServerSessionStorage,
    version::{TLS12, TLS13},
};

use super::{
    identity::Identity, provider::provider, san::SanMatch, tickets::Tickets, trust::Trust,
    verifier::Verifier,
};
use crate::Error;

/// What a server offers and whom it accepts.
#[derive(Debug, Clone)]
pub struct ServerSettings {
    /// The protocols by ALPN, the preferred one first; without any, ALPN is not used.
    pub alpn: Vec<Vec<u8>>,
    /// The clients that are accepted; `None` for all of the trusted trust domains.
    pub sans: Option<Vec<SanMatch>>,
    /// The keys of the tickets by which clients resume sessions.
    pub tickets: Tickets,
}

/// Returns the configuration of a server that requires the certificate of a workload from each
/// client. It speaks TLS 1.3 and 1.2.
///
/// # Errors
///
/// Returns an error if the list of accepted clients is empty, or the provider has no cipher suite
/// for these versions.
pub fn server_config(
    identity: &Arc<Identity>,
    trust: &Arc<Trust>,
    settings: &ServerSettings,
) -> Result<Arc<ServerConfig>, Error> {
    let sans = match &settings.sans {
        // An empty list must not be taken for all.
        Some(sans) if sans.is_empty() => return Err(Error::Missing("name of a client")),
        Some(sans) => sans.clone(),
        None => Vec::new(),
    };
    let context = context(trust, &sans);
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13, &TLS12])?
        .with_client_cert_verifier(Arc::new(Verifier::new(trust, sans)?))
        .with_cert_resolver(Arc::clone(&identity.certified) as _);
    // Clients of other libraries prefer suites with SHA-384, which takes several times as long for each
    // handshake and is no stronger with keys on P-256.
    config.ignore_client_order = true;
    config.alpn_protocols.clone_from(&settings.alpn);
    config.ticketer = settings.tickets.within(context);
    // A ticket holds the client's certificates. One for each handshake is as many as clients use.
    config.send_tls13_tickets = 1;
    // Sessions of clients without tickets would be kept across changes of trust.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.require_ems = true;
    Ok(Arc::new(config))
}

/// What a session's client was checked by.
fn context(trust: &Trust, sans: &[SanMatch]) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    context.update(&trust.fingerprint);
    for san in sans {
        let (kind, text) = match san {
            SanMatch::UriExact(text) => (0, text),
            SanMatch::UriPrefix(text) => (1, text),
        };
        context.update(&[kind]);
        context.update(&text.len().to_be_bytes());
        context.update(text.as_bytes());
    }
    let mut digest = [0; 32];
    digest.copy_from_slice(context.finish().as_ref());
    digest
}
