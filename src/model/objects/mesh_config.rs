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
    /// What it says about tracing.
    pub tracing: Arc<MeshTracing>,
    /// `trustDomain`, in which workloads get their identities. Default: `cluster.local`.
    pub trust_domain: Arc<str>,
    /// `trustDomainAliases`: other trust domains whose workloads count as this one's.
    pub trust_domain_aliases: Vec<Arc<str>>,
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
            tracing: Arc::new(MeshTracing::default_in("istio-system")),
            trust_domain: "cluster.local".into(),
            trust_domain_aliases: Vec::new(),
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
