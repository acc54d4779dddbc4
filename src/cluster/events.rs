//! Events on the objects that a role reads, for operators who inspect the object instead
//! of the role's log.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use k8s_openapi::api::core::v1::ObjectReference;
use kube::{
    Client, Resource,
    runtime::events::{Event, EventType, Recorder, Reporter},
};
use tokio::time::timeout;

use crate::{error_chain, text::shorten};

/// The timeout for publishing an Event, during which the caller waits.
const PUBLISH: Duration = Duration::from_secs(5);
/// The maximum length of a note: the API server refuses more than 1 kB.
const NOTE: usize = 1000;
/// How many notes are remembered, so that an Event with the same note is counted up.
const NOTES: usize = 64;

/// Publishes Events.
pub(crate) struct Events {
    client: Client,
    reporter: Reporter,
    /// By note: a recorder counts up an Event that has another note, and leaves that as it is.
    recorders: Mutex<HashMap<String, Recorder>>,
}

impl Events {
    /// Publishes Events as this controller.
    pub fn new(client: Client, controller: &str) -> Self {
        let reporter = Reporter {
            controller: controller.to_owned(),
            instance: std::env::var("POD_NAME").ok(),
        };
        Self {
            client,
            reporter,
            recorders: Mutex::default(),
        }
    }

    /// Publishes a warning about an object that could not be loaded. A long note is truncated,
    /// and a failure to publish is only logged.
    pub async fn warn<K>(&self, object: &K, reason: &str, note: String)
    where
        K: Resource<DynamicType = ()>,
    {
        let reference = object.object_ref(&());
        self.warn_about(&reference, (reason, "Reload"), note).await;
    }

    /// The same for an object of which only the reference is known, and another action.
    pub async fn warn_about(
        &self,
        reference: &ObjectReference,
        (reason, action): (&str, &str),
        mut note: String,
    ) {
        if note.len() > NOTE {
            note = format!("{}…", shorten(&note, NOTE - '…'.len_utf8()));
        }
        let recorder = self.recorder(&note);
        let event = Event {
            type_: EventType::Warning,
            reason: reason.to_owned(),
            note: Some(note),
            action: action.to_owned(),
            secondary: None,
        };
        match timeout(PUBLISH, recorder.publish(&event, reference)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(error = error_chain(&error), "cannot publish an Event");
            }
            Err(_) => tracing::warn!("cannot publish an Event: the API server does not respond"),
        }
    }

    fn recorder(&self, note: &str) -> Recorder {
        let recorders = self.recorders.lock();
        let mut recorders = recorders.unwrap_or_else(PoisonError::into_inner);
        if recorders.len() >= NOTES && !recorders.contains_key(note) {
            recorders.clear();
        }
        let new = || Recorder::new(self.client.clone(), self.reporter.clone());
        recorders.entry(note.to_owned()).or_insert_with(new).clone()
    }
}
