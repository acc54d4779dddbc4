//! Writes the statuses, on one replica at a time, one after the other.

mod trouble;

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use kube::{
    Api, Client,
    api::{DynamicObject, Patch, PatchParams},
};
use serde_json::json;
use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval, sleep_until, timeout},
};

use self::trouble::Trouble;
use super::board::{Board, Job, Next};
use crate::{
    cluster::{Acquired, LEASE_DURATION, acquire_lease, is_forbidden},
    error_chain,
};

/// How often the Lease is renewed: a third of its duration.
const RENEW: Duration = Duration::from_secs(5);
/// How long a renewal may take.
const RENEWAL: Duration = Duration::from_secs(4);
/// How long a write may take. None begins unless the Lease lasts for as long, so that the next
/// replica's writes come after it.
const WRITE: Duration = Duration::from_secs(5);
/// The pause after each write, which leaves the API server to others.
const PAUSE: Duration = Duration::from_millis(100);
/// When to try again after a conflict: the watch brings the newer version.
const CONFLICT: Duration = Duration::from_secs(1);
/// When to try again after an error.
const AGAIN: Duration = Duration::from_secs(10);
/// When to try again without permission to write.
const FORBIDDEN: Duration = Duration::from_mins(5);
/// How often a line about a failed write is logged at most.
const LINE: Duration = Duration::from_mins(1);
/// Who writes, in `metadata.managedFields`.
const FIELD_MANAGER: &str = "pillion-discovery";

/// How the replicas agree on one that writes.
#[derive(Debug)]
pub(in crate::discovery) struct Settings {
    /// The namespace of the Lease.
    pub namespace: String,
    /// The Lease's name.
    pub lease: String,
}

/// Writes statuses for as long as this replica holds the Lease; `leads` says whether it does.
pub(in crate::discovery) async fn run(
    client: Client,
    settings: Settings,
    board: Board,
    leads: watch::Sender<bool>,
) {
    let mut writer = Writer {
        leases: Api::namespaced(client.clone(), &settings.namespace),
        client,
        settings,
        // A pod's name is unique; outside of a cluster, use the process' id.
        holder: std::env::var("POD_NAME")
            .unwrap_or_else(|_| format!("process-{}", std::process::id())),
        board,
        leads,
        held_until: None,
        trouble: None,
        is_told: false,
        lines: Lines::default(),
    };
    writer.run().await;
}

struct Writer {
    client: Client,
    leases: Api<Lease>,
    settings: Settings,
    holder: String,
    board: Board,
    leads: watch::Sender<bool>,
    /// Until when this replica holds the Lease.
    held_until: Option<Instant>,
    /// What was logged about the Lease.
    trouble: Option<Trouble>,
    /// Whether it has been logged that the permission to write is missing.
    is_told: bool,
    lines: Lines,
}

impl Writer {
    async fn run(&mut self) {
        let mut renewals = interval(RENEW);
        renewals.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let board = self.board.clone();
        // When the next status may be written.
        let mut resume = Instant::now();
        let mut again = None;
        loop {
            tokio::select! {
                biased;
                _ = renewals.tick() => self.renew().await,
                () = board.changed() => {}
                () = sleep_until(again.unwrap_or(resume)), if again.is_some() => {}
            }
            let now = Instant::now();
            if now < resume {
                again = Some(resume);
                continue;
            }
            if self.held_until.is_none_or(|until| now + WRITE > until) {
                // The next renewal looks again.
                again = None;
                continue;
            }
            again = match board.next(now) {
                Next::Nothing => None,
                Next::At(due) => Some(due),
                Next::Write(job) => {
                    self.write(*job).await;
                    resume = Instant::now() + PAUSE;
                    Some(resume)
                }
            };
        }
    }

    async fn renew(&mut self) {
        let begun = Instant::now();
        let lease = acquire_lease(&self.leases, &self.settings.lease, &self.holder);
        let trouble = match timeout(RENEWAL, lease).await {
            Ok(Ok(Acquired::Held)) => {
                self.held_until = Some(begun + LEASE_DURATION);
                None
            }
            Ok(Ok(Acquired::HeldByAnother)) => {
                self.held_until = None;
                None
            }
            // Without it, all replicas would write.
            Ok(Ok(Acquired::Missing)) => {
                self.held_until = None;
                Some(Trouble::Missing)
            }
            // It lasts until it runs out.
            Ok(Err(error)) if is_forbidden(&error) => {
                Some(Trouble::Forbidden(error_chain(&error).to_string()))
            }
            Ok(Err(error)) => Some(Trouble::Error(error_chain(&error).to_string())),
            Err(_) => Some(Trouble::Error("the API server does not respond".to_owned())),
        };
        Trouble::replace(&mut self.trouble, trouble, &self.settings.lease);
        let now = Instant::now();
        self.lead(self.held_until.is_some_and(|until| now < until));
    }

    fn lead(&self, leads: bool) {
        if *self.leads.borrow() == leads {
            return;
        }
        if leads {
            tracing::info!("this replica now writes the statuses of rules");
        } else {
            tracing::info!("this replica no longer writes the statuses of rules");
        }
        // The board has to know before anybody looks for findings, or it would forget these.
        self.board.lead(leads);
        self.leads.send_replace(leads);
    }

    async fn write(&mut self, job: Job) {
        match timeout(WRITE, self.patch(&job)).await {
            Ok(Ok(object)) => {
                // If the permission is missing again, that is news.
                self.is_told = false;
                self.board.written(job, &object, Instant::now());
            }
            Ok(Err(error)) => self.failed(&job, &error),
            Err(elapsed) => {
                let error = kube::Error::Service(Box::new(elapsed));
                self.failed(&job, &error);
            }
        }
    }

    async fn patch(&self, job: &Job) -> kube::Result<DynamicObject> {
        let key = &job.object.key;
        let api: Api<DynamicObject> =
            Api::namespaced_with(self.client.clone(), &key.namespace, &job.resource);
        // If the object has changed meanwhile, the status may be wrong, and the API server
        // refuses it because of the version.
        let patch = Patch::Merge(json!({
            "metadata": {"resourceVersion": job.version},
            "status": job.status,
        }));
        let parameters = PatchParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PatchParams::default()
        };
        api.patch_status(&key.name, &parameters, &patch).await
    }

    fn failed(&mut self, job: &Job, error: &kube::Error) {
        let code = match error {
            kube::Error::Api(status) => status.code,
            _ => 0,
        };
        let wait = match code {
            409 => CONFLICT,
            403 => FORBIDDEN,
            _ => AGAIN,
        };
        let Some(failures) = self.board.failed(job, wait) else {
            return;
        };
        match code {
            409 => {}
            // The watch is about to tell that the object is gone.
            404 if failures == 1 => {}
            404 if failures == 2 => tracing::warn!(
                object = %job.object,
                "cannot write the status of a rule: the API server has the object, but not its status subresource. The CRD of its \
                 kind must have the subresource status, as Istio's and the chart's have"
            ),
            404 => {}
            403 if std::mem::replace(&mut self.is_told, true) => {}
            403 => tracing::warn!(
                object = %job.object,
                error = error_chain(error),
                "the statuses of rules are not written: the permission is missing"
            ),
            _ => {
                if let Some(held_back) = self.lines.pass(Instant::now()) {
                    tracing::warn!(
                        object = %job.object,
                        error = error_chain(error),
                        held_back,
                        "cannot write the status of a rule; trying again"
                    );
                }
            }
        }
    }
}

/// Limits a line.
#[derive(Debug, Default)]
struct Lines {
    last: Option<Instant>,
    held_back: u64,
}

impl Lines {
    /// Whether the line may be logged, and how many were not before it.
    fn pass(&mut self, now: Instant) -> Option<u64> {
        if self.last.is_some_and(|last| now < last + LINE) {
            self.held_back += 1;
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.held_back))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_ends_before_the_lease_does() {
        // After a renewal that failed, there is time for another one.
        assert!(RENEW + RENEWAL + WRITE < LEASE_DURATION);
        assert!(RENEWAL < RENEW);
    }

    #[tokio::test(start_paused = true)]
    async fn lines_are_limited_and_counted() {
        let (mut lines, start) = (Lines::default(), Instant::now());
        assert_eq!(lines.pass(start), Some(0));
        assert_eq!(lines.pass(start), None);
        assert_eq!(lines.pass(start + LINE / 2), None);
        assert_eq!(lines.pass(start + LINE), Some(2));
    }
}
