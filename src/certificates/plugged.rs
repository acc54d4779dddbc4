//! A CA that somebody plugs in: Istio's Secret `cacerts`, which is followed while the process
//! runs.
//!
//! What is invalid is reported in the log, in an Event and by a metric, and the last good one
//! stays in use.

mod contents;

use std::{collections::BTreeMap, sync::Arc};

use futures::StreamExt;
use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{Api, Client};
use time::OffsetDateTime;
use tokio::{
    sync::watch,
    task::spawn_blocking,
    time::{Duration, Instant, sleep_until},
};

pub(crate) use self::contents::Plugged;
use self::contents::Uses;
#[cfg(test)]
pub(super) use self::contents::tests as fixture;
use super::owner::Owner;
use crate::{
    cluster::{Events, watch_object},
    error_chain,
};

/// When to look again at contents that were refused: a certificate may not have been valid yet.
const RETRY: Duration = Duration::from_secs(60);

/// What was found.
#[derive(Debug, Clone)]
pub(crate) enum Found {
    /// Nobody has looked yet.
    Unknown,
    /// There is no such Secret.
    Absent,
    /// There is one, and no contents of it were ever valid.
    Broken,
    /// There is one. If its present contents are invalid, these are the last that were valid.
    Valid(Arc<Plugged>),
    /// There was one, with these contents. If there is one again, its contents were never valid.
    Deleted(Arc<Plugged>),
}

impl Found {
    /// What is known when the Secret's contents are invalid, and what stays in use.
    fn refused(&self) -> (Self, &'static str) {
        match self {
            Self::Valid(_) => (self.clone(), "the last good one stays in use"),
            // As valid, it would be plugged in again where a replica has gone back to the own CA.
            Self::Deleted(_) => (
                self.clone(),
                "the CA that is in use stays in use: the deleted one, or the own CA if a replica has started since",
            ),
            // Somebody is plugging one in, so a replica without one must not use the own CA.
            Self::Unknown | Self::Absent | Self::Broken => (
                Self::Broken,
                "what was in use before stays in use, except a plugged CA: a replica that has just started does not have it",
            ),
        }
    }
}

/// Where the Secret is, and what its CA has to sign for.
#[derive(Debug)]
pub(crate) struct Settings {
    pub namespace: String,
    pub secret: String,
    /// The names of the serving certificate.
    pub names: Vec<String>,
    /// The trust domain of workloads. Nothing is looked at before it is known.
    pub trust_domain: watch::Receiver<Option<Arc<str>>>,
}

/// Follows the Secret until nobody receives.
pub(crate) async fn run(
    client: Client,
    settings: Settings,
    found: watch::Sender<Found>,
    owner: Owner,
) {
    let mut trust_domain = settings.trust_domain.clone();
    let api: Api<Secret> = Api::namespaced(client.clone(), &settings.namespace);
    let mut changes = watch_object(api, &settings.secret);
    let mut follower = Follower {
        events: Events::new(client, owner.controller),
        name: settings.secret,
        names: settings.names,
        trust_domain: settings.trust_domain,
        found,
        owner,
        data: None,
        unread: None,
        again: None,
    };
    loop {
        let again = follower.again.as_ref().map(|(at, _)| *at);
        tokio::select! {
            Some(change) = changes.next() => match change {
                Ok(Some(secret)) => follower.take(secret).await,
                Ok(None) => follower.lost(),
                Err(error) => tracing::warn!(error = error_chain(&error), "the watch of the Secret with a plugged CA failed; watching again"),
            },
            () = sleep_until(again.unwrap_or_else(Instant::now)), if again.is_some() => {
                if let Some((_, secret)) = follower.again.take() {
                    follower.look_at(*secret).await;
                }
            }
            Ok(()) = trust_domain.changed() => {
                if let Some(secret) = follower.unread.take() {
                    follower.look_at(*secret).await;
                }
            }
            () = follower.found.closed() => return,
        }
    }
}

struct Follower {
    events: Events,
    /// The Secret's.
    name: String,
    /// Those of the serving certificate.
    names: Vec<String>,
    trust_domain: watch::Receiver<Option<Arc<str>>>,
    found: watch::Sender<Found>,
    owner: Owner,
    /// The contents that were last looked at.
    data: Option<BTreeMap<String, ByteString>>,
    /// A Secret that is looked at when the trust domain is known.
    unread: Option<Box<Secret>>,
    /// A Secret that was refused, and when to look at it again.
    again: Option<(Instant, Box<Secret>)>,
}

impl Follower {
    fn lost(&mut self) {
        self.data = None;
        self.unread = None;
        self.again = None;
        let now = match &*self.found.borrow() {
            Found::Valid(last) => Found::Deleted(Arc::clone(last)),
            Found::Deleted(_) => return,
            Found::Unknown | Found::Absent | Found::Broken => Found::Absent,
        };
        if let Found::Deleted(_) = now {
            tracing::warn!(
                secret = self.name,
                "the Secret with the plugged CA was deleted; the CA stays in use until a replica restarts, which uses the own \
                 CA when that has been trusted for --ca-overlap: create the Secret again, or restart the replicas"
            );
        }
        self.found.send_replace(now);
    }

    async fn take(&mut self, secret: Secret) {
        // Whoever only changes a label changes no CA.
        if self.data.is_none() || self.data != secret.data {
            self.data.clone_from(&secret.data);
            self.unread = None;
            self.look_at(secret).await;
        }
    }

    async fn look_at(&mut self, secret: Secret) {
        self.again = None;
        let Some(trust_domain) = self.trust_domain.borrow().clone() else {
            tracing::info!(
                secret = self.name,
                "the plugged CA will be checked when the mesh's trust domain is known"
            );
            self.unread = Some(Box::new(secret));
            return;
        };
        let names = self.names.clone();
        let uses = Uses {
            trust_domain,
            names,
        };
        let now = OffsetDateTime::now_utc();
        let read = spawn_blocking(move || (Plugged::read(&secret, &uses, now), secret)).await;
        // It ends early only when the process stops.
        let Ok((read, secret)) = read else { return };
        match read {
            Ok(plugged) => {
                tracing::info!(
                    secret = self.name,
                    roots = plugged.roots().len(),
                    not_after = %plugged.signer().not_after().unwrap_or(now),
                    "plugged CA loaded"
                );
                self.found.send_replace(Found::Valid(Arc::new(plugged)));
            }
            Err(error) => {
                let stays = self.refuse();
                tracing::error!(secret = self.name, %error, "the plugged CA is invalid; {stays}");
                let note = format!("{error}; {stays}");
                self.events.warn(&secret, "InvalidCertificate", note).await;
                self.again = Some((Instant::now() + RETRY, Box::new(secret)));
            }
        }
    }

    /// Records that the contents are invalid. Returns what is used.
    fn refuse(&self) -> &'static str {
        self.owner.metrics.rejected();
        let (now, stays) = self.found.borrow().refused();
        self.found.send_replace(now);
        stays
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The own CA may sign again, and a CA that somebody deleted must not come back.
    #[test]
    fn a_broken_secret_does_not_bring_back_a_deleted_ca() {
        let last = Arc::new(fixture::plugged());
        let (now, stays) = Found::Deleted(Arc::clone(&last)).refused();
        assert!(matches!(now, Found::Deleted(same) if Arc::ptr_eq(&same, &last)));
        assert!(stays.contains("the deleted one"), "{stays}");
        let (now, stays) = Found::Valid(Arc::clone(&last)).refused();
        assert!(matches!(now, Found::Valid(same) if Arc::ptr_eq(&same, &last)));
        assert_eq!(stays, "the last good one stays in use");
    }

    #[test]
    fn a_broken_secret_is_no_ca() {
        for found in [Found::Unknown, Found::Absent, Found::Broken] {
            assert!(matches!(found.refused().0, Found::Broken), "{found:?}");
        }
    }
}
