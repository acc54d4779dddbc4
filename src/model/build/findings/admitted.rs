//! The hosts that Gateways admit, and VirtualServices none of whose hosts is among them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::model::{
    build::first::First,
    rules::{Gateway, VirtualService},
};

/// How many comparisons a VirtualService may take, whose hosts and Gateways multiply. One that takes more
/// is not checked: 256 hosts of three labels at 16 Gateways take as many.
const OF_ONE: usize = 16_384;
/// How many all may take in one search. The youngest VirtualServices are left unchecked.
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
        let Compared { named, hosts } = self.compared(rules)?;
        let namespace = &*rules.meta.key.namespace;
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
            "{} {} none of this VirtualService's hosts from the namespace {namespace}: it routes \
             nothing there. Add its hosts to the {}, or name a Gateway that has them",
            without.of("Gateway"),
            without.verb("admits", "admit"),
            without.verb("Gateway", "Gateways"),
        ))
    }

    /// What to compare: the Gateways that a VirtualService names, with its hosts. `None` if there is
    /// nothing to compare, as for one that is for sidecars alone, or too much.
    fn compared<'b>(&mut self, rules: &'b VirtualService) -> Option<Compared<'_, 'b>> {
        let gateways = &self.gateways;
        let named = rules.gateways.iter();
        let named = named.filter_map(|name| Some((&**name, gateways.get(&**name)?)));
        let named: Vec<_> = named.collect();
        let of_host = |host: &Arc<str>| 2 + host.matches('.').count();
        let comparisons = rules.hosts.iter().map(of_host).sum::<usize>() * named.len();
        if comparisons == 0 || comparisons > OF_ONE {
            return None;
        }
        self.left = self.left.checked_sub(comparisons)?;
        let hosts = rules.hosts.iter().map(|host| Host::new(host));
        let hosts = hosts.collect();
        Some(Compared { named, hosts })
    }
}

/// The Gateways that a VirtualService names and that are there, and its hosts.
struct Compared<'a, 'b> {
    named: Vec<(&'b str, &'a ByNamespace<'a>)>,
    hosts: Vec<Host>,
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

    use serde_json::json;

    use super::*;
    use crate::model::{
        event::{Change, Event},
        hosts::intersection,
        objects::MeshConfig,
        tests::fixture::rule,
    };

    fn gateway() -> Arc<Gateway> {
        let server =
            json!({ "port": { "number": 80, "name": "http", "protocol": "HTTP" }, "hosts": ["*"] });
        let spec = json!({ "selector": { "istio": "in" }, "servers": [server] });
        let Event::Gateway(Change::Apply(object)) = rule("Gateway", "shop/gw", 0, spec) else {
            panic!();
        };
        Arc::new(Gateway::new(&object))
    }

    fn rules(gateway: &str) -> VirtualService {
        let answer = json!({ "directResponse": { "status": 200 } });
        let spec = json!({ "hosts": ["a.com"], "gateways": [gateway], "http": [answer] });
        let event = rule("VirtualService", "shop/x", 0, spec);
        let Event::VirtualService(Change::Apply(object)) = event else {
            panic!();
        };
        VirtualService::new(&object, &MeshConfig::default())
    }

    /// It would be work that no limit counts.
    #[test]
    fn nothing_is_made_of_hosts_where_no_gateway_is_named() {
        let gateways = [gateway()];
        let mut admitted = Admitted::new(&gateways);
        assert!(admitted.compared(&rules("mesh")).is_none());
        assert!(admitted.compared(&rules("missing")).is_none());
        assert!(admitted.compared(&rules("gw")).is_some());
        assert_eq!(admitted.left, OF_ALL - 3);
    }

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
