//! rustls' configurations, which are made when they are needed first.

use std::{
    collections::HashMap,
    hash::Hash,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError, atomic::AtomicU64},
};

use pillion_certs::mesh::{
    self, ClientSettings, EndpointConfig, EndpointConfigs, ServerSettings, Tickets, client_config,
    server_config,
};
use pillion_telemetry::{Rates, Throttle};
use rustls::{ClientConfig, ServerConfig};
use time::OffsetDateTime;

use super::{failure::TlsFailure, outside::OutsideConfigs};
use crate::{
    identity::Credentials,
    tables::{Carried, DownstreamTls, SanMatch, UpstreamTls},
};

/// Configurations that are kept of either side.
const MAX_CONFIGS: usize = 1_024;
/// Endpoints whose sessions are kept, of all configurations together: at some 3.5 kB for each of the four
/// tickets that one may have, at most 56 MiB where a proxy speaks to that many.
const MAX_ENDPOINTS: usize = 4_096;
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
    pub(super) outside: OutsideConfigs,
    /// Clients that have broken the rules of TLS after their handshakes, and have not been counted yet.
    pub(super) violations: Arc<AtomicU64>,
}

/// Those of one generation of credentials.
#[derive(Debug)]
struct Made {
    generation: u64,
    servers: HashMap<(Arc<DownstreamTls>, bool), Arc<ServerConfig>>,
    clients: HashMap<(Arc<UpstreamTls>, Carried), Arc<ClientConfig>>,
    /// The sessions with servers.
    endpoints: Arc<EndpointConfigs>,
}

impl Default for Made {
    fn default() -> Self {
        Self {
            generation: 0,
            servers: HashMap::default(),
            clients: HashMap::default(),
            endpoints: Arc::new(EndpointConfigs::new(MAX_ENDPOINTS)),
        }
    }
}

impl Default for Configs {
    fn default() -> Self {
        Self {
            made: Mutex::default(),
            tickets: Mutex::default(),
            warnings: Throttle::new(WARNINGS),
            outside: OutsideConfigs::default(),
            violations: Arc::default(),
        }
    }
}

impl Configs {
    /// The configuration for clients. Without `agrees`, no protocol is agreed on.
    pub(super) fn server(
        &self,
        credentials: &Credentials,
        tls: &Arc<DownstreamTls>,
        agrees: bool,
    ) -> Result<Arc<ServerConfig>, TlsFailure> {
        let key = (Arc::clone(tls), agrees);
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
        Ok(self.with(credentials, |made| keep(&mut made.servers, key, config)))
    }

    /// The configuration for connections to that endpoint of a cluster, with its sessions.
    pub(super) fn client(
        &self,
        credentials: &Credentials,
        tls: &Arc<UpstreamTls>,
        (carried, to): (Carried, SocketAddr),
    ) -> Result<Arc<EndpointConfig>, TlsFailure> {
        let key = (Arc::clone(tls), carried);
        let (known, endpoints) = self.with(credentials, |made| {
            let known = made.clients.get(&key).cloned();
            (known, Arc::clone(&made.endpoints))
        });
        let now = OffsetDateTime::now_utc();
        if let Some(known) = known {
            return Ok(endpoints.of(&known, to, now));
        }
        let settings = ClientSettings {
            alpn: tls.offered(carried),
            sans: sans(&tls.sans),
        };
        let common = client_config(&credentials.identity, &credentials.trust, &settings)?;
        let common = self.with(credentials, |made| keep(&mut made.clients, key, common));
        Ok(endpoints.of(&common, to, now))
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

/// Keeps it, and returns what is kept: another worker may have been faster.
fn keep<K: Hash + Eq, V: Clone>(known: &mut HashMap<K, V>, key: K, value: V) -> V {
    if known.len() >= MAX_CONFIGS {
        known.clear();
    }
    known.entry(key).or_insert(value).clone()
}

fn sans(names: &[SanMatch]) -> Vec<mesh::SanMatch> {
    let names = names.iter().map(|name| match name {
        SanMatch::Exact(text) => mesh::SanMatch::UriExact(text.to_string()),
        SanMatch::Prefix(text) => mesh::SanMatch::UriPrefix(text.to_string()),
    });
    names.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::test_util::Mesh;

    fn tls(san: &str) -> Arc<UpstreamTls> {
        let sans = vec![SanMatch::Exact(san.into())];
        Arc::new(UpstreamTls::new("a".into(), vec!["istio".into()], sans))
    }

    #[test]
    fn equal_tables_of_other_generations_share_a_configuration_and_its_sessions() {
        let (configs, credentials) = (Configs::default(), Mesh::new().credentials("web", 1));
        let to = |last: u8| SocketAddr::from(([10, 0, 0, last], 80));
        let of = |tls: &Arc<UpstreamTls>, carried, last| {
            let found = configs.client(&credentials, tls, (carried, to(last)));
            found.unwrap().config()
        };
        let first = of(&tls("a"), Carried::Http1, 1);
        assert!(Arc::ptr_eq(&first, &of(&tls("a"), Carried::Http1, 1)));
        for other in [
            of(&tls("a"), Carried::Http1, 2),
            of(&tls("a"), Carried::Http2, 1),
            of(&tls("b"), Carried::Http1, 1),
        ] {
            assert!(!Arc::ptr_eq(&first, &other));
        }
        let server = |alpn: &str, agrees| {
            let tls = Arc::new(DownstreamTls::new(vec![alpn.into()], Vec::new()));
            configs.server(&credentials, &tls, agrees).unwrap()
        };
        let h2 = server("h2", true);
        assert!(Arc::ptr_eq(&h2, &server("h2", true)));
        assert!(!Arc::ptr_eq(&h2, &server("h2", false)));
        assert!(!Arc::ptr_eq(&h2, &server("http/1.1", true)));
    }

    #[test]
    fn another_certificate_begins_anew() {
        let (configs, mesh) = (Configs::default(), Mesh::new());
        let to = (Carried::Bytes, SocketAddr::from(([10, 0, 0, 1], 80)));
        let tls = tls("a");
        let of = |generation| {
            let credentials = mesh.credentials("web", generation);
            configs.client(&credentials, &tls, to).unwrap().config()
        };
        let first = of(1);
        let second = of(2);
        assert!(!Arc::ptr_eq(&first, &second));
        // A worker that is behind gets one, and takes nothing from the others.
        let _ = of(1);
        assert!(Arc::ptr_eq(&second, &of(2)));
    }
}
