//! A role's own certificates, in a Secret that all replicas share.
//!
//! The chart creates the Secret empty, and the role fills it: in a cluster, it has no
//! permission to create one. With that permission, outside of a cluster, it creates it.

mod missing;

use std::{collections::BTreeMap, time::Duration};

use futures::StreamExt;
use k8s_openapi::{
    ByteString,
    api::{coordination::v1::Lease, core::v1::Secret},
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{Api, Client, api::PostParams};
use pillion_certs::{Bundle, Error};
use time::OffsetDateTime;
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval},
};

use self::missing::Missing;
use super::{
    ca_bundle::Trusted,
    owner::Owner,
    rotation::{Plan, Step},
    serving::{Certificate, Serving},
    state::{State, StateError},
};
use crate::{
    cluster::{Acquired, Events, acquire_lease, is_forbidden, watch_object, with_timeout},
    error_chain,
};

/// Where the certificates are stored, and when they are renewed.
#[derive(Debug)]
pub(crate) struct Settings {
    pub namespace: String,
    pub secret: String,
    pub plan: Plan,
}

impl Settings {
    /// Returns the interval between checks, which suits the shortest of the plan's durations.
    fn tick(&self) -> Duration {
        let shortest = self.plan.certificate_lifetime.min(self.plan.overlap);
        let tick = Duration::try_from(shortest / 20).unwrap_or(Duration::ZERO);
        tick.clamp(Duration::from_millis(100), Duration::from_secs(10))
    }
}

/// Serves the certificate in the Secret, and rotates the certificates.
pub(crate) async fn run(
    client: Client,
    settings: Settings,
    serving: Serving,
    trusted: watch::Receiver<Trusted>,
    owner: Owner,
) {
    let secrets: Api<Secret> = Api::namespaced(client.clone(), &settings.namespace);
    let mut changes = watch_object(secrets.clone(), &settings.secret);
    let mut ticks = interval(settings.tick());
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut reconciler = Reconciler {
        events: Events::new(client.clone(), owner.controller),
        leases: Api::namespaced(client, &settings.namespace),
        secrets,
        settings,
        // A pod's name is unique; outside of a cluster, use the process' id.
        holder: std::env::var("POD_NAME")
            .unwrap_or_else(|_| format!("process-{}", std::process::id())),
        serving,
        trusted,
        found: Found::Unknown,
        unreported: None,
        missing: Missing::new(owner),
    };
    loop {
        tokio::select! {
            Some(change) = changes.next() => match change {
                Ok(Some(secret)) => reconciler.load(secret),
                Ok(None) => reconciler.lost(),
                Err(error) => tracing::warn!(error = error_chain(&error), "the watch of the certificates' Secret failed; watching again"),
            },
            _ = ticks.tick() => {}
        }
        reconciler.advance().await;
    }
}

/// The Secret when it was last read.
enum Found {
    /// It has not been read yet.
    Unknown,
    /// It does not exist; with its last valid contents, if they are known.
    Missing(Option<Box<State>>),
    /// It exists and is empty; with its last valid contents, if they are known.
    Empty(Box<Secret>, Option<Box<State>>),
    /// Its contents are invalid, which has been logged; with its last valid contents.
    Unusable(Option<Box<State>>),
    /// Its contents are valid.
    State(Box<(Secret, State)>),
}

struct Reconciler {
    secrets: Api<Secret>,
    leases: Api<Lease>,
    settings: Settings,
    /// This replica, in the Lease.
    holder: String,
    serving: Serving,
    trusted: watch::Receiver<Trusted>,
    found: Found,
    events: Events,
    /// An invalid Secret for which no Event has been published yet, and what is wrong.
    unreported: Option<(Secret, StateError)>,
    /// Reports a missing Secret that the role may not create.
    missing: Missing,
}

impl Reconciler {
    /// Records that the Secret does not exist. Its last contents are kept for the next
    /// Secret, because a new CA would be used before any API server trusts it.
    fn lost(&mut self) {
        let last = self.last_good();
        if last.is_some() {
            tracing::warn!(
                secret = self.settings.secret,
                "the certificates' Secret was deleted; restoring its contents"
            );
        }
        self.found = Found::Missing(last);
    }

    fn last_good(&mut self) -> Option<Box<State>> {
        match std::mem::replace(&mut self.found, Found::Unknown) {
            Found::State(found) => Some(Box::new(found.1)),
            Found::Missing(state) | Found::Empty(_, state) | Found::Unusable(state) => state,
            Found::Unknown => None,
        }
    }

    fn load(&mut self, secret: Secret) {
        let name = &self.settings.secret;
        self.missing.record_found();
        if secret.data.as_ref().is_none_or(BTreeMap::is_empty) {
            tracing::info!(
                secret = name,
                "the certificates' Secret is empty; filling it"
            );
            self.found = Found::Empty(Box::new(secret), self.last_good());
            return;
        }
        let state = match State::read(&secret) {
            Ok(state) => state,
            Err(error) => {
                self.serving.record_refused();
                tracing::error!(secret = name, %error, "the certificates' Secret is invalid; {}", missing::EMPTY_IT);
                self.found = Found::Unusable(self.last_good());
                self.unreported = Some((secret, error));
                return;
            }
        };
        if let Ok(roots) = state.roots(OffsetDateTime::now_utc()) {
            self.serving.tell(&state.authority, &roots);
        }
        let offered = Bundle::from_pem(state.authority.certificate()).and_then(|roots| {
            let certificate = Certificate {
                pair: state.pair.clone(),
                roots: Some(roots),
            };
            self.serving.offer(certificate, OffsetDateTime::now_utc())
        });
        if let Err(error) = offered {
            self.serving.record_refused();
            tracing::error!(secret = name, %error, "the serving certificate is invalid");
        }
        self.found = Found::State(Box::new((secret, state)));
    }

    async fn advance(&mut self) {
        if let Some((secret, error)) = self.unreported.take() {
            let note = format!(
                "{error}; running replicas serve the previous certificate, and a replica that starts is not ready: {}",
                missing::EMPTY_IT
            );
            self.events.warn(&secret, "InvalidCertificate", note).await;
        }
        let now = OffsetDateTime::now_utc();
        self.serving.advance(now);
        let advanced = match &self.found {
            Found::Unknown | Found::Unusable(_) => return,
            Found::Missing(_) if self.missing.was_denied_just_now() => return,
            Found::Missing(last) => match self.create(last.as_deref(), now).await {
                Err(error) if error.downcast_ref().is_some_and(is_forbidden) => {
                    let (namespace, name) = (&self.settings.namespace, &self.settings.secret);
                    self.missing
                        .record_denied(&self.events, namespace, name)
                        .await;
                    return;
                }
                created => created,
            },
            Found::Empty(secret, last) => self.fill(secret, last.as_deref(), now).await,
            Found::State(found) => self.rotate(&found.0, &found.1, now).await,
        };
        match advanced {
            Ok(Some(secret)) => self.load(secret),
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(
                    error = error_chain(error.as_ref()),
                    "cannot update the certificates; trying again"
                );
            }
        }
    }

    /// Returns the contents for an empty Secret: the last valid ones, or a new CA with a
    /// certificate.
    fn contents(
        &self,
        last: Option<&State>,
        now: OffsetDateTime,
    ) -> Result<BTreeMap<String, ByteString>, Error> {
        Ok(match last {
            Some(state) => state.data(),
            None => self.settings.plan.begin(now)?.data(),
        })
    }

    /// Creates the Secret, or returns that of another replica which was faster.
    async fn create(
        &self,
        last: Option<&State>,
        now: OffsetDateTime,
    ) -> anyhow::Result<Option<Secret>> {
        let name = &self.settings.secret;
        let secret = Secret {
            metadata: ObjectMeta {
                name: Some(name.clone()),
                ..ObjectMeta::default()
            },
            data: Some(self.contents(last, now)?),
            type_: Some("Opaque".to_owned()),
            ..Secret::default()
        };
        let parameters = PostParams::default();
        let created = self.secrets.create(&parameters, &secret);
        match with_timeout(created).await {
            Ok(secret) => {
                tracing::info!(secret = name, "created the certificates' Secret");
                Ok(Some(secret))
            }
            Err(kube::Error::Api(status)) if status.code == 409 => {
                Ok(with_timeout(self.secrets.get_opt(name)).await?)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Fills the Secret, unless another replica has done so.
    async fn fill(
        &self,
        secret: &Secret,
        last: Option<&State>,
        now: OffsetDateTime,
    ) -> anyhow::Result<Option<Secret>> {
        let filled = self.replace(secret, self.contents(last, now)?).await?;
        if filled.is_some() {
            tracing::info!(
                secret = self.settings.secret,
                "filled the certificates' Secret"
            );
        }
        Ok(filled)
    }

    async fn rotate(
        &self,
        secret: &Secret,
        state: &State,
        now: OffsetDateTime,
    ) -> anyhow::Result<Option<Secret>> {
        let roots = state.roots(now)?;
        let trusted_for = self.trusted.borrow().time_of(&roots);
        self.serving.tell(&state.authority, &roots);
        self.serving.trust(Some(roots));
        let Some(step) = self.settings.plan.next_step(state, now, trusted_for)? else {
            return Ok(None);
        };
        let lease = acquire_lease(&self.leases, &self.settings.secret, &self.holder);
        match with_timeout(lease).await? {
            Acquired::Held => {}
            Acquired::HeldByAnother => return Ok(None),
            Acquired::Missing => tracing::warn!(
                lease = self.settings.secret,
                "the chart's Lease is missing, and this process may not create one: create it again with helm \
                 upgrade. Until then, replicas may conflict with each other"
            ),
        }
        self.take_step(step, secret, state, now).await
    }

    async fn take_step(
        &self,
        step: Step,
        secret: &Secret,
        state: &State,
        now: OffsetDateTime,
    ) -> anyhow::Result<Option<Secret>> {
        let data = self.settings.plan.take(step, state, now)?.data();
        let replaced = self.replace(secret, data).await?;
        if replaced.is_some() {
            tracing::info!(?step, "rotated the certificates");
        }
        Ok(replaced)
    }

    /// Replaces the Secret's contents. Returns `None` if the Secret has changed since it was
    /// read, according to its resource version.
    async fn replace(
        &self,
        secret: &Secret,
        data: BTreeMap<String, ByteString>,
    ) -> kube::Result<Option<Secret>> {
        let mut secret = secret.clone();
        secret.data = Some(data);
        let parameters = PostParams::default();
        let replaced = self
            .secrets
            .replace(&self.settings.secret, &parameters, &secret);
        match with_timeout(replaced).await {
            Ok(secret) => Ok(Some(secret)),
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(None),
            Err(error) => Err(error),
        }
    }
}
