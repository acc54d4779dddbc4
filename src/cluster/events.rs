//! Events on the objects that a role reads, for operators who inspect the object instead
//! of the role's log.

use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::{
    Client, Resource,
    runtime::events::{Event, EventType, Recorder, Reporter},
};
use tokio::time::timeout;

use crate::error_chain;

/// The timeout for publishing an Event, during which the caller waits.
const PUBLISH: Duration = Duration::from_secs(5);
/// The maximum length of a note: the API server refuses more than 1 kB.
const NOTE: usize = 1000;

/// Publishes Events.
pub(crate) struct Events(Recorder);

impl Events {
    /// Publishes Events as this controller.
    pub fn new(client: Client, controller: &str) -> Self {
        let reporter = Reporter {
            controller: controller.to_owned(),
            instance: std::env::var("POD_NAME").ok(),
        };
        Self(Recorder::new(client, reporter))
    }

    /// Publishes a warning about an object. A long note is truncated, and a failure to
    /// publish is only logged.
    pub async fn warn<K>(&self, object: &K, reason: &str, note: String)
    where
        K: Resource<DynamicType = ()>,
    {
        self.warn_about(&object.object_ref(&()), reason, note).await;
    }

    /// The same for an object of which only the reference is known.
    pub async fn warn_about(&self, reference: &ObjectReference, reason: &str, mut note: String) {
        if note.len() > NOTE {
            let end = (0..=NOTE - 4)
                .rev()
                .find(|end| note.is_char_boundary(*end))
                .unwrap_or(0);
            note.truncate(end);
            note.push('…');
        }
        let event = Event {
            type_: EventType::Warning,
            reason: reason.to_owned(),
            note: Some(note),
            action: "Reload".to_owned(),
            secondary: None,
        };
        match timeout(PUBLISH, self.0.publish(&event, reference)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(error = error_chain(&error), "cannot publish an Event");
            }
            Err(_) => tracing::warn!("cannot publish an Event: the API server does not respond"),
        }
    }
}
