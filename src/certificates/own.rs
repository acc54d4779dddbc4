//! A role's own certificates, in a Secret that all replicas share.
//!
//! The chart creates the Secret empty, and the role fills it: in a cluster, it has no
//! permission to create one. With that permission, outside of a cluster, it creates it.

mod mesh_ca;
mod missing;
mod store;
mod turns;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures::StreamExt;
use k8s_openapi::{
    ByteString,
    api::{coordination::v1::Lease, core::v1::Secret},
};
use kube::{Api, Client};
use pillion_certs::{Bundle, Error};
use time::OffsetDateTime;
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval},
};

pub(crate) use self::mesh_ca::MeshCa;
use self::{mesh_ca::changed, missing::Missing, store::Store};
use super::{
    ca_bundle::Trusted,
    owner::Owner,
    plugged::Plugged,
    rotation::Plan,
    serving::{Certificate, Serving},
    state::{State, StateError},
};
use crate::{
    cluster::{Events, is_forbidden, watch_object},
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

/// Serves the certificate in the Secret, and rotates the certificates. With a mesh, a CA that
/// is plugged in takes the place of the Secret's.
pub(crate) async fn run(
    client: Client,
    settings: Settings,
    (serving, trusted): (Serving, watch::Receiver<Trusted>),
    owner: Owner,
    mesh: Option<MeshCa>,
) {
    let secrets: Api<Secret> = Api::namespaced(client.clone(), &settings.namespace);
    let mut changes = watch_object(secrets.clone(), &settings.secret);
    let mut plugged = mesh.as_ref().map(MeshCa::changes);
    let mut ticks = interval(settings.tick());
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut reconciler = Reconciler {
        events: Events::new(client.clone(), owner.controller),
        leases: Api::namespaced(client, &settings.namespace),
        store: Store::new(secrets, settings.secret.clone()),
        settings,
        // A pod's name is unique; outside of a cluster, use the process' id.
        holder: std::env::var("POD_NAME")
            .unwrap_or_else(|_| format!("process-{}", std::process::id())),
        serving,
        trusted,
        found: Found::Unknown,
        unreported: None,
        missing: Missing::new(owner),
        mesh,
    };
    loop {
        tokio::select! {
            Some(change) = changes.next() => match change {
                Ok(Some(secret)) => reconciler.load(secret),
                Ok(None) => reconciler.lost(),
                Err(error) => tracing::warn!(error = error_chain(&error), "the watch of the certificates' Secret failed; watching again"),
            },
            () = changed(&mut plugged) => {}
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
    State(Arc<(Secret, State)>),
}

struct Reconciler {
    store: Store,
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
    /// What a role adds that signs for a mesh.
    mesh: Option<MeshCa>,
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
            Found::State(found) => Some(Box::new(found.1.clone())),
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
        if state.plugged.is_none() && !self.mesh.as_ref().is_some_and(MeshCa::is_plugged) {
            self.offer_own(&state);
        }
        self.found = Found::State(Arc::new((secret, state)));
    }

    /// Offers the Secret's serving certificate.
    fn offer_own(&mut self, state: &State) {
        let offered = Bundle::from_pem(state.authority.certificate()).and_then(|roots| {
            let certificate = Certificate {
                pair: state.pair.clone(),
                roots: Some(roots),
            };
            self.serving.offer(certificate, OffsetDateTime::now_utc())
        });
        if let Err(error) = offered {
            let secret = &self.settings.secret;
            self.serving.record_refused();
            tracing::error!(secret, %error, "the serving certificate is invalid");
        }
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
        let plugged = match self.mesh.as_ref().map(MeshCa::newest) {
            None => Ok(None),
            Some(newest) => newest,
        };
        let advanced = match &self.found {
            Found::Unknown | Found::Unusable(_) => return,
            // Nobody would trust a CA of which another one takes the place in a moment.
            Found::Missing(None) | Found::Empty(_, None) if plugged.is_err() => return,
            Found::Missing(_) if self.missing.was_denied_just_now() => return,
            Found::Missing(last) => match self
                .create(last.as_deref(), plugged.ok().flatten(), now)
                .await
            {
                Err(error) if error.downcast_ref().is_some_and(is_forbidden) => {
                    let (namespace, name) = (&self.settings.namespace, &self.settings.secret);
                    self.missing
                        .record_denied(&self.events, namespace, name)
                        .await;
                    return;
                }
                created => created,
            },
            Found::Empty(secret, last) => {
                let plugged = plugged.ok().flatten();
                self.fill(secret, last.as_deref(), plugged, now).await
            }
            Found::State(found) => {
                let found = Arc::clone(found);
                self.turn_over(&found.0, &found.1, now).await
            }
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
    /// certificate, which is not used if another one is plugged in.
    fn contents(
        &self,
        last: Option<&State>,
        plugged: Option<Arc<Plugged>>,
        now: OffsetDateTime,
    ) -> Result<BTreeMap<String, ByteString>, Error> {
        if let Some(state) = last {
            return Ok(state.data());
        }
        let mut state = self.settings.plan.begin(now)?;
        state.plugged = plugged.map(|plugged| plugged.root().to_pem());
        Ok(state.data())
    }

    /// Creates the Secret, or returns that of another replica which was faster.
    async fn create(
        &self,
        last: Option<&State>,
        plugged: Option<Arc<Plugged>>,
        now: OffsetDateTime,
    ) -> anyhow::Result<Option<Secret>> {
        let data = self.contents(last, plugged, now)?;
        Ok(self.store.create(data).await?)
    }

    /// Fills the Secret, unless another replica has done so.
    async fn fill(
        &self,
        secret: &Secret,
        last: Option<&State>,
        plugged: Option<Arc<Plugged>>,
        now: OffsetDateTime,
    ) -> anyhow::Result<Option<Secret>> {
        let data = self.contents(last, plugged, now)?;
        let filled = self.store.replace(secret, data).await?;
        if filled.is_some() {
            tracing::info!(
                secret = self.settings.secret,
                "filled the certificates' Secret"
            );
        }
        Ok(filled)
    }
}
