//! What the handlers of all ports share.

use std::{sync::Arc, time::Instant};

use pillion_serve::Readiness;
use pillion_telemetry::Adjust;
use tokio_util::sync::CancellationToken;

use super::health::Orders;
use crate::{metrics::Metrics, process::discovery::Configuration, records::Chains};

/// What the handlers share.
#[derive(Debug, Clone)]
pub(in crate::process) struct Shared {
    pub configuration: Configuration,
    pub readiness: Arc<Readiness>,
    pub metrics: Arc<Metrics>,
    pub quit: CancellationToken,
    /// Cancelled when clients are to connect elsewhere.
    pub drain: CancellationToken,
    pub log: Adjust,
    /// Whether the application passes traces on.
    pub chains: Arc<Chains>,
    pub concurrency: usize,
    pub started: Instant,
}

impl Shared {
    /// What others may ask of the process.
    pub(super) fn orders(&self) -> Orders {
        Orders {
            readiness: Arc::clone(&self.readiness),
            quit: self.quit.clone(),
            drain: self.drain.clone(),
        }
    }
}
