//! The clusters that a view has.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    budget::{CLUSTERS, SUBSET_CLUSTERS, finding},
    view::View,
};
use crate::model::{
    cluster::{Cluster, Discovery, UpstreamProtocol},
    endpoints::of_names,
    finding::{Finding, Kind},
    names::ClusterKey,
    objects::{Key, Labels, MeshConfig, ProxyKind},
    policy::{ClientTls, ConnectionPool, LoadBalancer, Policy},
    protocol::Protocol,
    rules::{NamedSubset, policy},
    transport::fitting,
    world::{Destination, Port, Resolution},
};

/// The clusters of all destinations: each port, and each subset of it; of too many, those of the
/// oldest destinations. What is left out is among the findings.
pub(super) fn of_view(
    mesh: &MeshConfig,
    view: &View,
    kind: ProxyKind,
) -> (Vec<Cluster>, Vec<Finding>) {
    let mut clusters = Vec::new();
    let mut findings = Vec::new();
    let mut of_subsets: BTreeMap<&Key, usize> = BTreeMap::new();
    for to in &view.destinations {
        if clusters.len() + to.ports.len() > CLUSTERS {
            let kind = match to.external {
                Some(_) => Kind::ServiceEntry,
                None => Kind::Service,
            };
            let message = format!(
                "proxies can't reach {}: older hosts have {CLUSTERS} clusters already, one for \
                 each port",
                to.host
            );
            findings.push(finding(kind, &to.meta.key, message));
            continue;
        }
        for port in &to.ports {
            let maker = Maker {
                mesh,
                view,
                kind,
                to,
                port,
            };
            clusters.extend(maker.cluster(None));
        }
    }
    // What subsets multiply to takes no room from destinations.
    for to in &view.destinations {
        let rule = view.rule(&to.host);
        let Some(rule) = rule.filter(|rule| !rule.subsets.is_empty()) else {
            continue;
        };
        let count = rule.subsets.len() * to.ports.len();
        let of_rule = of_subsets.entry(&rule.rule).or_default();
        if *of_rule + count > SUBSET_CLUSTERS || clusters.len() + count > CLUSTERS {
            let message = format!(
                "the subsets of {} are left out, and requests that are sent to them get 503: this \
                 rule can have {SUBSET_CLUSTERS} clusters, one for each subset of each port of \
                 each host, and all together {CLUSTERS}. Name hosts rather than wildcards, or \
                 fewer subsets",
                to.host
            );
            findings.push(finding(Kind::DestinationRule, &rule.rule, message));
            continue;
        }
        *of_rule += count;
        for port in &to.ports {
            let maker = Maker {
                mesh,
                view,
                kind,
                to,
                port,
            };
            let subsets = rule.subsets.iter();
            clusters.extend(subsets.filter_map(|subset| maker.cluster(Some(subset))));
        }
    }
    too_many_names(mesh, &clusters, &mut findings);
    findings.truncate(FINDINGS);
    (clusters, findings)
}

/// Rules whose `subjectAltNames` have no room in each of so many clusters.
fn too_many_names(mesh: &MeshConfig, clusters: &[Cluster], findings: &mut Vec<Finding>) {
    let mut told = BTreeSet::new();
    for cluster in clusters {
        let (
            Some(ClientTls::IstioMutual { names, .. } | ClientTls::Outside { names, .. }),
            Some(rule),
        ) = (&cluster.policy.tls, &cluster.rule)
        else {
            continue;
        };
        let is_mutual = matches!(cluster.policy.tls, Some(ClientTls::IstioMutual { .. }));
        if is_mutual && !mesh.mutual_tls {
            continue;
        }
        let first = fitting(names, clusters.len());
        if names.len() > first && told.insert(rule) {
            let message = format!(
                "clients accept the first {first} of {} subjectAltNames only: there are {} clusters, and no room for \
                 more in each. Use fewer names, or hosts rather than wildcards",
                names.len(),
                clusters.len()
            );
            findings.push(finding(Kind::DestinationRule, rule, message));
        }
    }
}

/// The most findings of a view: an object is told of some of its hosts.
const FINDINGS: usize = 256;

struct Maker<'a> {
    mesh: &'a MeshConfig,
    view: &'a View,
    kind: ProxyKind,
    to: &'a Destination,
    port: &'a Port,
}

impl Maker<'_> {
    /// The cluster of a subset. There is none without names to resolve.
    fn cluster(&self, subset: Option<&NamedSubset>) -> Option<Cluster> {
        let rule = self.view.rule(&self.to.host);
        let policy = self.balanced(policy(
            self.mesh,
            rule,
            subset.map(|subset| &subset.spec),
            self.port.number,
        ));
        let labels: Labels = subset
            .map(|subset| subset.labels.clone())
            .unwrap_or_default();
        let key = ClusterKey {
            host: Arc::clone(&self.to.host),
            port: self.port.number,
            subset: subset
                .map(|subset| subset.spec.name.as_str())
                .unwrap_or_default()
                .into(),
        };
        let discovery = if policy.load_balancer == LoadBalancer::Passthrough {
            Discovery::OriginalDestination
        } else {
            self.discovery(&labels)?
        };
        Some(Cluster {
            name: key.name(),
            key,
            labels,
            discovery,
            protocol: upstream_protocol(self.port.protocol, &policy.pool),
            policy,
            service: self.to.service.clone(),
            rule: rule.map(|rule| rule.rule.clone()),
        })
    }

    /// The policy. A gateway has no original destination but itself, so that it balances where
    /// sidecars do not.
    fn balanced(&self, mut policy: Policy) -> Policy {
        let passes = policy.load_balancer == LoadBalancer::Passthrough;
        if passes && self.kind == ProxyKind::Gateway {
            policy.load_balancer = match self.mesh.load_balancer {
                LoadBalancer::Passthrough => LoadBalancer::LeastRequest,
                balancer => balancer,
            };
        }
        policy
    }

    fn discovery(&self, labels: &Labels) -> Option<Discovery> {
        let names = || {
            let external = self.to.external.as_ref()?;
            let groups = of_names(external, self.port.number, labels);
            (!groups.is_empty()).then_some(groups)
        };
        Some(match self.to.resolution {
            Resolution::Endpoints => Discovery::Endpoints,
            // A gateway's clients have called the gateway.
            Resolution::Passthrough if self.kind == ProxyKind::Gateway => Discovery::Endpoints,
            Resolution::Passthrough => Discovery::OriginalDestination,
            Resolution::Dns => Discovery::Dns(names()?),
            Resolution::LogicalDns => Discovery::LogicalDns(names()?),
        })
    }
}

fn upstream_protocol(protocol: Protocol, pool: &ConnectionPool) -> UpstreamProtocol {
    if protocol.is_http2() {
        UpstreamProtocol::Http2
    } else if protocol.is_sniffed() {
        UpstreamProtocol::Downstream
    } else if !protocol.is_http() {
        UpstreamProtocol::Tcp
    } else if pool.use_client_protocol {
        UpstreamProtocol::Downstream
    } else if pool.upgrade_to_http2 {
        UpstreamProtocol::Http2
    } else {
        UpstreamProtocol::Http1
    }
}
