//! The hosts of Gateways, and VirtualServices whose hosts are not among them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::model::{
    build::first::First,
    names::MESH_GATEWAY,
    rules::{Gateway, VirtualService},
};

/// The hosts of each Gateway, by the namespace of the VirtualServices that may use them; all, if
/// `None`.
pub(super) struct GatewayHosts<'a>(BTreeMap<&'a str, BTreeMap<Option<&'a str>, Hosts>>);

impl<'a> GatewayHosts<'a> {
    /// Reads the Gateways.
    pub fn new(gateways: &'a [Arc<Gateway>]) -> Self {
        let mut all: BTreeMap<_, BTreeMap<_, Hosts>> = BTreeMap::new();
        for gateway in gateways {
            let own = all.entry(&*gateway.name).or_default();
            for host in gateway.servers.iter().flat_map(|server| &server.hosts) {
                let hosts = own.entry(host.namespace.as_deref()).or_default();
                hosts.add(&host.host);
            }
        }
        Self(all)
    }

    /// Whether there is a Gateway of that name.
    pub fn has_gateway(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// What to tell the owner of a VirtualService that has hosts which are in no Gateway that it
    /// names. Hosts may be for sidecars alone, if it is for these as well; and for a Gateway that is
    /// missing.
    pub fn missing(&self, rules: &VirtualService) -> Option<String> {
        let namespace = &*rules.meta.key.namespace;
        let named = rules.gateways.iter();
        let named: Vec<&str> = named
            .map(|name| &**name)
            .filter(|name| *name != MESH_GATEWAY)
            .collect();
        if named.is_empty() {
            return None;
        }
        let gateways = named.iter().map(|name| self.0.get(*name));
        let gateways: Vec<_> = gateways.collect::<Option<_>>()?;
        let is_there = |host: &str| {
            let mut hosts = gateways
                .iter()
                .flat_map(|gateway| [gateway.get(&None), gateway.get(&Some(namespace))])
                .flatten();
            hosts.any(|hosts| hosts.overlap(host))
        };
        let missing: BTreeSet<&str> = rules
            .hosts
            .iter()
            .map(|host| &**host)
            .filter(|host| !is_there(host))
            .collect();
        let is_for_others = rules.is_for_mesh() && missing.len() < rules.hosts.len();
        if missing.is_empty() || is_for_others {
            return None;
        }
        let (mut hosts, mut of) = (First::default(), First::default());
        missing.iter().for_each(|host| hosts.add(host));
        named.iter().for_each(|name| of.add(name));
        Some(format!(
            "the Gateway {of} has no server with the host {hosts} for VirtualServices in \
             {namespace}: requests for this host are not routed there. Add the host to the \
             Gateway, or name a Gateway that has it"
        ))
    }
}

/// Hosts, each written backwards, so that those which a wildcard covers follow it.
#[derive(Default)]
struct Hosts(BTreeSet<Vec<u8>>);

impl Hosts {
    fn add(&mut self, host: &str) {
        self.0.insert(backwards(host));
    }

    /// Whether a host has names in common with these: one of them covers it, or is covered by it.
    fn overlap(&self, host: &str) -> bool {
        let host = backwards(host);
        if self.0.contains(&host) || self.0.contains(&b"*"[..]) {
            return true;
        }
        let dots = host.iter().enumerate().filter(|(_, byte)| **byte == b'.');
        let mut wildcards = dots.filter_map(|(dot, _)| {
            let suffix = host.get(..=dot)?;
            Some([suffix, b"*"].concat())
        });
        if wildcards.any(|wildcard| self.0.contains(&wildcard)) {
            return true;
        }
        let Some(suffix) = host.strip_suffix(b"*") else {
            return false;
        };
        let mut following = self.0.range(suffix.to_vec()..);
        following
            .next()
            .is_some_and(|next| next.starts_with(suffix))
    }
}

fn backwards(host: &str) -> Vec<u8> {
    host.bytes().rev().collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::hosts::intersection;

    #[test]
    fn hosts_overlap_that_have_an_intersection() {
        let hosts = [
            "*",
            "*.com",
            "*.a.com",
            "a.com",
            "x.a.com",
            "xa.com",
            "*.org",
            "a.org",
            "com",
            "*.x.a.com",
        ];
        for one in hosts.map(Arc::<str>::from) {
            for other in hosts.map(Arc::<str>::from) {
                let mut all = Hosts::default();
                all.add("unrelated.net");
                all.add(&one);
                let expected = intersection(&one, &other).is_some();
                // `*` covers what is unrelated as well.
                let expected = expected || &*other == "*";
                assert_eq!(all.overlap(&other), expected, "{one} {other}");
            }
        }
    }
}
