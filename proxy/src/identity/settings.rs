//! Where the certificate comes from, and whom it concerns.

use std::sync::Arc;

use pillion_certs::Bundle;
use pillion_serve::Condition;
use pillion_xds::client::Connect;
use time::OffsetDateTime;
use tokio::sync::watch;

use super::trust_domains::TrustDomains;
use crate::metrics::Metrics;

/// What the certificate is asked for with.
#[derive(Debug)]
pub(crate) struct Settings {
    /// The control plane, whose CA it is.
    pub server: Connect,
    pub trust_domains: TrustDomains,
    /// The mesh's roots as the configuration has them. They stand in for those of the CA's answers.
    pub roots: watch::Receiver<Option<Arc<Bundle>>>,
    /// Where the certificate's state is shown.
    pub metrics: Arc<Metrics>,
    /// Holds from the first certificate on.
    pub identified: Condition,
    /// Whether the key is for an Envoy, too, which this process is the agent of.
    pub for_envoy: bool,
    /// The wall clock.
    pub now: fn() -> OffsetDateTime,
}
