//! What a client subscribes to of one type, and what it still has to be sent.

use std::{collections::BTreeMap, mem, sync::Arc};

use super::{charged::Charged, differences::differences, error::StreamError, observer::Observer};
use crate::{
    Layers, Resource,
    limits::{FULL_RESPONSE_BYTES, MAX_CLAIMS, MAX_NAME_BYTES, MAX_RESOURCE_BYTES, max_names},
};

/// What subscribes to all resources of a type.
pub(super) const WILDCARD: &str = "*";

/// About the bytes that a subscription to a name takes, without the name.
const NAME: usize = 24;

/// The resources that a client said it holds when it connected: their versions by name.
pub(super) type Claims = BTreeMap<String, String>;

/// A client's subscription to one type.
///
/// What the client holds is not kept name by name. It holds what `base` has of the resources
/// that it subscribes to, but for those in `stale`. A response is taken to be held once it was
/// sent, because one that is refused must not be sent again.
#[derive(Debug, Default)]
pub(super) struct Subscription {
    wildcard: bool,
    names: Charged<()>,
    base: Layers,
    /// The client is not charged for those whose names are the snapshot's: there are never more
    /// than that has, and a client that is told of all at once has done nothing for it.
    stale: Charged<Stale>,
    /// The client waits for an answer, even if there is nothing to send.
    owes_answer: bool,
    /// The client holds the present version of something by its own account.
    has_current: bool,
    /// How many resources requests have made this walk.
    walked: usize,
}

/// A resource of which the client lacks the newest state.
#[derive(Debug)]
struct Stale {
    held: Option<Held>,
    /// The client asked for it, and is answered even if it holds the newest state.
    asked: bool,
}

/// What a client holds of a resource.
#[derive(Debug, Clone)]
enum Held {
    Sent(Arc<Resource>),
    /// The version that the client says it holds, if it is one that we could have made.
    Claimed(Option<u128>),
}

impl Held {
    /// Whether it is this resource, as it is now.
    fn is(&self, now: &Resource) -> bool {
        match self {
            Self::Sent(resource) => resource.version == now.version,
            Self::Claimed(version) => version.is_some() && *version == number(&now.version),
        }
    }
}

/// What goes into one response.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) resources: Vec<Arc<Resource>>,
    /// Names that the client is to forget, or that do not exist.
    pub(super) removed: Vec<Arc<str>>,
    /// Resources that are too large. A client that holds an earlier state keeps it; to another one
    /// they do not exist.
    pub(super) withheld: Vec<Arc<Resource>>,
}

impl Batch {
    /// Tells an observer that it is sent.
    pub(super) fn tell(&self, type_url: &str, nonce: &str, observer: &dyn Observer) {
        for one in &self.withheld {
            observer.withheld(type_url, &one.name, one.body.value.len());
        }
        observer.sent(type_url, nonce, self.resources.len(), self.removed.len());
    }
}

impl Subscription {
    /// A subscription to nothing, yet.
    pub(super) fn new(base: Layers) -> Self {
        Self {
            base,
            names: Charged::new(NAME),
            ..Self::default()
        }
    }

    pub(super) fn is_wildcard(&self) -> bool {
        self.wildcard
    }

    /// Whether the client subscribes to a name by itself, or to all if it is `*`.
    pub(super) fn has(&self, name: &str) -> bool {
        if name == WILDCARD {
            self.wildcard
        } else {
            self.names.contains(name)
        }
    }

    /// About the bytes that the client makes this take.
    pub(super) fn bytes(&self) -> usize {
        self.names.bytes() + self.stale.bytes()
    }

    /// About the bytes of these that are of names which the snapshot does not have.
    pub(super) fn own_bytes(&self) -> usize {
        self.names.own_bytes() + self.stale.own_bytes()
    }

    /// How many resources requests have made this walk since the last call.
    pub(super) fn take_walked(&mut self) -> usize {
        mem::take(&mut self.walked)
    }

    /// Whether the client waits for an answer, even if there is nothing to send.
    pub(super) fn owes_answer(&self) -> bool {
        self.owes_answer
    }

    /// Whether the client lacks nothing, of what it said that it holds and all else that it
    /// subscribes to.
    pub(super) fn is_resumed(&self) -> bool {
        self.has_current && !self.owes_answer && self.stale.len() == 0
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.names.iter().map(|(name, ())| name)
    }

    fn covers(&self, name: &str) -> bool {
        self.wildcard || self.names.contains(name)
    }

    /// The version of a resource that the client has from this stream: see `SentVersions`.
    pub(super) fn sent_version(&self, name: &str) -> Option<&Arc<str>> {
        let resource = match self.stale.get(name) {
            Some(stale) => match stale.held.as_ref()? {
                Held::Sent(resource) => resource,
                // This stream has not sent it.
                Held::Claimed(_) => return None,
            },
            None if self.covers(name) => self.base.get(name)?,
            None => return None,
        };
        Some(&resource.version)
    }

    /// Subscribes to a name, which is then answered, or to all by `*`.
    ///
    /// # Errors
    ///
    /// Returns an error if there are too many names, or this one is none.
    pub(super) fn subscribe(
        &mut self,
        type_url: &str,
        name: &str,
        claims: &Claims,
    ) -> Result<(), StreamError> {
        if name == WILDCARD {
            self.subscribe_all(claims);
            return Ok(());
        }
        let type_url = || type_url.to_owned();
        if name.is_empty() || name.len() > MAX_NAME_BYTES {
            return Err(StreamError::BadName {
                type_url: type_url(),
            });
        }
        let known = self.base.get_key_value(name);
        let (key, now) = match known {
            Some((key, now)) => (key.clone(), Some(now.clone())),
            None => (Arc::from(name), None),
        };
        let is_own = now.is_none();
        let claim = claims.get(name).map(|version| claimed(version));
        let is_current = claim.is_some() && is_settled(claim.as_ref(), now.as_ref());
        self.has_current |= is_current;
        if !self.stale.contains(name) {
            let held = if self.covers(name) {
                now.map(Held::Sent)
            } else {
                claim
            };
            self.stale
                .insert(key.clone(), is_own, Stale { held, asked: false });
        }
        if let Some(stale) = self.stale.get_mut(name) {
            stale.asked = !is_current;
        }
        self.settle(name);
        if !self.names.contains(name) {
            if self.names.len() >= max_names(&type_url()) {
                return Err(StreamError::TooManyNames {
                    type_url: type_url(),
                });
            }
            self.names.insert(key, is_own, ());
        }
        Ok(())
    }

    /// Subscribes to all resources, which is answered even if there are none.
    pub(super) fn subscribe_all(&mut self, claims: &Claims) {
        self.owes_answer = true;
        if mem::replace(&mut self.wildcard, true) {
            return;
        }
        let base = self.base.clone();
        let claimed_names = claims
            .keys()
            .filter(|name| !base.contains(name.as_str()))
            .map(|name| Arc::from(name.as_str()));
        let all: Vec<Arc<str>> = base
            .iter()
            .map(|(name, _)| name.clone())
            .chain(claimed_names)
            .collect();
        self.walked += all.len();
        for name in all {
            if self.names.contains(&name) || self.stale.contains(&name) {
                continue;
            }
            let held = claims.get(&*name).map(|version| claimed(version));
            let stale = Stale { held, asked: false };
            let is_own = !base.contains(&name);
            self.stale.insert(name.clone(), is_own, stale);
            self.settle(&name);
        }
    }

    /// Unsubscribes from a name, or from all by `*`. A name that the wildcard still covers is
    /// answered once more.
    pub(super) fn unsubscribe(&mut self, name: &str) {
        if name == WILDCARD {
            self.wildcard = false;
            self.walked += self.stale.len();
            let names = &self.names;
            self.stale.retain(|name, _| names.contains(name));
            return;
        }
        let Some(name) = self.names.remove(name) else {
            return;
        };
        if self.wildcard {
            if !self.stale.contains(&name) {
                let held = self.base.get(&name).cloned().map(Held::Sent);
                let stale = Stale { held, asked: false };
                let is_own = !self.base.contains(&name);
                self.stale.insert(name.clone(), is_own, stale);
            }
            if let Some(stale) = self.stale.get_mut(&name) {
                stale.asked = true;
            }
        } else {
            self.stale.remove(&name);
        }
    }

    /// Replaces what the client may see.
    pub(super) fn update(&mut self, resources: &Layers) {
        if self.base.is_same(resources) {
            return;
        }
        let before = mem::replace(&mut self.base, resources.clone());
        for name in differences(&before, resources) {
            if !self.covers(name) {
                continue;
            }
            if !self.stale.contains(name) {
                // What the client saw, of whichever layer: one may hide the other's.
                let held = before.get(name).cloned().map(Held::Sent);
                let stale = Stale { held, asked: false };
                self.stale.insert(name.clone(), false, stale);
            }
            self.settle(name);
        }
    }

    /// Forgets that a resource is stale if it is not, or not any more.
    fn settle(&mut self, name: &str) {
        let now = self.base.get(name);
        let settled = |stale: &Stale| !stale.asked && is_settled(stale.held.as_ref(), now);
        if self.stale.get(name).is_some_and(settled) {
            self.stale.remove(name);
        }
    }

    /// Whether anything is to be sent besides names to forget.
    pub(super) fn has_additions(&self) -> bool {
        self.owes_answer
            || self
                .stale
                .iter()
                .any(|(name, stale)| self.adds(name, stale))
    }

    /// Whether there are names that the client has to forget.
    pub(super) fn has_removals(&self) -> bool {
        self.stale
            .iter()
            .any(|(name, stale)| !self.adds(name, stale))
    }

    /// Whether a stale resource is to be sent, or is said not to exist without ever having
    /// been held: that breaks no one who cites it.
    fn adds(&self, name: &str, stale: &Stale) -> bool {
        self.base.contains(name) || stale.held.is_none()
    }

    /// Takes what fits into one response: the newest state of what the client lacks.
    pub(super) fn take_additions(&mut self) -> Batch {
        let (mut batch, mut bytes) = (Batch::default(), 0);
        let base = &self.base;
        let mut is_whole = true;
        self.stale.retain(|name, stale| {
            let now = base.get(name);
            let adds = now.is_some() || stale.held.is_none();
            if !adds {
                return true;
            }
            if bytes >= FULL_RESPONSE_BYTES {
                is_whole = false;
                return true;
            }
            let body = now.map_or(0, |resource| resource.body.value.len());
            let is_sent = body <= MAX_RESOURCE_BYTES;
            bytes += name.len() + if is_sent { body } else { 0 };
            match now {
                None => batch.removed.push(name.clone()),
                Some(one) if body > MAX_RESOURCE_BYTES => {
                    if stale.held.is_none() {
                        batch.removed.push(name.clone());
                    }
                    batch.withheld.push(one.clone());
                }
                Some(one) => batch.resources.push(one.clone()),
            }
            false
        });
        self.owes_answer &= !is_whole;
        batch
    }

    /// Takes the names that the client has to forget, as many as fit into one response.
    pub(super) fn take_removals(&mut self) -> Batch {
        let (mut batch, mut bytes) = (Batch::default(), 0);
        let base = &self.base;
        self.stale.retain(|name, stale| {
            if base.contains(name) || stale.held.is_none() || bytes >= FULL_RESPONSE_BYTES {
                return true;
            }
            bytes += name.len();
            batch.removed.push(name.clone());
            false
        });
        batch
    }

    /// Notes that all additions were sent, and returns the names of those that exist.
    pub(super) fn additions_sent(&mut self) -> Vec<Arc<str>> {
        let mut sent = Vec::new();
        let base = &self.base;
        self.stale.retain(|name, stale| {
            let exists = base.contains(name);
            if exists {
                sent.push(name.clone());
            }
            !exists && stale.held.is_some()
        });
        self.owes_answer = false;
        sent
    }

    /// Sends a resource once more that the client subscribes to, whatever it holds: what cites it
    /// has changed.
    pub(super) fn send_again(&mut self, name: &str) {
        let Some((key, now)) = self.base.get_key_value(name) else {
            return;
        };
        if !self.covers(name) {
            return;
        }
        if !self.stale.contains(name) {
            let held = Some(Held::Sent(now.clone()));
            let (key, stale) = (key.clone(), Stale { held, asked: false });
            self.stale.insert(key, false, stale);
        }
        if let Some(stale) = self.stale.get_mut(name) {
            stale.asked = true;
        }
    }

    /// Notes that all removals were sent, or need not be.
    pub(super) fn removals_sent(&mut self) {
        let base = &self.base;
        self.stale
            .retain(|name, stale| base.contains(name) || stale.held.is_none());
    }

    /// Returns every resource that the client subscribes to, including those that are removed
    /// later: such a response must be complete.
    pub(super) fn whole(&self) -> Batch {
        let mut batch = Batch::default();
        let subscribed = self.base.iter().filter(|(name, _)| self.covers(name));
        for (_, resource) in subscribed {
            if resource.body.value.len() > MAX_RESOURCE_BYTES {
                batch.withheld.push(resource.clone());
            } else {
                batch.resources.push(resource.clone());
            }
        }
        for (name, stale) in self.stale.iter() {
            if let (false, Some(Held::Sent(resource))) = (self.base.contains(name), &stale.held) {
                batch.resources.push(resource.clone());
            }
        }
        batch
    }
}

/// Checks what a client says it holds.
///
/// # Errors
///
/// Returns an error if there is too much of it.
pub(super) fn check_claims(type_url: &str, claims: &Claims) -> Result<(), StreamError> {
    if claims.len() > MAX_CLAIMS {
        return Err(StreamError::TooManyClaims {
            type_url: type_url.to_owned(),
        });
    }
    if claims
        .keys()
        .any(|name| name.is_empty() || name.len() > MAX_NAME_BYTES)
    {
        return Err(StreamError::BadName {
            type_url: type_url.to_owned(),
        });
    }
    Ok(())
}

/// A version that no server of ours made is held, whatever it is. Only the number is kept.
fn claimed(version: &str) -> Held {
    Held::Claimed(number(version))
}

/// A version as a number: 32 hexadecimal digits, see [`Resource::new`].
fn number(version: &str) -> Option<u128> {
    let is_ours = version.len() == 32 && version.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_ours
        .then(|| u128::from_str_radix(version, 16).ok())
        .flatten()
}

/// Whether what the client holds is what there is.
fn is_settled(held: Option<&Held>, now: Option<&Arc<Resource>>) -> bool {
    match (held, now) {
        (None, None) => true,
        (Some(held), Some(now)) => held.is(now),
        _ => false,
    }
}
