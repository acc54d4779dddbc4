//! The hosts that Gateways admit, and VirtualServices none of whose hosts is among them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::model::{
    build::first::First,
    names::MESH_GATEWAY,
    rules::{Gateway, VirtualService},
};

/// How many comparisons one VirtualService may take, whose hosts and Gateways multiply. One that takes
/// more is not checked: 256 hosts of three labels at 16 Gateways take as many.
const OF_ONE: usize = 16_384;
/// How many all may take in one search. Those of the youngest VirtualServices are not made.
const OF_ALL: usize = 1 << 20;

/// The hosts of each Gateway, by the namespace of the VirtualServices that may use them; all, if
/// `None`.
pub(super) struct Admitted<'a> {
    gateways: BTreeMap<&'a str, ByNamespace<'a>>,
    /// How many comparisons are left.
    left: usize,
}

type ByNamespace<'a> = BTreeMap<Option<&'a str>, HostSet>;

impl<'a> Admitted<'a> {
    /// Reads the Gateways.
    pub fn new(gateways: &'a [Arc<Gateway>]) -> Self {
        let mut all: BTreeMap<_, ByNamespace<'_>> = BTreeMap::new();
        for gateway in gateways {
            let own = all.entry(&*gateway.name).or_default();
            for host in gateway.servers.iter().flat_map(|server| &server.hosts) {
                let hosts = own.entry(host.namespace.as_deref()).or_default();
                hosts.add(&host.host);
            }
        }
        Self {
            gateways: all,
            left: OF_ALL,
        }
    }

    /// Whether there is a Gateway of that name.
    pub fn has_gateway(&self, name: &str) -> bool {
        self.gateways.contains_key(name)
    }

    /// What to tell the owner of a VirtualService that names Gateways which have none of its hosts.
    /// Some hosts may be for others of its Gateways, or for sidecars.
    pub fn none(&mut self, rules: &VirtualService) -> Option<String> {
        let namespace = &*rules.meta.key.namespace;
        let named = rules.gateways.iter();
        let named: Vec<_> = named
            .filter(|name| ***name != *MESH_GATEWAY)
            .filter_map(|name| Some((name, self.gateways.get(&**name)?)))
            .collect();
        let of_host = |host: &Arc<str>| 2 + host.matches('.').count();
        let comparisons = rules.hosts.iter().map(of_host).sum::<usize>() * named.len();
        if comparisons > OF_ONE {
            return None;
        }
        self.left = self.left.checked_sub(comparisons)?;
        let hosts: Vec<_> = rules.hosts.iter().map(|host| Host::new(host)).collect();
        let mut without = First::default();
        for (name, gateway) in named {
            let sets = [gateway.get(&None), gateway.get(&Some(namespace))];
            let mut sets = sets.into_iter().flatten();
            if !sets.any(|set| hosts.iter().any(|host| set.overlaps(host))) {
                without.add(name);
            }
        }
        if without.is_empty() {
            return None;
        }
        Some(format!(
            "{} {} none of the hosts of this VirtualService for VirtualServices in {namespace}: it \
             routes nothing there. Add its hosts to the Gateway, or name a Gateway that has them",
            without.of("Gateway"),
            without.verb("has", "have")
        ))
    }
}

/// A host, and what it is looked for as. Hosts are written backwards, so that those which a wildcard
/// covers follow it.
struct Host {
    itself: Vec<u8>,
    /// The wildcards that cover it.
    wildcards: Vec<Vec<u8>>,
}

impl Host {
    fn new(host: &str) -> Self {
        let itself: Vec<u8> = host.bytes().rev().collect();
        let dots = itself.iter().enumerate().filter(|(_, byte)| **byte == b'.');
        let suffixes = dots.filter_map(|(dot, _)| itself.get(..=dot));
        let wildcards = suffixes.map(|suffix| [suffix, b"*"].concat());
        Self {
            wildcards: wildcards.chain([b"*".to_vec()]).collect(),
            itself,
        }
    }
}

/// Hosts, each written backwards.
#[derive(Default)]
struct HostSet(BTreeSet<Vec<u8>>);

impl HostSet {
    fn add(&mut self, host: &str) {
        self.0.insert(host.bytes().rev().collect());
    }

    /// Whether a host has names in common with these: one of them covers it, or is covered by it.
    fn overlaps(&self, host: &Host) -> bool {
        let mut wildcards = host.wildcards.iter();
        if self.0.contains(&host.itself) || wildcards.any(|wildcard| self.0.contains(wildcard)) {
            return true;
        }
        let Some(suffix) = host.itself.strip_suffix(b"*") else {
            return false;
        };
        let mut following = self.0.range(suffix.to_vec()..);
        following
            .next()
            .is_some_and(|next| next.starts_with(suffix))
    }
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
                let mut all = HostSet::default();
                all.add("unrelated.net");
                all.add(&one);
                let expected = intersection(&one, &other).is_some();
                // `*` covers what is unrelated as well.
                let expected = expected || &*other == "*";
                assert_eq!(all.overlaps(&Host::new(&other)), expected, "{one} {other}");
            }
        }
    }
}
