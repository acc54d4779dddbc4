//! The state-of-the-world variant: `StreamAggregatedResources`.

use std::{collections::BTreeSet, sync::Arc};

use pillion_envoy_api::{
    envoy::service::discovery::v3::{DiscoveryRequest, DiscoveryResponse},
    type_url,
};

use super::{
    error::StreamError,
    observer::{Observer, Reply},
    streams::{Turn, Type, Types},
    subscription::{Batch, Claims, WILDCARD},
};
use crate::{Snapshot, resource::version};

/// A stream of `StreamAggregatedResources`, without its connection: requests go in, responses
/// come out.
///
/// A response of listeners or clusters has all of them, and what it lacks is removed. A response
/// of other types has what changed, and such resources are never removed, as the protocol has it.
/// A client's first request of a type is answered whatever version it holds, because a version
/// does not say of which names.
#[derive(Debug)]
pub struct SotwStream {
    types: Types,
}

impl SotwStream {
    /// A stream on which nothing was asked for, to a client that may see this snapshot.
    #[must_use]
    pub fn new(snapshot: Snapshot) -> Self {
        Self {
            types: Types::new(snapshot),
        }
    }

    /// Takes a request. Returns what the client replied to an earlier response, if it did. A
    /// request that cites another response than the newest is ignored: the client sends one
    /// more when it gets that response.
    ///
    /// # Errors
    ///
    /// Returns an error if the client breaks the protocol or exceeds a limit: the stream ends.
    pub fn request(&mut self, request: &DiscoveryRequest) -> Result<Option<Reply>, StreamError> {
        let (one, is_new) = self.types.open(&request.type_url)?;
        let newest = one.newest.as_deref().unwrap_or_default();
        if !is_new && newest != request.response_nonce {
            return Ok(None);
        }
        one.subscribe(&request.resource_names, is_new)?;
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

    /// Whether [`next`](Self::next) may have a response.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.types.turn().is_some()
    }

    /// The next response, in the newest state, or nothing if the client has to reply first or
    /// has everything.
    pub fn next(&mut self, observer: &dyn Observer) -> Option<DiscoveryResponse> {
        loop {
            let turn = self.types.turn()?;
            let (Turn::Additions(index) | Turn::Removals(index)) = turn;
            let one = self.types.get(index);
            let Some((batch, changed)) = one.batch(turn) else {
                continue;
            };
            let version = one.version();
            let (one, nonce) = self.types.begin(index);
            batch.tell(&one.url, &nonce, observer);
            let type_url = one.url.to_string();
            self.types.sent(index, changed.iter());
            return Some(DiscoveryResponse {
                version_info: version,
                resources: batch.resources.iter().map(|one| one.body.clone()).collect(),
                type_url,
                nonce,
                ..DiscoveryResponse::default()
            });
        }
    }
}

impl Type {
    /// Whether a response has to have all resources that the client subscribes to.
    fn is_whole(&self) -> bool {
        [type_url::LISTENER, type_url::CLUSTER].contains(&&*self.url)
    }

    /// Makes these names the ones that the client subscribes to: none at first means all.
    fn subscribe(&mut self, names: &[String], is_new: bool) -> Result<(), StreamError> {
        let claims = Claims::new();
        if names.is_empty() && is_new {
            self.subscription.subscribe_all(&claims);
            return Ok(());
        }
        if names.is_empty() && self.is_implicit() {
            return Ok(());
        }
        let new: BTreeSet<&str> = names.iter().map(String::as_str).collect();
        let gone: Vec<_> = self
            .subscription
            .names()
            .filter(|name| !new.contains(&***name))
            .cloned()
            .collect();
        for name in gone {
            self.subscription.unsubscribe(&name);
        }
        if self.subscription.is_wildcard() && !new.contains(WILDCARD) {
            self.subscription.unsubscribe(WILDCARD);
        }
        for name in new {
            if !self.subscription.has(name) {
                self.subscription.subscribe(&self.url, name, &claims)?;
            }
        }
        Ok(())
    }

    /// Whether the client subscribes to all, because its requests have no names.
    fn is_implicit(&self) -> bool {
        self.subscription.is_wildcard() && self.subscription.names().next().is_none()
    }

    /// What goes into the next response, if there has to be one, and what of it has changed.
    fn batch(&mut self, turn: Turn) -> Option<(Batch, Vec<Arc<str>>)> {
        let is_whole = self.is_whole();
        let subscription = &mut self.subscription;
        match turn {
            Turn::Additions(_) if is_whole => {
                let changed = subscription.additions_sent();
                Some((subscription.whole(), changed))
            }
            Turn::Additions(_) => {
                let was_asked = subscription.owes_answer();
                let batch = subscription.take_additions();
                // There is no way to say that a resource does not exist.
                (was_asked || !batch.resources.is_empty() || !batch.withheld.is_empty())
                    .then_some((batch, Vec::new()))
            }
            Turn::Removals(_) => {
                subscription.removals_sent();
                is_whole.then(|| (subscription.whole(), Vec::new()))
            }
        }
    }

    /// The version of all that the client subscribes to.
    fn version(&self) -> String {
        let batch = self.subscription.whole();
        let parts = batch.resources.iter();
        version(parts.flat_map(|one| [one.name.as_bytes(), one.version.as_bytes()]))
    }
}
