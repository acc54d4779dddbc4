//! The clusters that a view has.

use std::sync::Arc;

use pillion_api::Subset;

use super::view::View;
use crate::model::{
    cluster::{Cluster, Discovery, UpstreamProtocol},
    endpoints::of_names,
    names::ClusterKey,
    objects::{Labels, MeshConfig, ProxyKind},
    policy::{ConnectionPool, LoadBalancer},
    protocol::Protocol,
    rules::policy,
    world::{Destination, Port, Resolution},
};

/// The clusters of all destinations: each port, and each subset of it.
pub(super) fn of_view(mesh: &MeshConfig, view: &View, kind: ProxyKind) -> Vec<Cluster> {
    let mut clusters = Vec::new();
    for to in &view.destinations {
        let subsets = view.rule(&to.host).map(|rule| rule.subsets.as_slice());
        for port in &to.ports {
            let maker = Maker {
                mesh,
                view,
                kind,
                to,
                port,
            };
            clusters.extend(maker.cluster(None));
            let subsets = subsets.unwrap_or_default().iter();
            clusters.extend(subsets.filter_map(|subset| maker.cluster(Some(subset))));
        }
    }
    clusters
}

struct Maker<'a> {
    mesh: &'a MeshConfig,
    view: &'a View,
    kind: ProxyKind,
    to: &'a Destination,
    port: &'a Port,
}

impl Maker<'_> {
    /// The cluster of a subset. There is none without names to resolve.
    fn cluster(&self, subset: Option<&Subset>) -> Option<Cluster> {
        let rule = self.view.rule(&self.to.host);
        let policy = policy(self.mesh, rule, subset, self.port.number);
        let labels: Labels = subset
            .map(|subset| subset.labels.clone().into_iter().collect())
            .unwrap_or_default();
        let key = ClusterKey {
            host: Arc::clone(&self.to.host),
            port: self.port.number,
            subset: subset
                .map(|subset| subset.name.as_str())
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
