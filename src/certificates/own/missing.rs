//! Reporting a Secret that is missing and that the role may not create.

use std::time::Duration;

use k8s_openapi::{api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use tokio::time::Instant;

use crate::{certificates::owner::Owner, cluster::Events};

/// When to retry after a denial. RBAC may be set up after the process has started.
const DENIED: Duration = Duration::from_secs(30);
/// How often to report it again: API servers delete Events after an hour.
const REPORT: Duration = Duration::from_secs(30 * 60);

/// What to do about a Secret with invalid contents.
pub(super) const EMPTY_IT: &str = "remove its contents (kubectl patch secret NAME --type=merge -p '{\"data\":null}'), and it is filled again";

/// Whether creating the Secret was denied, and when that was reported.
pub(super) struct Missing {
    owner: Owner,
    denied: Option<Instant>,
    reported: Option<Instant>,
}

impl Missing {
    pub fn new(owner: Owner) -> Self {
        Self {
            owner,
            denied: None,
            reported: None,
        }
    }

    /// Whether it is too early to try again.
    pub fn was_denied_just_now(&self) -> bool {
        self.denied.is_some_and(|denied| denied.elapsed() < DENIED)
    }

    /// Records that the role may not create the Secret, and reports that in the log, in
    /// an Event and by `/readyz`.
    pub async fn record_denied(&mut self, events: &Events, namespace: &str, name: &str) {
        let now = Instant::now();
        self.denied = Some(now);
        self.owner.secret_is_missing(true);
        if self.reported.is_some_and(|at| at.elapsed() < REPORT) {
            return;
        }
        self.reported = Some(now);
        let note = note(self.owner.name, namespace, name);
        tracing::error!(secret = name, namespace, "{note}");
        let secret = Secret {
            metadata: ObjectMeta {
                name: Some(name.to_owned()),
                namespace: Some(namespace.to_owned()),
                ..ObjectMeta::default()
            },
            ..Secret::default()
        };
        events.warn(&secret, "MissingSecret", note).await;
    }

    /// Records that the Secret exists.
    pub fn record_found(&mut self) {
        self.denied = None;
        self.reported = None;
        self.owner.secret_is_missing(false);
    }
}

fn note(role: &str, namespace: &str, name: &str) -> String {
    format!(
        "the chart's Secret {name} for the {role}'s certificates is missing, and the {role} may not create one. Create \
         it again with helm upgrade, or empty with: kubectl -n {namespace} create secret generic {name}. Running replicas \
         continue to serve and restore its contents; a replica that starts waits for it"
    )
}
