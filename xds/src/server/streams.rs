//! What the streams of both variants of the protocol share: their types, whose turn it is to
//! be sent, and nonces.

use std::sync::Arc;

use pillion_envoy_api::type_url::{CLUSTER, CLUSTER_LOAD_ASSIGNMENT};

use super::{error::StreamError, subscription::Subscription};
use crate::{
    Snapshot,
    limits::{MAX_STREAM_BYTES, MAX_TYPE_BYTES},
    snapshot::{is_known, removing_rank, sending_rank},
};

/// What a client subscribes to of one type, and the response that it has not replied to.
#[derive(Debug)]
pub(super) struct Type {
    pub(super) url: Arc<str>,
    pub(super) subscription: Subscription,
    /// The nonce of the response that the client has not replied to.
    pub(super) in_flight: Option<String>,
    /// The nonce of the newest response.
    pub(super) newest: Option<String>,
}

/// What is sent next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// New and changed resources of the type with this index.
    Additions(usize),
    /// The names that the client has to forget, of the type with this index.
    Removals(usize),
}

/// The types of a stream.
///
/// A type's resources are sent once all that they may cite was sent, and the client forgets
/// resources once everything was sent. Of each type, one response is on its way at a time.
#[derive(Debug, Default)]
pub(super) struct Types {
    snapshot: Snapshot,
    /// In the order of sending.
    all: Vec<Type>,
    nonces: u64,
}

impl Types {
    pub(super) fn new(snapshot: Snapshot) -> Self {
        Self {
            snapshot,
            ..Self::default()
        }
    }

    /// The type with this URL, and whether it is new to the stream.
    ///
    /// # Errors
    ///
    /// Returns an error if the server has no such type, or the URL can't be one.
    pub(super) fn open(&mut self, url: &str) -> Result<(&mut Type, bool), StreamError> {
        if url.is_empty() {
            return Err(StreamError::NoType);
        }
        if url.len() > MAX_TYPE_BYTES {
            return Err(StreamError::LongType);
        }
        if let Some(index) = self.all.iter().position(|one| &*one.url == url) {
            return Ok((&mut self.all[index], false));
        }
        // A stream never has more types than are known.
        if !is_known(url) && self.snapshot.get(url).is_none() {
            return Err(StreamError::UnknownType(url.to_owned()));
        }
        let rank = sending_rank(url);
        let index = self
            .all
            .partition_point(|one| sending_rank(&one.url) <= rank);
        let new = Type {
            url: url.into(),
            subscription: Subscription::new(self.snapshot.layers(url)),
            in_flight: None,
            newest: None,
        };
        self.all.insert(index, new);
        Ok((&mut self.all[index], true))
    }

    /// Checks that what the client subscribes to does not take too much memory.
    ///
    /// # Errors
    ///
    /// Returns an error if it does.
    pub(super) fn check(&self) -> Result<(), StreamError> {
        if self.bytes() > MAX_STREAM_BYTES {
            return Err(StreamError::TooMuch);
        }
        Ok(())
    }

    /// The version of a resource that the client has from this stream: see `SentVersions`.
    pub(super) fn sent_version(&self, type_url: &str, name: &str) -> Option<Arc<str>> {
        let one = self.all.iter().find(|one| &*one.url == type_url)?;
        one.subscription.sent_version(name).cloned()
    }

    /// Whether the client has all of a type that it subscribes to, because it held that when it
    /// connected: nothing was sent.
    pub(super) fn is_resumed(&self, type_url: &str) -> bool {
        let one = self.all.iter().find(|one| &*one.url == type_url);
        one.is_some_and(|one| one.newest.is_none() && one.subscription.is_resumed())
    }

    /// About the bytes that the client makes this take.
    pub(super) fn bytes(&self) -> usize {
        self.all.iter().map(|one| one.subscription.bytes()).sum()
    }

    /// About the bytes of these that are of names which the snapshot does not have.
    pub(super) fn own_bytes(&self) -> usize {
        let all = self.all.iter();
        all.map(|one| one.subscription.own_bytes()).sum()
    }

    /// How many resources requests have made this walk since the last call.
    pub(super) fn take_walked(&mut self) -> usize {
        let all = self.all.iter_mut();
        all.map(|one| one.subscription.take_walked()).sum()
    }

    /// Replaces what the client may see.
    pub(super) fn update(&mut self, snapshot: Snapshot) {
        for one in &mut self.all {
            one.subscription.update(&snapshot.layers(&one.url));
        }
        self.snapshot = snapshot;
    }

    /// What is sent next, unless it has to wait for the client.
    pub(super) fn turn(&self) -> Option<Turn> {
        let mut adding = (0..self.all.len()).filter(|&index| {
            let one = &self.all[index];
            one.subscription.has_additions()
        });
        if let Some(index) = adding.next() {
            if self.all[index].in_flight.is_none() {
                return Some(Turn::Additions(index));
            }
            // What is next in order may cite it, so it waits, too. Assignments cite nothing, and an
            // Envoy replies to clusters only when it has those of all of them.
            let assignments =
                adding.find(|&index| *self.all[index].url == *CLUSTER_LOAD_ASSIGNMENT)?;
            let waits = self.all[assignments].in_flight.is_some();
            return (!waits).then_some(Turn::Additions(assignments));
        }
        let removes = (0..self.all.len())
            .filter(|&index| self.all[index].subscription.has_removals())
            .min_by_key(|&index| removing_rank(&self.all[index].url))?;
        let waits = self.all[removes].in_flight.is_some();
        (!waits).then_some(Turn::Removals(removes))
    }

    /// Notes that clusters were sent. Their assignments are sent again after them: an Envoy that
    /// gets a changed cluster does not use it before it has had its assignment once more.
    pub(super) fn sent<'a>(&mut self, index: usize, names: impl Iterator<Item = &'a Arc<str>>) {
        let is_cluster = self.all.get(index).is_some_and(|one| *one.url == *CLUSTER);
        let mut all = self.all.iter_mut();
        let Some(assignments) = all.find(|one| is_cluster && *one.url == *CLUSTER_LOAD_ASSIGNMENT)
        else {
            return;
        };
        for name in names {
            assignments.subscription.send_again(name);
        }
    }

    /// The type with this index, and the nonce for a response of it, which is then on its way.
    pub(super) fn begin(&mut self, index: usize) -> (&mut Type, String) {
        self.nonces += 1;
        let (one, nonce) = (&mut self.all[index], self.nonces.to_string());
        one.in_flight = Some(nonce.clone());
        one.newest = Some(nonce.clone());
        (one, nonce)
    }

    /// The type with this index.
    pub(super) fn get(&mut self, index: usize) -> &mut Type {
        &mut self.all[index]
    }
}

impl Type {
    /// Notes that the client replied to a response, if it is the one on its way.
    pub(super) fn replied(&mut self, nonce: &str) -> Option<String> {
        self.in_flight.take_if(|one| one == nonce)
    }
}
