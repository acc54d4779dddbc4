//! Which DestinationRules hold for a destination, and what they say when merged.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use pillion_api::{
    ClientTlsMode, ClientTlsSettings, ConnectionPoolSettings, H2UpgradePolicy,
    LoadBalancerSettings, SimpleLb, Subset, TrafficPolicy,
};

use super::destination_rule::DestinationRule;
use crate::model::{
    hosts::{covers, is_wildcard},
    objects::{Key, Labels, MeshConfig},
    policy::{CertificateFiles, ClientTls, ConnectionPool, LoadBalancer, Policy},
};

/// What DestinationRules of one host and one namespace say together.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::model) struct Merged {
    /// The oldest of them.
    pub rule: Key,
    /// The first policy that one of them gives.
    pub policy: Option<TrafficPolicy>,
    /// The subsets of all, the first of each name.
    pub subsets: Vec<NamedSubset>,
}

/// A subset, whose labels all of its clusters share.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::model) struct NamedSubset {
    /// What the rule says.
    pub spec: Subset,
    /// The labels of its endpoints.
    pub labels: Labels,
}

/// What was merged so far, by the rules: many hosts have the same, by a wildcard.
#[derive(Debug, Default)]
pub(in crate::model) struct Merges(BTreeMap<(usize, usize), Arc<Merged>>);

/// Finds the rules for `host`, a destination in `service_namespace`, of clients in
/// `client`. They are those of the first namespace that has some for the host: the
/// client's, the destination's, and the root namespace. There, the most specific host
/// decides, and only rules for that very host are merged.
pub(in crate::model) fn merge(
    rules: &BTreeMap<Arc<str>, HostRules>,
    merges: &mut Merges,
    (root, client): (&str, &str),
    (host, service_namespace): (&str, &str),
) -> Option<Arc<Merged>> {
    // Of the root namespace, whose exported rules come last, only the private ones are
    // the clients' own.
    let own = |rule: &DestinationRule| client != root || rule.export_to.is_only(client);
    let exported = |rule: &DestinationRule| rule.export_to.includes(client);
    let best = |namespace: &str, visible: &dyn Fn(&DestinationRule) -> bool| {
        rules.get(namespace)?.best(host, visible)
    };
    let (rules, first) = best(client, &own)
        .or_else(|| best(service_namespace, &exported))
        .or_else(|| best(root, &exported))?;
    // The rules outlive the merges: no other ones are at that address.
    let key = (rules.as_ptr().addr(), first);
    let merged = match merges.0.get(&key) {
        Some(merged) => Arc::clone(merged),
        None => {
            let merged = Arc::new(merged(rules, first)?);
            merges.0.insert(key, Arc::clone(&merged));
            merged
        }
    };
    Some(merged)
}

/// The rules of a namespace by their hosts, the oldest of each first.
#[derive(Debug, Default)]
pub(in crate::model) struct HostRules {
    exact: BTreeMap<Arc<str>, Vec<Arc<DestinationRule>>>,
    wild: BTreeMap<Arc<str>, Vec<Arc<DestinationRule>>>,
}

impl HostRules {
    /// Adds a rule that is younger than those that are there.
    pub fn push(&mut self, rule: Arc<DestinationRule>) {
        let hosts = if is_wildcard(&rule.host) {
            &mut self.wild
        } else {
            &mut self.exact
        };
        hosts.entry(Arc::clone(&rule.host)).or_default().push(rule);
    }

    /// The rules of each host.
    pub fn by_host(&self) -> impl Iterator<Item = &[Arc<DestinationRule>]> {
        self.exact
            .values()
            .chain(self.wild.values())
            .map(Vec::as_slice)
    }

    /// The rules that decide, and the index of the oldest that is seen.
    fn best(&self, host: &str, visible: &dyn Fn(&DestinationRule) -> bool) -> Option<Seen<'_>> {
        let seen =
            |rules: &'_ Vec<Arc<DestinationRule>>| rules.iter().position(|rule| visible(rule));
        if let Some(rules) = self.exact.get(host)
            && let Some(first) = seen(rules)
        {
            return Some((rules, first));
        }
        let covering = self
            .wild
            .iter()
            .filter(|(pattern, _)| covers(pattern, host));
        let mut covering: Vec<_> = covering.collect();
        covering.sort_by_key(|(pattern, _)| std::cmp::Reverse(pattern.len()));
        let mut covering = covering.into_iter();
        covering.find_map(|(_, rules)| seen(rules).map(|first| (&rules[..], first)))
    }
}

/// The rules of one host, and the index of the oldest that is seen.
type Seen<'a> = (&'a [Arc<DestinationRule>], usize);

/// The rules of one host with the audience of the oldest that is seen.
fn merged(rules: &[Arc<DestinationRule>], first: usize) -> Option<Merged> {
    let first = rules.get(first)?;
    let same = rules
        .iter()
        .filter(|rule| rule.export_to == first.export_to);
    let mut merged = Merged {
        rule: first.meta.key.clone(),
        policy: None,
        subsets: Vec::new(),
    };
    let mut names = BTreeSet::new();
    for rule in same {
        merged.policy = merged.policy.or_else(|| rule.policy.clone());
        let new = rule
            .subsets
            .iter()
            .filter(|subset| names.insert(&subset.name));
        merged.subsets.extend(new.map(|subset| NamedSubset {
            spec: subset.clone(),
            labels: subset.labels.clone().into_iter().collect(),
        }));
    }
    Some(merged)
}

impl Merged {
    /// The subset of that name.
    pub fn subset(&self, name: &str) -> Option<&NamedSubset> {
        let mut subsets = self.subsets.iter();
        subsets.find(|subset| subset.spec.name == name)
    }
}

/// The policy of a port, of all endpoints or of a subset.
pub(in crate::model) fn policy(
    mesh: &MeshConfig,
    rule: Option<&Merged>,
    subset: Option<&Subset>,
    port: u16,
) -> Policy {
    let policy = rule.and_then(|rule| rule.policy.as_ref());
    let blocks = Blocks::default().under(policy, port);
    let blocks = blocks.under(
        subset.and_then(|subset| subset.traffic_policy.as_ref()),
        port,
    );
    let simple = blocks.load_balancer.and_then(|settings| settings.simple);
    let timeout = blocks
        .pool
        .and_then(|pool| pool.tcp.as_ref()?.connect_timeout);
    Policy {
        load_balancer: match simple {
            Some(SimpleLb::RoundRobin) => LoadBalancer::RoundRobin,
            Some(SimpleLb::LeastRequest | SimpleLb::LeastConn) => LoadBalancer::LeastRequest,
            Some(SimpleLb::Random) => LoadBalancer::Random,
            Some(SimpleLb::Passthrough) => LoadBalancer::Passthrough,
            Some(SimpleLb::Unspecified) | None => mesh.load_balancer,
        },
        connect_timeout: timeout.map_or(mesh.connect_timeout, |timeout| timeout.0),
        pool: blocks.pool.map(pool).unwrap_or_default(),
        tls: blocks.tls.map(tls),
    }
}

/// The blocks of a policy, each of which is replaced as a whole.
#[derive(Clone, Copy, Debug, Default)]
struct Blocks<'a> {
    load_balancer: Option<&'a LoadBalancerSettings>,
    pool: Option<&'a ConnectionPoolSettings>,
    tls: Option<&'a ClientTlsSettings>,
}

impl<'a> Blocks<'a> {
    /// These blocks where a policy has none. What it says about the port stands alone: its
    /// missing blocks are the defaults.
    fn under(self, policy: Option<&'a TrafficPolicy>, port: u16) -> Self {
        let Some(policy) = policy else { return self };
        let mut ports = policy.port_level_settings.iter();
        let of_port = ports.find(|own| own.port.is_some_and(|own| own.number == port));
        match of_port {
            Some(own) => Self {
                load_balancer: own.load_balancer.as_ref(),
                pool: own.connection_pool.as_ref(),
                tls: own.tls.as_ref(),
            },
            None => Self {
                load_balancer: policy.load_balancer.as_ref().or(self.load_balancer),
                pool: policy.connection_pool.as_ref().or(self.pool),
                tls: policy.tls.as_ref().or(self.tls),
            },
        }
    }
}

/// What Istio calls the roots of the system.
const SYSTEM: &str = "system";

fn tls(settings: &ClientTlsSettings) -> ClientTls {
    let said = |text: &str| (!text.is_empty()).then(|| text.into());
    let names = settings.subject_alt_names.iter();
    let names = names.map(|name| name.as_str().into());
    match settings.mode {
        ClientTlsMode::IstioMutual => ClientTls::IstioMutual {
            sni: said(&settings.sni),
            names: names.collect(),
        },
        ClientTlsMode::Simple | ClientTlsMode::Mutual => ClientTls::Outside {
            sni: said(&settings.sni),
            names: names.collect(),
            roots: said(&settings.ca_certificates).filter(|path: &Arc<str>| **path != *SYSTEM),
            verifies: settings.insecure_skip_verify != Some(true),
            certificate: (settings.mode == ClientTlsMode::Mutual).then(|| CertificateFiles {
                chain: settings.client_certificate.as_str().into(),
                key: settings.private_key.as_str().into(),
            }),
        },
        ClientTlsMode::Disable => ClientTls::Disable,
    }
}

fn pool(settings: &ConnectionPoolSettings) -> ConnectionPool {
    let limit = |value: u32| (value > 0).then_some(value);
    let tcp = settings.tcp.clone().unwrap_or_default();
    let http = settings.http.clone().unwrap_or_default();
    ConnectionPool {
        max_connections: limit(tcp.max_connections),
        tcp_idle_timeout: tcp.idle_timeout.map(|timeout| timeout.0),
        max_pending_requests: limit(http.http1_max_pending_requests),
        max_requests: limit(http.http2_max_requests),
        max_retries: limit(http.max_retries),
        max_requests_per_connection: limit(http.max_requests_per_connection),
        http_idle_timeout: http.idle_timeout.map(|timeout| timeout.0),
        upgrade_to_http2: http.h2_upgrade_policy == Some(H2UpgradePolicy::Upgrade),
        use_client_protocol: http.use_client_protocol,
    }
}

#[cfg(test)]
mod tests;
