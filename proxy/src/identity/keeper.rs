//! Has a certificate, and renews it.

use std::{mem, pin::pin, sync::Arc, time::Duration};

use pillion_certs::{
    Bundle, Root,
    mesh::{Identity, Trust},
};
use tokio::{sync::watch, time::sleep};
use tonic::Code;

use super::{
    answer::Answer,
    ask::Question,
    credentials::{Credentials, EnvoyKey},
    failure::{Failure, Sort},
    renewal::Renewal,
    settings::Settings,
    trouble::{Trouble, meanwhile, span},
};
use crate::backoff::Backoff;

/// How long the CA is left alone after a first failure, and at most.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(30));
/// A control plane that has said so often that it has no CA has none. While it is updated, one of its
/// replicas may have one already.
const WITHOUT_CA: u32 = 5;

/// Keeps the credentials of the workload, for as long as the process runs.
#[derive(Debug)]
pub(super) struct Keeper {
    settings: Settings,
    published: watch::Sender<Option<Arc<Credentials>>>,
    held: Option<Held>,
    backoff: Backoff,
    trouble: Trouble,
    /// How often in a row the control plane has said that it has no CA.
    without_ca: u32,
    /// Whether the log has been told that no root can be used.
    is_rootless: bool,
}

/// The newest answer of the CA.
#[derive(Debug)]
struct Held {
    identity: Arc<Identity>,
    for_envoy: Option<EnvoyKey>,
    roots: Bundle,
    renewal: Renewal,
}

impl Keeper {
    pub fn new(settings: Settings, published: watch::Sender<Option<Arc<Credentials>>>) -> Self {
        Self {
            settings,
            published,
            held: None,
            backoff: Backoff::new(BACKOFF.0, BACKOFF.1),
            trouble: Trouble::default(),
            without_ca: 0,
            is_rootless: false,
        }
    }

    /// Asks, waits, and asks again.
    pub async fn run(mut self) {
        loop {
            let now = (self.settings.now)();
            // Roots may have expired.
            self.publish();
            let wait = match &self.held {
                Some(held) if !held.renewal.is_due(now) => held.renewal.wait(now),
                _ => {
                    let question = Box::pin(self.question().ask());
                    let answered = self.during(question).await;
                    self.take(answered)
                }
            };
            self.during(sleep(wait)).await;
        }
    }

    /// Waits for something, and takes new roots meanwhile.
    async fn during<T>(&mut self, wait: impl Future<Output = T>) -> T {
        let mut wait = pin!(wait);
        let mut has_source = true;
        loop {
            tokio::select! {
                value = &mut wait => return value,
                changed = self.settings.roots.changed(), if has_source => {
                    has_source = changed.is_ok();
                    if has_source {
                        self.publish();
                    }
                }
            }
        }
    }

    fn question(&self) -> Question {
        Question {
            server: self.settings.server.clone(),
            identity: self.held.as_ref().map(|held| Arc::clone(&held.identity)),
            trust_domains: self.settings.trust_domains.clone(),
            for_envoy: self.settings.for_envoy,
            now: self.settings.now,
        }
    }

    /// What is done with an answer. Returns how long nothing is to be done.
    fn take(&mut self, answered: Result<Answer, Failure>) -> Duration {
        match answered {
            Ok(answer) => self.hold(answer),
            Err(failure) => self.fail(&failure),
        }
    }

    fn hold(&mut self, answer: Answer) -> Duration {
        let now = (self.settings.now)();
        let Answer {
            identity,
            for_envoy,
            roots,
        } = answer;
        let validity = identity.validity();
        if !validity.has_begun(now) {
            tracing::warn!(
                behind = %span(validity.not_before - now),
                "the clock of this node is behind the control plane's: see whether it is synchronised; certificates of others may be refused as not valid yet"
            );
        }
        let renewal = Renewal::of(validity, now, fastrand::f64());
        tracing::info!(
            id = %identity.id(),
            serial = identity.serial(),
            valid_for = %span(validity.not_after - now),
            "the control plane has issued a certificate"
        );
        let wait = renewal.wait(now);
        self.held = Some(Held {
            identity: Arc::new(identity),
            for_envoy,
            roots,
            renewal,
        });
        self.publish();
        self.settings.metrics.certificates().asked("issued");
        if self.published.borrow().is_some() {
            self.settings.identified.set(true);
        }
        self.backoff.reset();
        self.trouble.end();
        self.without_ca = 0;
        wait
    }

    fn fail(&mut self, failure: &Failure) -> Duration {
        let sort = failure.sort();
        self.settings.metrics.certificates().asked(match sort {
            Sort::Away => "unreachable",
            Sort::Refused(_) => "refused",
            Sort::Unusable => "unusable",
        });
        let retry = self.backoff.next(fastrand::f64());
        let held = self.held.as_ref();
        let held = held.map(|held| held.identity.validity());
        if self.trouble.is_news(failure) {
            tracing::warn!(
                server = self.settings.server.address,
                ?retry,
                "no certificate from the control plane: {failure}{}; {}",
                failure.advice(),
                meanwhile(held, (self.settings.now)())
            );
        }
        match sort {
            Sort::Refused(Code::Unimplemented) => self.without_ca += 1,
            _ => self.without_ca = 0,
        }
        if self.without_ca == WITHOUT_CA && held.is_none() {
            tracing::warn!(
                server = self.settings.server.address,
                "the control plane has no CA: this proxy goes on without a certificate, and without mutual TLS"
            );
            self.settings.identified.set(true);
        }
        retry
    }

    /// Gives out what is held, with the roots of now, unless that is in use.
    fn publish(&mut self) {
        let configured = self.settings.roots.borrow_and_update().clone();
        let Some(held) = &self.held else { return };
        let now = (self.settings.now)();
        let configured = configured.map(|roots| Bundle::clone(&roots).valid_at(now));
        let roots = configured
            .filter(|roots| roots.roots().next().is_some())
            .unwrap_or_else(|| held.roots.clone().valid_at(now));
        let (id, validity) = (held.identity.id(), held.identity.validity());
        let trusted = self.settings.trust_domains.trusted_by(id);
        let trust = match Trust::new(&roots, trusted) {
            Ok(trust) => {
                self.is_rootless = false;
                trust
            }
            Err(error) => {
                if !mem::replace(&mut self.is_rootless, true) {
                    tracing::error!(%error, "the mesh's roots have expired or can't be used; those before stay in use");
                }
                let current = self.published.borrow().clone();
                let Some(current) = current else { return };
                Trust::clone(&current.trust)
            }
        };
        let current = self.published.borrow().clone();
        if let Some(current) = &current
            && Arc::ptr_eq(&current.identity, &held.identity)
            && *current.trust == trust
        {
            return;
        }
        let first_root = roots.roots().map(Root::not_after).min();
        let certificates = self.settings.metrics.certificates();
        certificates.set_expiry(validity.not_after, first_root);
        let generation = current.map_or(0, |current| current.generation) + 1;
        self.published.send_replace(Some(Arc::new(Credentials {
            identity: Arc::clone(&held.identity),
            for_envoy: held.for_envoy.clone(),
            trust: Arc::new(trust),
            generation,
        })));
    }
}
