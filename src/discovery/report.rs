//! Events about objects, published by a task of their own, so that a slow API server delays
//! no watch.

mod recent;

use std::sync::{Arc, Mutex, PoisonError};

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use tokio::{sync::mpsc, time::Instant};

pub(super) use self::recent::Recent;
use super::metrics::Metrics;
use crate::cluster::Events;

/// How many reports of one source may wait; more are only in the log.
const WAITING: usize = 256;

/// An Event to publish.
#[derive(Debug)]
pub(super) struct Report {
    /// The object that it is about.
    pub reference: ObjectReference,
    /// Its reason, in CamelCase.
    pub reason: &'static str,
    /// What was done with the object when it went wrong, in CamelCase.
    pub action: &'static str,
    /// What is wrong, and what that means.
    pub note: String,
}

/// Takes reports.
#[derive(Debug, Clone)]
pub(super) struct Reports {
    /// Of invalid objects.
    invalid: mpsc::Sender<Report>,
    /// Of what proxies refuse. Any pod can cause these, and they must not displace the others.
    refused: mpsc::Sender<Report>,
    metrics: Arc<Metrics>,
    recent: Arc<Mutex<Recent>>,
}

impl Reports {
    /// Reports that nobody publishes.
    pub fn unpublished(metrics: Arc<Metrics>) -> Self {
        Self {
            invalid: mpsc::channel(1).0,
            refused: mpsc::channel(1).0,
            metrics,
            recent: Arc::default(),
        }
    }

    /// Returns the sender of reports, and the task that publishes them.
    pub fn new(
        client: Client,
        controller: &'static str,
        metrics: Arc<Metrics>,
    ) -> (Self, impl Future<Output = ()> + use<>) {
        let (invalid, mut first) = mpsc::channel(WAITING);
        let (refused, mut second) = mpsc::channel(WAITING);
        let publish = async move {
            let events = Events::new(client, controller);
            while let Some(report) = next(&mut first, &mut second).await {
                let Report {
                    reference,
                    reason,
                    action,
                    note,
                } = report;
                events.warn_about(&reference, (reason, action), note).await;
            }
        };
        let reports = Self {
            invalid,
            refused,
            metrics,
            recent: Arc::default(),
        };
        (reports, publish)
    }

    /// Publishes a report of an invalid object later. It is dropped if too many wait.
    pub fn send(&self, report: Report) {
        self.metrics.reported();
        publish(&self.invalid, report);
    }

    /// Publishes a report of what a proxy refuses later, unless one about the same object was
    /// published in the last minutes, whatever it said: any pod can send any text.
    pub fn send_once(&self, report: Report) {
        let object = &report.reference;
        let object = (&object.uid, &object.kind, &object.namespace, &object.name);
        let key = Recent::key((object, report.reason));
        let now = Instant::now();
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        // One that there is no room for may come later.
        if recent.is_new(key, now) && publish(&self.refused, report) {
            recent.remember(key, now);
        }
    }
}

/// Whether there was room for it.
fn publish(sender: &mpsc::Sender<Report>, report: Report) -> bool {
    let is_sent = sender.try_send(report).is_ok();
    if !is_sent {
        tracing::debug!("too many Events wait to be published; one is only in the log");
    }
    is_sent
}

/// The next report: of the first source, as long as it has any.
async fn next(
    first: &mut mpsc::Receiver<Report>,
    second: &mut mpsc::Receiver<Report>,
) -> Option<Report> {
    tokio::select! {
        biased;
        Some(report) = first.recv() => Some(report),
        Some(report) = second.recv() => Some(report),
        else => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(name: &str, note: &str) -> Report {
        Report {
            reference: ObjectReference {
                name: Some(name.to_owned()),
                ..ObjectReference::default()
            },
            reason: "RefusedByProxy",
            action: "Configure",
            note: note.to_owned(),
        }
    }

    fn reports() -> (Reports, mpsc::Receiver<Report>, mpsc::Receiver<Report>) {
        let (invalid, first) = mpsc::channel(2);
        let (refused, second) = mpsc::channel(2);
        let reports = Reports {
            invalid,
            refused,
            metrics: Arc::default(),
            recent: Arc::default(),
        };
        (reports, first, second)
    }

    #[tokio::test(start_paused = true)]
    async fn a_rule_is_reported_once_whatever_proxies_say() {
        let (reports, _first, mut second) = reports();
        for note in ["a", "b", "c"] {
            reports.send_once(report("one", note));
        }
        assert_eq!(second.try_recv().unwrap().note, "a");
        assert!(second.try_recv().is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn what_there_was_no_room_for_comes_later() {
        let (reports, _first, mut second) = reports();
        for name in ["one", "two", "three"] {
            reports.send_once(report(name, ""));
        }
        while second.try_recv().is_ok() {}
        reports.send_once(report("three", "again"));
        assert_eq!(second.try_recv().unwrap().note, "again");
    }

    #[tokio::test(start_paused = true)]
    async fn refusals_displace_no_other_reports() {
        let (reports, mut first, mut second) = reports();
        for number in 0..9 {
            reports.send_once(report(&number.to_string(), "refused"));
        }
        reports.send(report("rule", "invalid"));
        drop(reports);
        let mut notes = Vec::new();
        while let Some(report) = next(&mut first, &mut second).await {
            notes.push(report.note);
        }
        assert_eq!(notes, ["invalid", "refused", "refused"]);
    }
}
