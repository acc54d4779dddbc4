//! rustls' configurations, which are made when they are needed first.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
};

use pillion_certs::mesh::{
    self, ClientSettings, EndpointConfigs, ServerSettings, Tickets, client_config, server_config,
};
use pillion_telemetry::{Rates, Throttle};
use rustls::ServerConfig;

use super::failure::TlsFailure;
use crate::{
    identity::Credentials,
    tables::{Carried, DownstreamTls, SanMatch, UpstreamTls},
};

/// Configurations that are kept of either side.
const MAX_CONFIGS: usize = 1_024;
/// Endpoints of one configuration whose sessions are kept.
const MAX_ENDPOINTS: usize = 256;
/// Lines of the log about handshakes that have failed, which callers can cause at will.
const WARNINGS: Rates = Rates {
    each: 1,
    first: 5,
    more: 5,
};

/// What the workers of a process share: one configuration for all connections alike, so that the
/// sessions of one worker are resumed by the others.
#[derive(Debug)]
pub(crate) struct Configs {
    made: Mutex<Made>,
    /// `None` if there was no randomness for it, which is asked for again.
    tickets: Mutex<Option<Tickets>>,
    pub(super) warnings: Throttle,
}

/// Those of one generation of credentials.
#[derive(Debug, Default)]
struct Made {
    generation: u64,
    servers: HashMap<(DownstreamTls, bool), Arc<ServerConfig>>,
    clients: HashMap<(UpstreamTls, Carried), Arc<EndpointConfigs>>,
}

impl Default for Configs {
    fn default() -> Self {
        Self {
            made: Mutex::default(),
            tickets: Mutex::default(),
            warnings: Throttle::new(WARNINGS),
        }
    }
}

impl Configs {
    /// The configuration for clients. Without `agrees`, no protocol is agreed on.
    pub(super) fn server(
        &self,
        credentials: &Credentials,
        tls: &DownstreamTls,
        agrees: bool,
    ) -> Result<Arc<ServerConfig>, TlsFailure> {
        let key = (tls.clone(), agrees);
        if let Some(known) = self.with(credentials, |made| made.servers.get(&key).cloned()) {
            return Ok(known);
        }
        let alpn = tls.alpn.iter().filter(|_| agrees);
        let settings = ServerSettings {
            alpn: alpn.map(|protocol| protocol.as_bytes().to_vec()).collect(),
            sans: (!tls.sans.is_empty()).then(|| sans(&tls.sans)),
            tickets: self.tickets()?,
        };
        let config = server_config(&credentials.identity, &credentials.trust, &settings)?;
        self.with(credentials, |made| {
            keep(&mut made.servers, key, Arc::clone(&config));
        });
        Ok(config)
    }

    /// The configurations for connections to the endpoints of a cluster.
    pub(super) fn client(
        &self,
        credentials: &Credentials,
        tls: &UpstreamTls,
        carried: Carried,
    ) -> Result<Arc<EndpointConfigs>, TlsFailure> {
        let key = (tls.clone(), carried);
        if let Some(known) = self.with(credentials, |made| made.clients.get(&key).cloned()) {
            return Ok(known);
        }
        let offers = tls.offers(carried).into_iter();
        let settings = ClientSettings {
            alpn: offers
                .map(|protocol| protocol.as_bytes().to_vec())
                .collect(),
            sans: sans(&tls.sans),
        };
        let common = client_config(&credentials.identity, &credentials.trust, &settings)?;
        let configs = Arc::new(EndpointConfigs::new(common, MAX_ENDPOINTS));
        self.with(credentials, |made| {
            keep(&mut made.clients, key, Arc::clone(&configs));
        });
        Ok(configs)
    }

    fn tickets(&self) -> Result<Tickets, TlsFailure> {
        let mut tickets = self.tickets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tickets) = &*tickets {
            return Ok(tickets.clone());
        }
        Ok(tickets.insert(Tickets::new()?).clone())
    }

    /// Looks at what has been made for these credentials. Workers may still have those before.
    fn with<T>(&self, credentials: &Credentials, look: impl FnOnce(&mut Made) -> T) -> T {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if made.generation < credentials.generation {
            *made = Made {
                generation: credentials.generation,
                ..Made::default()
            };
        }
        match made.generation == credentials.generation {
            true => look(&mut made),
            false => look(&mut Made::default()),
        }
    }
}

fn keep<K: Hash + Eq, V>(known: &mut HashMap<K, V>, key: K, value: V) {
    if known.len() >= MAX_CONFIGS {
        known.clear();
    }
    known.insert(key, value);
}

fn sans(names: &[SanMatch]) -> Vec<mesh::SanMatch> {
    let names = names.iter().map(|name| match name {
        SanMatch::Exact(text) => mesh::SanMatch::UriExact(text.to_string()),
        SanMatch::Prefix(text) => mesh::SanMatch::UriPrefix(text.to_string()),
    });
    names.collect()
}
