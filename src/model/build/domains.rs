//! The domains of virtual hosts. No domain may be in two of a table.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
};

use super::view::View;
use crate::model::{names::alternative_hosts, world::Destination};

/// The domains of a table that are taken.
#[derive(Debug, Default)]
pub(super) struct Taken {
    domains: BTreeSet<Arc<str>>,
    /// The full hosts of the table's destinations, which no short name may take.
    hosts: BTreeSet<Arc<str>>,
    /// The hosts of the destinations that have these addresses.
    addresses: BTreeMap<IpAddr, Arc<str>>,
}

impl Taken {
    /// No domains yet, of a table with these destinations. An address that several of them have
    /// is the Service's, whose address the cluster gave it, else the oldest's.
    pub fn new<'a>(destinations: impl Iterator<Item = &'a Arc<Destination>>) -> Self {
        let mut destinations: Vec<_> = destinations.collect();
        destinations.sort_by(|one, other| {
            let kinds = one.external.is_some().cmp(&other.external.is_some());
            kinds.then_with(|| one.meta.order(&other.meta))
        });
        let mut addresses = BTreeMap::new();
        for to in &destinations {
            for cidr in to.addresses.iter().filter(|cidr| cidr.is_single()) {
                let owner = addresses.entry(cidr.address);
                owner.or_insert_with(|| Arc::clone(&to.host));
            }
        }
        Self {
            domains: BTreeSet::new(),
            hosts: destinations.iter().map(|to| Arc::clone(&to.host)).collect(),
            addresses,
        }
    }

    /// Takes a host that is no destination's, if it is free.
    pub fn take_host(&mut self, host: &Arc<str>) -> Option<Vec<Arc<str>>> {
        let domain = with_brackets(host);
        self.take(domain).map(|domain| vec![domain])
    }

    /// Takes the free ones of a destination's domains, as clients of the view write them:
    /// its host, its short names, those of its aliases, and its addresses.
    pub fn take_destination(&mut self, view: &View, to: &Destination) -> Vec<Arc<str>> {
        let aliases = view.aliases(&to.host);
        let mut domains = Vec::new();
        for host in std::iter::once(&to.host).chain(aliases) {
            let short = alternative_hosts(host, &view.namespace, &view.mesh.domain);
            let short = short.into_iter().filter(|name| !self.hosts.contains(name));
            let names: Vec<_> = std::iter::once(Arc::clone(host)).chain(short).collect();
            domains.extend(names);
        }
        if to.is_headless() {
            // The names of single pods.
            let below: Vec<_> = domains
                .iter()
                .map(|name| format!("*.{name}").into())
                .collect();
            domains.extend(below);
        }
        let is_own = |address| self.addresses.get(address) == Some(&to.host);
        let addresses = to.addresses.iter();
        let addresses = addresses.filter(|cidr| cidr.is_single() && is_own(&cidr.address));
        domains.extend(addresses.map(|cidr| match cidr.address {
            IpAddr::V4(v4) => Arc::from(v4.to_string()),
            IpAddr::V6(v6) => Arc::from(format!("[{v6}]")),
        }));
        domains
            .into_iter()
            .filter_map(|domain| self.take(domain))
            .collect()
    }

    /// Whether a domain is taken.
    pub fn contains(&self, domain: &str) -> bool {
        self.domains.contains(domain)
    }

    fn take(&mut self, domain: Arc<str>) -> Option<Arc<str>> {
        self.domains.insert(Arc::clone(&domain)).then_some(domain)
    }
}

fn with_brackets(host: &Arc<str>) -> Arc<str> {
    match host.parse() {
        Ok(IpAddr::V6(v6)) => format!("[{v6}]").into(),
        _ => Arc::clone(host),
    }
}
