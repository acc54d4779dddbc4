//! What an agent has in common with the proxy, in whose place it runs an Envoy: the environment, and the ports of
//! the kubelet.

use std::{net::IpAddr, sync::Arc};

use pillion_xds::client::Connect;

use super::{
    args::Args,
    discovery,
    drain::DrainTimes,
    environment::Environment,
    ports::{self, Orders, Ports},
};
use crate::{config::Node, identity::TrustDomains, kind::Kind, metrics::Metrics};

/// The environment of an agent.
#[derive(Debug)]
pub(crate) struct Beside(Environment);

impl Beside {
    /// Reads the process's own, and logs what can't be read.
    pub fn of_process(args: &Args) -> Self {
        Self(Environment::of_process(args.status_port))
    }

    /// Who the proxy says it is.
    pub fn node(args: &Args) -> Node {
        discovery::node(Kind::Sidecar, args)
    }

    /// How the control plane is spoken with, if there is one.
    pub fn server(&self) -> Option<Connect> {
        let found = self.0.discovery.as_ref()?;
        Some(discovery::server(&found.address))
    }

    /// The trust domains of the mesh.
    pub fn trust_domains(&self) -> TrustDomains {
        self.0.trust_domains.clone()
    }

    /// How many workers there are.
    pub fn concurrency(&self) -> usize {
        self.0.concurrency()
    }

    /// The address at which the pod's application is, which is of the pod's family.
    pub fn address(&self) -> IpAddr {
        self.0.probe_address
    }

    /// How long connections may go on.
    pub fn drain_times(&self) -> DrainTimes {
        self.0.drain_times()
    }

    /// Opens the ports of the kubelet and of merged metrics, and serves them.
    ///
    /// # Errors
    ///
    /// When one can't be used.
    pub async fn serve(
        &self,
        args: &Args,
        orders: &Orders,
        metrics: &Arc<Metrics>,
    ) -> anyhow::Result<Ports> {
        ports::serve_beside(args, &self.0, orders, metrics).await
    }
}
