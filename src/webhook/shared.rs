//! The webhook's state, shared by all reviews.

use std::{io, sync::Arc};

use pillion_inject as inject;
use pillion_serve::{Budget, Condition, Limits, Readiness};
use tokio::sync::Semaphore;

use super::{active_config::ActiveConfig, log::Log, review::Inject};
use crate::{metrics::Metrics, reviews::pool::Pool};

/// The webhook's state, shared by all reviews.
#[derive(Debug)]
pub struct Webhook {
    pub(super) active_config: Arc<ActiveConfig>,
    pub(super) readiness: Arc<Readiness>,
    pub(super) certificate: Condition,
    pub(super) metrics: Arc<Metrics>,
    pub(super) limits: Limits,
    /// Permits for reviews in flight.
    pub(super) reviews: Semaphore,
    /// Those of them for addresses that have not sent a review yet.
    pub(super) reviews_of_unknown: Semaphore,
    pub(super) budget: Budget,
    pub(super) pool: Pool,
    pub(super) log: Log,
    pub(super) inject: Inject,
}

impl Webhook {
    /// A webhook with the default [`Limits`], and the threads that it works on.
    /// While `certificate` does not hold, TLS handshakes are expected to fail.
    ///
    /// # Errors
    ///
    /// When the system has no more threads.
    pub fn new(
        active_config: Arc<ActiveConfig>,
        readiness: Arc<Readiness>,
        certificate: Condition,
        metrics: Arc<Metrics>,
    ) -> io::Result<Self> {
        let limits = Limits::default();
        Ok(Self {
            active_config,
            readiness,
            certificate,
            metrics,
            limits,
            reviews: Semaphore::new(limits.in_flight),
            reviews_of_unknown: Semaphore::new(limits.in_flight_of_unknown()),
            budget: Budget::new(limits.buffered_bytes),
            pool: Pool::start()?,
            log: Log::new(),
            inject: inject::inject,
        })
    }

    /// The same with other limits.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self {
            limits,
            reviews: Semaphore::new(limits.in_flight),
            reviews_of_unknown: Semaphore::new(limits.in_flight_of_unknown()),
            budget: Budget::new(limits.buffered_bytes),
            ..self
        }
    }
}
