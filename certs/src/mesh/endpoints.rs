//! The configurations of a client for the endpoints of services.

use std::{
    collections::{HashMap, VecDeque},
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use rustls::{ClientConfig, client::Resumption};
use time::OffsetDateTime;

use super::sessions::Sessions;

/// A client's configurations for the endpoints of all services: those of a service are alike, but each with
/// its own sessions, because a ticket is of use only at the server that gave it. They are few and of the
/// whole process, so that its memory does not grow with the mesh.
#[derive(Debug)]
pub struct EndpointConfigs {
    most: usize,
    known: Mutex<Known>,
}

/// The configuration for connections to an endpoint.
#[derive(Debug)]
pub struct EndpointConfig {
    /// Identifies the service as long as it is held.
    common: Arc<ClientConfig>,
    config: Arc<ClientConfig>,
    /// When the first certificate ends that its sessions began with.
    ends: Mutex<Option<OffsetDateTime>>,
}

/// A service, by where its configuration is, and one of its endpoints.
type Key = (usize, SocketAddr);

#[derive(Debug, Default)]
struct Known {
    configs: HashMap<Key, Arc<EndpointConfig>>,
    /// The endpoints, the one that has been known longest first.
    order: VecDeque<Key>,
}

impl EndpointConfigs {
    /// Keeps the sessions of at most so many endpoints.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self {
            most: most.max(1),
            known: Mutex::default(),
        }
    }

    /// The configuration for connections to this endpoint of the service whose endpoints have `common`.
    #[must_use]
    pub fn of(
        &self,
        common: &Arc<ClientConfig>,
        endpoint: SocketAddr,
        now: OffsetDateTime,
    ) -> Arc<EndpointConfig> {
        let key = (Arc::as_ptr(common).addr(), endpoint);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = known.configs.get_mut(&key) {
            if found.has_ended(now) {
                *found = EndpointConfig::new(&found.common);
            }
            return Arc::clone(found);
        }
        if known.order.len() >= self.most
            && let Some(oldest) = known.order.pop_front()
        {
            known.configs.remove(&oldest);
        }
        let new = EndpointConfig::new(common);
        known.configs.insert(key, Arc::clone(&new));
        known.order.push_back(key);
        new
    }
}

impl EndpointConfig {
    fn new(common: &Arc<ClientConfig>) -> Arc<Self> {
        let mut config = ClientConfig::clone(common);
        config.resumption = Resumption::store(Arc::new(Sessions::default()));
        Arc::new(Self {
            common: Arc::clone(common),
            config: Arc::new(config),
            ends: Mutex::default(),
        })
    }

    /// What connections are made with.
    #[must_use]
    pub fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.config)
    }

    /// Records that the endpoint presented a certificate that expires at this time. A session keeps the
    /// certificate that it began with, so it is of no use afterwards.
    pub fn admitted(&self, ends: OffsetDateTime) {
        let mut known = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        // Sessions of an older certificate may be among them.
        *known = Some(known.map_or(ends, |before| before.min(ends)));
    }

    fn has_ended(&self, now: OffsetDateTime) -> bool {
        let ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        ends.is_some_and(|ends| ends <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unverified_client_config;

    const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    fn service() -> Arc<ClientConfig> {
        Arc::new(unverified_client_config().unwrap())
    }

    fn endpoint(port: u16) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, 1], port))
    }

    #[test]
    fn keeps_the_sessions_of_the_latest_endpoints() {
        let (configs, service) = (EndpointConfigs::new(2), service());
        let of = |port| configs.of(&service, endpoint(port), NOW);
        let [first, second] = [1, 2].map(of);
        assert!(!Arc::ptr_eq(&first, &second));
        assert!(Arc::ptr_eq(&first, &of(1)));
        let _third = of(3);
        assert!(Arc::ptr_eq(&second, &of(2)));
        assert!(!Arc::ptr_eq(&first, &of(1)));
        assert_eq!(configs.known.lock().unwrap().configs.len(), 2);
    }

    #[test]
    fn all_services_together_have_so_many() {
        let configs = EndpointConfigs::new(3);
        let services = [(); 5].map(|()| service());
        let first = configs.of(&services[0], endpoint(1), NOW);
        let other = configs.of(&services[1], endpoint(1), NOW);
        assert!(!Arc::ptr_eq(&first.config(), &other.config()));
        for service in &services {
            let _ = configs.of(service, endpoint(1), NOW);
        }
        let known = configs.known.lock().unwrap();
        assert_eq!((known.configs.len(), known.order.len()), (3, 3));
    }

    #[test]
    fn another_service_never_has_the_sessions_of_one_that_is_gone() {
        let (configs, gone) = (EndpointConfigs::new(8), service());
        let held = Arc::downgrade(&gone);
        let _ = configs.of(&gone, endpoint(1), NOW);
        drop(gone);
        // The entries of its endpoints keep it, so that no other configuration can get its address.
        let known = held.upgrade().unwrap();
        let entry = configs.of(&known, endpoint(1), NOW);
        assert!(Arc::ptr_eq(&entry.common, &known));
    }

    #[test]
    fn sessions_end_with_the_first_certificate_that_is_in_them() {
        let (configs, service) = (EndpointConfigs::new(2), service());
        let at = |second| NOW + time::Duration::seconds(second);
        let of = |second| configs.of(&service, endpoint(1), at(second));
        let first = of(0);
        first.admitted(at(10));
        first.admitted(at(20));
        assert!(Arc::ptr_eq(&first, &of(9)));
        let second = of(10);
        assert!(!Arc::ptr_eq(&first, &second));
        assert!(Arc::ptr_eq(&second, &of(15)));
    }
}
