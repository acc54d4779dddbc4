//! The configurations of a client for the endpoints of a service.

use std::{
    collections::{HashMap, VecDeque},
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use rustls::{ClientConfig, client::Resumption};

/// The tickets that are kept for each endpoint.
const TICKETS: usize = 8;

/// A client's configurations for the endpoints of a service: all alike, but each with its own
/// sessions, because a ticket is of use only at the server that gave it.
#[derive(Debug)]
pub struct EndpointConfigs {
    common: Arc<ClientConfig>,
    most: usize,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    configs: HashMap<SocketAddr, Arc<ClientConfig>>,
    /// The endpoints, the one that has been known longest first.
    order: VecDeque<SocketAddr>,
}

impl EndpointConfigs {
    /// Makes them like this one. The sessions of at most so many endpoints are kept.
    #[must_use]
    pub fn new(common: Arc<ClientConfig>, most: usize) -> Self {
        Self {
            common,
            most: most.max(1),
            known: Mutex::default(),
        }
    }

    /// The configuration for connections to this endpoint.
    #[must_use]
    pub fn of(&self, endpoint: SocketAddr) -> Arc<ClientConfig> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(config) = known.configs.get(&endpoint) {
            return Arc::clone(config);
        }
        if known.order.len() >= self.most
            && let Some(oldest) = known.order.pop_front()
        {
            known.configs.remove(&oldest);
        }
        let mut config = ClientConfig::clone(&self.common);
        config.resumption = Resumption::in_memory_sessions(TICKETS);
        let config = Arc::new(config);
        known.configs.insert(endpoint, Arc::clone(&config));
        known.order.push_back(endpoint);
        config
    }
}
