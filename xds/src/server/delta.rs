//! The incremental variant: `DeltaAggregatedResources`.

use std::sync::Arc;

use pillion_envoy_api::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse, Resource as Sent,
};

use super::{
    error::StreamError,
    observer::{Observer, Reply},
    streams::{Turn, Types},
    subscription::check_claims,
};
use crate::{Resource, Snapshot};

/// A stream of `DeltaAggregatedResources`, without its connection: requests go in, responses
/// come out. Nothing is sent unless it changed or was asked for, and a response that was
/// refused is not sent again.
#[derive(Debug)]
pub struct DeltaStream {
    types: Types,
}

impl DeltaStream {
    /// A stream on which nothing was asked for, to a client that may see this snapshot.
    #[must_use]
    pub fn new(snapshot: Snapshot) -> Self {
        Self {
            types: Types::new(snapshot),
        }
    }

    /// Takes a request. Returns what the client replied to an earlier response, if it did; a
    /// reply to any other response than the one on its way is ignored.
    ///
    /// # Errors
    ///
    /// Returns an error if the client breaks the protocol or exceeds a limit: the stream ends.
    pub fn request(
        &mut self,
        request: &DeltaDiscoveryRequest,
    ) -> Result<Option<Reply>, StreamError> {
        let claims = &request.initial_resource_versions;
        check_claims(&request.type_url, claims)?;
        let (one, is_new) = self.types.open(&request.type_url)?;
        for name in &request.resource_names_unsubscribe {
            one.subscription.unsubscribe(name);
        }
        for name in &request.resource_names_subscribe {
            one.subscription
                .subscribe(&request.type_url, name, claims)?;
        }
        if is_new && request.resource_names_subscribe.is_empty() {
            one.subscription.subscribe_all(claims);
        }
        let replied = one.replied(&request.response_nonce);
        let reply = replied.map(|nonce| Reply::new(&one.url, nonce, request.error_detail.as_ref()));
        self.types.check()?;
        Ok(reply)
    }

    /// Replaces what the client may see.
    pub fn update(&mut self, snapshot: Snapshot) {
        self.types.update(snapshot);
    }

    /// The version of a resource that the client has from this stream: see `SentVersions`.
    #[must_use]
    pub fn sent_version(&self, type_url: &str, name: &str) -> Option<Arc<str>> {
        self.types.sent_version(type_url, name)
    }

    /// What the stream has of each type.
    pub(super) fn types(&self) -> &Types {
        &self.types
    }

    /// About the bytes that the client makes this take for names that the snapshot does not have.
    pub(super) fn own_bytes(&self) -> usize {
        self.types.own_bytes()
    }

    /// How many resources requests have made this walk since the last call.
    pub(super) fn take_walked(&mut self) -> usize {
        self.types.take_walked()
    }

    /// Whether [`next`](Self::next) has a response.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.types.turn().is_some()
    }

    /// The next response, in the newest state, or nothing if the client has to reply first or
    /// has everything.
    pub fn next(&mut self, observer: &dyn Observer) -> Option<DeltaDiscoveryResponse> {
        let turn = self.types.turn()?;
        let (Turn::Additions(index) | Turn::Removals(index)) = turn;
        let (one, nonce) = self.types.begin(index);
        let batch = match turn {
            Turn::Additions(_) => one.subscription.take_additions(),
            Turn::Removals(_) => one.subscription.take_removals(),
        };
        batch.tell(&one.url, &nonce, observer);
        let type_url = one.url.to_string();
        self.types
            .sent(index, batch.resources.iter().map(|one| &one.name));
        Some(DeltaDiscoveryResponse {
            resources: batch.resources.iter().map(|one| sent(one)).collect(),
            type_url,
            removed_resources: batch.removed.iter().map(ToString::to_string).collect(),
            nonce,
            ..DeltaDiscoveryResponse::default()
        })
    }
}

fn sent(resource: &Resource) -> Sent {
    Sent {
        name: resource.name.to_string(),
        version: resource.version.to_string(),
        resource: Some(resource.body.clone()),
        ..Sent::default()
    }
}
