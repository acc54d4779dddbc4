//! Events about objects, published by a task of their own, so that a slow API server delays
//! no watch.

use std::sync::Arc;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use tokio::sync::mpsc;

use super::metrics::Metrics;
use crate::cluster::Events;

/// How many reports may wait; more are only in the log.
const WAITING: usize = 256;

/// An Event to publish.
#[derive(Debug)]
pub(super) struct Report {
    /// The object that it is about.
    pub reference: ObjectReference,
    /// Its reason, in CamelCase.
    pub reason: &'static str,
    /// What is wrong, and what that means.
    pub note: String,
}

/// Takes reports.
#[derive(Debug, Clone)]
pub(super) struct Reports {
    sender: mpsc::Sender<Report>,
    metrics: Arc<Metrics>,
}

impl Reports {
    /// Returns the sender of reports, and the task that publishes them.
    pub fn new(
        client: Client,
        controller: &'static str,
        metrics: Arc<Metrics>,
    ) -> (Self, impl Future<Output = ()> + use<>) {
        let (sender, mut waiting) = mpsc::channel::<Report>(WAITING);
        let publish = async move {
            let events = Events::new(client, controller);
            while let Some(report) = waiting.recv().await {
                events
                    .warn_about(&report.reference, report.reason, report.note)
                    .await;
            }
        };
        (Self { sender, metrics }, publish)
    }

    /// Publishes a report later. It is dropped if too many wait.
    pub fn send(&self, report: Report) {
        self.metrics.reported();
        if self.sender.try_send(report).is_err() {
            tracing::debug!("too many Events wait to be published; one is only in the log");
        }
    }
}
