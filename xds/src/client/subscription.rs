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
use crate::{
    RefusedResource,
    limits::{
        FULL_CLAIMS_BYTES, FULL_REQUEST_BYTES, MAX_CLAIMS, MAX_NAME_BYTES, MAX_REFUSAL_BYTES,
        max_names, shorten,
    },
};

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
    /// The versions of the resources that were accepted, as a whole or in part.
    held: BTreeMap<Arc<str>, Arc<str>>,
    /// Resources whose newest state was refused, as a whole or in part. The server sends them
    /// again, whatever is held: once it has turned back to an earlier state, the refusal is over.
    refused: BTreeSet<Arc<str>>,
    /// Whether the stream's first request of this type was sent.
    is_open: bool,
    /// Whether anything was unsubscribed from on this stream, and the wildcard came after it.
    /// What the server sent before may be gone without its saying so: only a new stream, on
    /// which the client says what it holds, can tell.
    has_left: bool,
    covers_what_it_left: bool,
    to_subscribe: BTreeSet<Arc<str>>,
    to_unsubscribe: BTreeSet<Arc<str>>,
    /// Names to subscribe to whose versions were held when the stream began: the server is told.
    to_resume: BTreeSet<Arc<str>>,
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
            refused: BTreeSet::new(),
            is_open: false,
            has_left: false,
            covers_what_it_left: false,
            to_subscribe: BTreeSet::new(),
            to_unsubscribe: BTreeSet::new(),
            to_resume: BTreeSet::new(),
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
        let most = max_names(self.type_url);
        if self.names.len() >= most {
            return Err(SubscribeError::TooManyNames(most));
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
        let is_new = self.to_subscribe.remove(&name) | self.to_resume.remove(&name);
        if !is_new {
            self.to_unsubscribe.insert(name);
        }
        let (wildcard, names) = (self.wildcard, &self.names);
        self.held.retain(|name, _| wildcard || names.contains(name));
        self.refused.retain(|name| wildcard || names.contains(name));
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
            let is_same = self.held.get(name).is_some_and(|held| held == version);
            is_same && !version.is_empty() && !self.refused.contains(name)
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
            let separator = if text.is_empty() { "" } else { "\n" };
            let refused = RefusedResource {
                name: &refusal.name,
                version: &refusal.version,
                reason: &refusal.reason,
            };
            text += &format!("{separator}{refused}");
        }
        let refusals_by = refusals
            .iter()
            .map(|one| ((&*one.name, &*one.version), one));
        let refusals_by: BTreeMap<_, _> = refusals_by.collect();
        for (name, version) in pending.changed {
            if !self.covers(&name) {
                continue;
            }
            // That of an earlier version says nothing about this one.
            let refusal = refusals_by.get(&(&*name, &*version));
            match refusal {
                Some(_) => self.refused.insert(Arc::clone(&name)),
                None => self.refused.remove(&name),
            };
            if refusal.is_none_or(|refusal| refusal.is_used) {
                self.held.insert(name, version);
            }
        }
        for name in pending.removed {
            self.held.remove(&name);
            self.refused.remove(&name);
        }
        // Versions of earlier responses, too: the server sends them again on the next stream.
        for refusal in refusals {
            let held = self.held.get(&refusal.name);
            if held.is_some_and(|held| *held == refusal.version) {
                self.refused.insert(Arc::clone(&refusal.name));
            }
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
                || !self.to_resume.is_empty()
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
            request.resource_names_unsubscribe = take_some(&mut self.to_unsubscribe);
        } else if !self.to_resume.is_empty() {
            self.resume(&mut request);
        } else {
            request.resource_names_subscribe = take_some(&mut self.to_subscribe);
        }
        Some(request)
    }

    /// Subscribes to names whose versions may be held, as many as fit into a request.
    fn resume(&mut self, request: &mut DeltaDiscoveryRequest) {
        let names = take_some(&mut self.to_resume);
        for name in &names {
            if let Some(version) = self.claim(name) {
                let versions = &mut request.initial_resource_versions;
                versions.insert(name.clone(), version.to_owned());
            }
        }
        request.resource_names_subscribe.extend(names);
    }

    /// The version that the server is told is held. Of what was refused, it is one that no
    /// resource has: the server sends what there is, or says that there is nothing.
    fn claim(&self, name: &str) -> Option<&str> {
        if self.refused.contains(name) {
            return Some("");
        }
        self.held.get(name).map(|version| &**version)
    }

    /// The first request of a stream: the names, and the versions that are held. More names than
    /// fit are subscribed to by the requests after it. Of all resources, the versions are told at
    /// once, because the first request decides what the client lacks.
    fn open(&mut self, request: &mut DeltaDiscoveryRequest) {
        self.is_open = true;
        self.to_subscribe.clear();
        self.to_unsubscribe.clear();
        self.to_resume = self.names.clone();
        if self.wildcard {
            request.resource_names_subscribe = vec![WILDCARD.to_owned()];
        }
        self.resume(request);
        if self.wildcard {
            self.claim_all(request);
        }
    }

    /// Says what is held, as much as a server accepts. The rest is sent again; if it is gone, the
    /// server can't say so, which is better than no stream at all.
    fn claim_all(&self, request: &mut DeltaDiscoveryRequest) {
        let versions = &mut request.initial_resource_versions;
        let mut bytes: usize = versions.iter().map(|(name, it)| size(name, it)).sum();
        for name in self.refused.iter().chain(self.held.keys()) {
            let Some(version) = self.claim(name) else {
                continue;
            };
            if versions.contains_key(&**name) {
                continue;
            }
            bytes += size(name, version);
            if bytes > FULL_CLAIMS_BYTES || versions.len() >= MAX_CLAIMS {
                return;
            }
            versions.insert(name.to_string(), version.to_owned());
        }
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

/// What a name and its version take in a request, with their lengths.
fn size(name: &str, version: &str) -> usize {
    name.len() + version.len() + 12
}

/// Takes the first of these names, as many as fit into a request with their versions.
fn take_some(names: &mut BTreeSet<Arc<str>>) -> Vec<String> {
    let (mut taken, mut bytes) = (Vec::new(), 0);
    while bytes < FULL_REQUEST_BYTES
        && let Some(name) = names.pop_first()
    {
        // Name and version are in the request twice at most, with their lengths.
        bytes += 2 * name.len() + 48;
        taken.push(name.to_string());
    }
    taken
}
