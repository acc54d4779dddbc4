//! What is said of a Secret that is missing and that we may not make.

use std::time::Duration;

use k8s_openapi::{api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use tokio::time::Instant;

use crate::{cluster::Events, injector::Conditions};

/// How long a denial is believed. RBAC may come through after the injector has started.
const DENIED: Duration = Duration::from_secs(30);
/// How often it is said again: API servers forget Events after an hour.
const REPORT: Duration = Duration::from_secs(30 * 60);

/// What to do about a Secret that holds something else.
pub(super) const EMPTY_IT: &str = "remove what it holds (kubectl patch secret NAME --type=merge -p '{\"data\":null}'), and it is filled again";

/// Whether the Secret is missing, and since when that was said.
pub(super) struct Missing {
    conditions: Conditions,
    denied: Option<Instant>,
    reported: Option<Instant>,
}

impl Missing {
    pub fn new(conditions: Conditions) -> Self {
        Self {
            conditions,
            denied: None,
            reported: None,
        }
    }

    /// Whether there is no use in another try yet.
    pub fn was_denied_just_now(&self) -> bool {
        self.denied.is_some_and(|denied| denied.elapsed() < DENIED)
    }

    /// We may not make it. Says so in the log, in an Event and by `/readyz`.
    pub async fn record_denied(&mut self, events: &Events, namespace: &str, name: &str) {
        let now = Instant::now();
        self.denied = Some(now);
        self.conditions.secret_is_missing(true);
        if self.reported.is_some_and(|at| at.elapsed() < REPORT) {
            return;
        }
        self.reported = Some(now);
        let note = note(namespace, name);
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

    /// It is there.
    pub fn is_there(&mut self) {
        self.denied = None;
        self.reported = None;
        self.conditions.secret_is_missing(false);
    }
}

fn note(namespace: &str, name: &str) -> String {
    format!(
        "the Secret {name}, which the chart makes for the injector's certificates, is missing, and the injector may not \
         make one. Make it again with helm upgrade, or empty with: kubectl -n {namespace} create secret generic {name}. \
         Replicas that run serve on and put back what it held; one that starts waits for it"
    )
}
