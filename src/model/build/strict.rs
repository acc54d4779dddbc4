//! Hosts whose pods take only mutual TLS, and what of a DestinationRule they refuse.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use pillion_api::{ClientTlsMode, DestinationRuleSpec, Subset, TrafficPolicy};

use super::{
    asked::Asked,
    first::First,
    first_pods::{FirstPod, HOSTS},
};
use crate::model::{
    hosts::{covers, is_wildcard},
    index::Index,
    names::resolve_host,
    objects::Key,
    rules::MtlsMode,
    world::{Destination, World},
};

/// The hosts of the mesh whose pods take only mutual TLS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StrictHosts {
    domain: Arc<str>,
    /// The ports of each, and the PeerAuthentications that say it.
    hosts: BTreeMap<Arc<str>, BTreeMap<u16, Key>>,
}

impl StrictHosts {
    /// Looks for them.
    pub(in crate::model) fn new(world: &World, index: &Index) -> Self {
        let mut hosts = BTreeMap::new();
        if world.mesh.mutual_tls && world.authentication.is_strict_anywhere() {
            for to in &world.destinations {
                let ports = strict_ports(world, index, to);
                if !ports.is_empty() {
                    hosts.insert(Arc::clone(&to.host), ports);
                }
            }
        }
        let domain = Arc::clone(&world.mesh.domain);
        Self { domain, hosts }
    }

    /// What a DestinationRule in a namespace asks of clients that such hosts refuse, host by host.
    pub fn refusals(&self, namespace: &str, rule: &DestinationRuleSpec) -> Vec<String> {
        let host = resolve_host(&rule.host, namespace, &self.domain);
        self.refused(&host, rule.traffic_policy.as_ref(), &rule.subsets)
    }

    /// The same of a rule whose host is complete.
    pub(super) fn refused(
        &self,
        host: &str,
        policy: Option<&TrafficPolicy>,
        subsets: &[Subset],
    ) -> Vec<String> {
        let mut asked = Asked::new(policy, subsets, refused_mode);
        if !asked.is_anywhere() {
            return Vec::new();
        }
        let told =
            |(host, ports): (&Arc<str>, &BTreeMap<u16, Key>)| refusal(host, ports, &mut asked);
        if is_wildcard(host) {
            let hosts = self.hosts.iter().filter(|(own, _)| covers(host, own));
            hosts.filter_map(told).take(HOSTS).collect()
        } else {
            let found = self.hosts.get_key_value(host).and_then(told);
            found.into_iter().collect()
        }
    }
}

/// The ports of a Service at which a pod with a proxy takes only mutual TLS.
fn strict_ports(world: &World, index: &Index, to: &Destination) -> BTreeMap<u16, Key> {
    let mut strict = BTreeMap::new();
    for first in FirstPod::all(index, to) {
        let pod = first.pod;
        if !pod.has_proxy {
            continue;
        }
        let applied = world.authentication.of(&pod.key.namespace, &pod.labels);
        for (port, own) in first.ports() {
            if !pod.captured.has(own) {
                continue;
            }
            let mtls = applied.mtls(own);
            if let (MtlsMode::Strict, Some(by)) = (mtls.mode, mtls.decided_by) {
                strict.entry(port).or_insert(by);
            }
        }
    }
    strict
}

/// What to tell of a host; none, if nothing is refused.
fn refusal(host: &str, strict: &BTreeMap<u16, Key>, asked: &mut Asked<'_>) -> Option<String> {
    let mut ports = First::default();
    let (mut modes, mut by) = (BTreeSet::new(), BTreeSet::new());
    for (port, key) in strict {
        let refused = asked.modes_at(*port);
        if !refused.is_empty() {
            ports.add(port);
            by.insert(key);
            modes.extend(refused);
        }
    }
    if ports.is_empty() {
        return None;
    }
    let (mut names, mut said) = (First::default(), First::default());
    by.into_iter().for_each(|key| names.add(key));
    modes.into_iter().for_each(|mode| said.add(mode));
    Some(format!(
        "tls.mode {said} is refused by the pods of {host} at {}: they take only the mesh's mutual TLS \
         (STRICT, by the PeerAuthentication {names}). Remove tls or set its mode to ISTIO_MUTUAL, or \
         set the PeerAuthentication's to PERMISSIVE",
        ports.of("port")
    ))
}

/// The modes that are not the mesh's mutual TLS.
fn refused_mode(mode: ClientTlsMode) -> Option<&'static str> {
    match mode {
        ClientTlsMode::Disable => Some("DISABLE"),
        ClientTlsMode::Simple => Some("SIMPLE"),
        ClientTlsMode::Mutual => Some("MUTUAL"),
        ClientTlsMode::IstioMutual => None,
    }
}
