//! What the mesh's configuration says about traffic.

use std::{sync::Arc, time::Duration};

use super::mesh_tracing::MeshTracing;
use crate::model::policy::LoadBalancer;

/// The parts of MeshConfig and of the chart's values that the model uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MeshConfig {
    /// The cluster's DNS domain. Default: `cluster.local`.
    pub domain: Arc<str>,
    /// The namespace whose DestinationRules hold for all. Default: `istio-system`.
    pub root_namespace: Arc<str>,
    /// `outboundTrafficPolicy`. Default: [`OutboundPolicy::AllowAny`].
    pub outbound: OutboundPolicy,
    /// How requests are balanced where no DestinationRule says. Istio's default, which is
    /// ours: [`LoadBalancer::LeastRequest`].
    pub load_balancer: LoadBalancer,
    /// `connectTimeout`. Default: 10 s.
    pub connect_timeout: Duration,
    /// Whose clients see objects that do not say it themselves. Default: all.
    pub exports: DefaultExports,
    /// Whether there is mutual TLS at all: the flag `--mutual-tls`. Default: false.
    pub mutual_tls: bool,
    /// `enableAutoMtls`: whether clients speak mutual TLS to endpoints that do, where no
    /// DestinationRule says. Default: true.
    pub auto_mtls: bool,
    /// `trustDomain`, which workloads' identities begin with. Default: `cluster.local`.
    pub trust_domain: Arc<str>,
    /// `trustDomainAliases`: others whose identities count as those of the own one.
    pub trust_domain_aliases: Vec<Arc<str>>,
    /// What it says about tracing.
    pub tracing: Arc<MeshTracing>,
}

impl MeshConfig {
    /// The trust domains of workloads that others trust: the own one, and its aliases.
    pub fn trust_domains(&self) -> impl Iterator<Item = &Arc<str>> {
        std::iter::once(&self.trust_domain).chain(&self.trust_domain_aliases)
    }
}

/// Whose clients see objects that do not say it themselves: entries as of `exportTo`; none are all
/// namespaces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DefaultExports {
    /// `defaultServiceExportTo`, for Services and ServiceEntries.
    pub services: Vec<Arc<str>>,
    /// `defaultVirtualServiceExportTo`.
    pub virtual_services: Vec<Arc<str>>,
    /// `defaultDestinationRuleExportTo`.
    pub destination_rules: Vec<Arc<str>>,
}

impl Default for MeshConfig {
    fn default() -> Self {
        Self {
            domain: "cluster.local".into(),
            root_namespace: "istio-system".into(),
            outbound: OutboundPolicy::AllowAny,
            load_balancer: LoadBalancer::LeastRequest,
            connect_timeout: Duration::from_secs(10),
            exports: DefaultExports::default(),
            mutual_tls: false,
            auto_mtls: true,
            trust_domain: "cluster.local".into(),
            trust_domain_aliases: Vec::new(),
            tracing: Arc::new(MeshTracing::default_in("istio-system")),
        }
    }
}

/// What becomes of traffic to destinations that the mesh does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OutboundPolicy {
    /// It passes to its original destination.
    AllowAny,
    /// HTTP gets 502, connections are reset.
    RegistryOnly,
}
