//! The configurations of a client for the endpoints of a service.

use std::{
    collections::{HashMap, VecDeque},
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use rustls::{ClientConfig, client::Resumption};
use time::OffsetDateTime;

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

/// What is kept of an endpoint.
#[derive(Debug)]
struct Endpoint {
    config: Arc<ClientConfig>,
    /// When the first certificate ends that its sessions began with.
    ends: Option<OffsetDateTime>,
}

#[derive(Debug, Default)]
struct Known {
    configs: HashMap<SocketAddr, Endpoint>,
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
    pub fn of(&self, endpoint: SocketAddr, now: OffsetDateTime) -> Arc<ClientConfig> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = known.configs.get_mut(&endpoint) {
            if found.ends.is_some_and(|ends| ends <= now) {
                *found = self.new_endpoint();
            }
            return Arc::clone(&found.config);
        }
        if known.order.len() >= self.most
            && let Some(oldest) = known.order.pop_front()
        {
            known.configs.remove(&oldest);
        }
        let new = self.new_endpoint();
        let config = Arc::clone(&new.config);
        known.configs.insert(endpoint, new);
        known.order.push_back(endpoint);
        config
    }

    /// An endpoint has proved who it is by a certificate that ends then. Its sessions, in which the
    /// certificate stays the one that they began with, are of no use afterwards.
    pub fn admitted(&self, endpoint: SocketAddr, ends: OffsetDateTime) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = known.configs.get_mut(&endpoint) {
            // Sessions of an older certificate may be among them.
            found.ends = Some(found.ends.map_or(ends, |before| before.min(ends)));
        }
    }

    fn new_endpoint(&self) -> Endpoint {
        let mut config = ClientConfig::clone(&self.common);
        config.resumption = Resumption::in_memory_sessions(TICKETS);
        Endpoint {
            config: Arc::new(config),
            ends: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unverified_client_config;

    #[test]
    fn keeps_the_sessions_of_the_latest_endpoints() {
        let common = Arc::new(unverified_client_config().unwrap());
        let configs = EndpointConfigs::new(common, 2);
        let endpoint = |port| SocketAddr::from(([10, 0, 0, 1], port));
        let of = |port| configs.of(endpoint(port), OffsetDateTime::UNIX_EPOCH);
        let [first, second] = [1, 2].map(of);
        assert!(!Arc::ptr_eq(&first, &second));
        assert!(Arc::ptr_eq(&first, &of(1)));
        let _third = of(3);
        assert!(Arc::ptr_eq(&second, &of(2)));
        assert!(!Arc::ptr_eq(&first, &of(1)));
        assert_eq!(configs.known.lock().unwrap().configs.len(), 2);
    }

    #[test]
    fn sessions_end_with_the_first_certificate_that_is_in_them() {
        let common = Arc::new(unverified_client_config().unwrap());
        let configs = EndpointConfigs::new(common, 2);
        let endpoint = SocketAddr::from(([10, 0, 0, 1], 1));
        let at = |second| OffsetDateTime::UNIX_EPOCH + time::Duration::seconds(second);
        let first = configs.of(endpoint, at(0));
        configs.admitted(endpoint, at(10));
        configs.admitted(endpoint, at(20));
        assert!(Arc::ptr_eq(&first, &configs.of(endpoint, at(9))));
        let second = configs.of(endpoint, at(10));
        assert!(!Arc::ptr_eq(&first, &second));
        assert!(Arc::ptr_eq(&second, &configs.of(endpoint, at(15))));
    }
}
