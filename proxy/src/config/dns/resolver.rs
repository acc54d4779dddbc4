//! One lookup.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use hickory_resolver::{TokioResolver, config::LookupIpStrategy, net::NetError};
#[cfg(test)]
use hickory_resolver::{config::ResolverConfig, net::runtime::TokioRuntimeProvider};

use crate::config::compile::Family;

/// How names are looked up.
#[derive(Debug, Clone, Default)]
pub(crate) enum Servers {
    /// As the system does: `/etc/resolv.conf` and `/etc/hosts`.
    #[default]
    System,
    /// With these.
    #[cfg(test)]
    These(ResolverConfig),
}

/// Looks names up.
#[derive(Debug, Default)]
pub(super) struct Resolver {
    servers: Servers,
    /// One for each family: the library asks all questions of a resolver in the same way.
    families: Mutex<HashMap<Family, Arc<TokioResolver>>>,
}

impl Resolver {
    /// With those servers.
    pub fn new(servers: Servers) -> Self {
        Self {
            servers,
            ..Self::default()
        }
    }

    /// The addresses of a name, and for how long they hold.
    ///
    /// # Errors
    ///
    /// When there are none, no server answers, or the system's configuration can't be read.
    pub async fn lookup(
        &self,
        name: &str,
        family: Family,
    ) -> Result<(Vec<IpAddr>, Duration), NetError> {
        let resolver = self.of(family)?;
        let found = resolver.lookup_ip(name).await?;
        let holds = found
            .valid_until()
            .saturating_duration_since(Instant::now());
        Ok((found.iter().collect(), holds))
    }

    fn of(&self, family: Family) -> Result<Arc<TokioResolver>, NetError> {
        let mut families = self.families.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(resolver) = families.get(&family) {
            return Ok(Arc::clone(resolver));
        }
        let mut builder = match &self.servers {
            Servers::System => TokioResolver::builder_tokio()?,
            #[cfg(test)]
            Servers::These(config) => {
                TokioResolver::builder_with_config(config.clone(), TokioRuntimeProvider::default())
            }
        };
        let options = builder.options_mut();
        // Whoever asks knows when an answer is too old.
        options.cache_size = 0;
        options.ip_strategy = match family {
            Family::V4 => LookupIpStrategy::Ipv4Only,
            Family::V6 => LookupIpStrategy::Ipv6Only,
            Family::V4First => LookupIpStrategy::Ipv4thenIpv6,
            Family::V6First => LookupIpStrategy::Ipv6thenIpv4,
            Family::All => LookupIpStrategy::Ipv4AndIpv6,
        };
        let resolver = Arc::new(builder.build()?);
        families.insert(family, Arc::clone(&resolver));
        Ok(resolver)
    }
}
