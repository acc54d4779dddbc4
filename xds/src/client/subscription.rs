//! What a client subscribes to of one type, holds, and has to say.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    mem,
    sync::Arc,
};

use pillion_envoy_api::{
    envoy::service::discovery::v3::{DeltaDiscoveryRequest, DeltaDiscoveryResponse},
    google::rpc::Status,
};

use super::{
    error::{ProtocolError, SubscribeError},
    event::{Refusal, Update},
    response::{self, Accepted},
};
use crate::limits::{MAX_NAME_BYTES, MAX_NAMES, MAX_REFUSAL_BYTES, shorten};

/// What subscribes to all resources of a type.
const WILDCARD: &str = "*";

/// `INVALID_ARGUMENT` of gRPC: what a response is refused with.
const INVALID_ARGUMENT: i32 = 3;

/// The most updates of one type that wait for an answer. A server of ours sends one at a time.
pub(super) const MAX_PENDING: usize = 8;

/// The subscription to one type. A name that is subscribed to stays so across streams.
#[derive(Debug)]
pub(super) struct Subscription {
    pub(super) type_url: &'static str,
    wildcard: bool,
    names: BTreeSet<Arc<str>>,
    /// The versions of the resources that were accepted.
    held: BTreeMap<Arc<str>, Arc<str>>,
    /// Whether the stream's first request of this type was sent.
    is_open: bool,
    /// Whether anything was unsubscribed from on this stream, and the wildcard came after it.
    /// What the server sent before may be gone without its saying so: only a new stream, on
    /// which the client says what it holds, can tell.
    has_left: bool,
    covers_what_it_left: bool,
    to_subscribe: BTreeSet<Arc<str>>,
    to_unsubscribe: BTreeSet<Arc<str>>,
    /// Responses that await their answer, oldest first.
    pending: VecDeque<Pending>,
    /// Answers that are to be sent, oldest first.
    answers: VecDeque<Answer>,
}

#[derive(Debug)]
struct Pending {
    nonce: String,
    changed: Vec<(Arc<str>, Arc<str>)>,
    removed: Vec<Arc<str>>,
}

#[derive(Debug)]
struct Answer {
    nonce: String,
    error: Option<Status>,
}

impl Subscription {
    pub(super) fn new(type_url: &'static str) -> Self {
        Self {
            type_url,
            wildcard: false,
            names: BTreeSet::new(),
            held: BTreeMap::new(),
            is_open: false,
            has_left: false,
            covers_what_it_left: false,
            to_subscribe: BTreeSet::new(),
            to_unsubscribe: BTreeSet::new(),
            pending: VecDeque::new(),
            answers: VecDeque::new(),
        }
    }

    fn covers(&self, name: &str) -> bool {
        self.wildcard || self.names.contains(name)
    }

    pub(super) fn subscribe(&mut self, name: Arc<str>) -> Result<(), SubscribeError> {
        if *name == *WILDCARD {
            if !mem::replace(&mut self.wildcard, true) {
                self.covers_what_it_left = self.has_left;
                self.to_subscribe.insert(name);
            }
            return Ok(());
        }
        if name.is_empty() || name.len() > MAX_NAME_BYTES {
            return Err(SubscribeError::BadName);
        }
        if self.names.contains(&name) {
            return Ok(());
        }
        if self.names.len() >= MAX_NAMES {
            return Err(SubscribeError::TooManyNames);
        }
        self.names.insert(name.clone());
        self.to_subscribe.insert(name);
        Ok(())
    }

    pub(super) fn unsubscribe(&mut self, name: &str) {
        let name = if name == WILDCARD {
            self.covers_what_it_left = false;
            mem::replace(&mut self.wildcard, false).then(|| Arc::from(WILDCARD))
        } else {
            self.names.take(name)
        };
        let Some(name) = name else { return };
        self.has_left |= self.is_open;
        // Without a request in between, the server never learns of either.
        if !self.to_subscribe.remove(&name) {
            self.to_unsubscribe.insert(name);
        }
        let (wildcard, names) = (self.wildcard, &self.names);
        self.held.retain(|name, _| wildcard || names.contains(name));
    }

    /// A new stream: everything is asked for anew.
    pub(super) fn connected(&mut self) {
        // What was not answered may or may not be in use, so it is asked for, too.
        for pending in mem::take(&mut self.pending) {
            let changed = pending.changed.iter().map(|(name, _)| name);
            for name in changed.chain(&pending.removed) {
                self.held.remove(name);
            }
        }
        self.answers.clear();
        self.is_open = false;
        self.has_left = false;
        self.covers_what_it_left = false;
    }

    /// How many updates wait for their answer.
    pub(super) fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Takes a response. Returns nothing if it was refused here, because it is malformed.
    ///
    /// # Errors
    ///
    /// Returns an error if it can't be answered: the stream has to end.
    pub(super) fn receive(
        &mut self,
        response: DeltaDiscoveryResponse,
    ) -> Result<Option<Update>, ProtocolError> {
        if !self.is_open {
            return Err(ProtocolError::NotAskedFor(self.type_url.to_owned()));
        }
        if response.nonce.is_empty() {
            return Err(ProtocolError::NoNonce);
        }
        if self.pending.len() >= MAX_PENDING {
            return Err(ProtocolError::TooMany);
        }
        let nonce = response.nonce.clone();
        match response::accept(self.type_url, response) {
            Ok(accepted) => Ok(Some(self.accepted(nonce, accepted))),
            Err(malformed) => {
                let error = Some(refused(&malformed.to_string()));
                self.answers.push_back(Answer { nonce, error });
                Ok(None)
            }
        }
    }

    fn accepted(&mut self, nonce: String, accepted: Accepted) -> Update {
        let Accepted {
            mut changed,
            mut removed,
        } = accepted;
        let is_held = |name: &Arc<str>, version: &Arc<str>| {
            !version.is_empty() && self.held.get(name).is_some_and(|held| held == version)
        };
        // With one response waiting for its answer, what is held is not known.
        let is_settled = self.pending.is_empty();
        changed.retain(|one| {
            self.covers(&one.name) && !(is_settled && is_held(&one.name, &one.version))
        });
        removed.retain(|name| self.covers(name));
        let versions = changed.iter();
        self.pending.push_back(Pending {
            nonce: nonce.clone(),
            changed: versions
                .map(|one| (one.name.clone(), one.version.clone()))
                .collect(),
            removed: removed.clone(),
        });
        Update {
            type_url: self.type_url,
            changed,
            removed,
            nonce,
        }
    }

    /// Accepts an update, but for the resources that are refused. An unknown nonce is ignored:
    /// its stream has ended.
    pub(super) fn answer(&mut self, nonce: &str, refusals: &[Refusal]) {
        let Some(index) = self.pending.iter().position(|one| one.nonce == nonce) else {
            return;
        };
        let Some(pending) = self.pending.remove(index) else {
            return;
        };
        let mut text = String::new();
        for refusal in refusals {
            let changed = pending.changed.iter();
            let version = changed.clone().find(|(name, _)| *name == refusal.name);
            let version = version.map_or("", |(_, version)| version);
            let separator = if text.is_empty() { "" } else { "\n" };
            text += &format!("{separator}{}@{version}: {}", refusal.name, refusal.reason);
        }
        let is_refused = |name: &Arc<str>| refusals.iter().any(|one| one.name == *name);
        for (name, version) in pending.changed {
            if self.covers(&name) && !is_refused(&name) {
                self.held.insert(name, version);
            }
        }
        for name in pending.removed {
            self.held.remove(&name);
        }
        self.answers.push_back(Answer {
            nonce: pending.nonce,
            error: (!refusals.is_empty()).then(|| refused(&text)),
        });
    }

    /// Whether there is a request to send.
    pub(super) fn is_ready(&self) -> bool {
        if self.is_open {
            !self.answers.is_empty()
                || !self.to_unsubscribe.is_empty()
                || !self.to_subscribe.is_empty()
        } else {
            self.wildcard || !self.names.is_empty()
        }
    }

    /// The next request to send. A reply never has names, and names are unsubscribed from
    /// before others are subscribed to: other servers lose them otherwise. The wildcard comes
    /// before both, so that the server does not lose sight of a name that it covers.
    pub(super) fn next(&mut self) -> Option<DeltaDiscoveryRequest> {
        if !self.is_ready() {
            return None;
        }
        let mut request = DeltaDiscoveryRequest {
            type_url: self.type_url.to_owned(),
            ..DeltaDiscoveryRequest::default()
        };
        if !self.is_open {
            self.open(&mut request);
        } else if let Some(answer) = self.answers.pop_front() {
            request.response_nonce = answer.nonce;
            request.error_detail = answer.error;
        } else if let Some(wildcard) = self.to_subscribe.take(WILDCARD) {
            request.resource_names_subscribe = vec![wildcard.to_string()];
        } else if !self.to_unsubscribe.is_empty() {
            request.resource_names_unsubscribe = strings(mem::take(&mut self.to_unsubscribe));
        } else {
            request.resource_names_subscribe = strings(mem::take(&mut self.to_subscribe));
        }
        Some(request)
    }

    /// The first request of a stream: all names, and the versions that are held.
    fn open(&mut self, request: &mut DeltaDiscoveryRequest) {
        self.is_open = true;
        self.to_subscribe.clear();
        self.to_unsubscribe.clear();
        let wildcard = self.wildcard.then(|| WILDCARD.to_owned());
        let names = self.names.iter().map(ToString::to_string);
        request.resource_names_subscribe = wildcard.into_iter().chain(names).collect();
        let held = self.held.iter();
        request.initial_resource_versions = held
            .map(|(name, version)| (name.to_string(), version.to_string()))
            .collect();
    }

    /// The versions of what was accepted, by name.
    pub(super) fn held(&self) -> &BTreeMap<Arc<str>, Arc<str>> {
        &self.held
    }

    /// Whether only a new stream can tell what there is.
    pub(super) fn needs_new_stream(&self) -> bool {
        self.covers_what_it_left
    }

    /// Whether all resources are subscribed to.
    pub(super) fn is_wildcard(&self) -> bool {
        self.wildcard
    }
}

fn refused(text: &str) -> Status {
    Status {
        code: INVALID_ARGUMENT,
        message: shorten(text, MAX_REFUSAL_BYTES).to_owned(),
        details: Vec::new(),
    }
}

fn strings(names: BTreeSet<Arc<str>>) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}
