//! What is done with contents that are valid: the CA whose turn it is serves, and the next step
//! is taken.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Secret;
use pillion_certs::Bundle;
use time::OffsetDateTime;

use super::Reconciler;
use crate::{
    certificates::{
        plugged::Plugged,
        rotation::{
            Step,
            plugging::{Choice, plug, unplug},
        },
        serving::Certificate,
        signer::Signer,
        state::State,
    },
    cluster::{Acquired, acquire_lease, with_timeout},
};

impl Reconciler {
    /// Uses the CA whose turn it is, and takes the next step.
    pub(super) async fn turn_over(
        &mut self,
        secret: &Secret,
        state: &State,
        now: OffsetDateTime,
    ) -> anyhow::Result<Option<Secret>> {
        let Some(mesh) = &mut self.mesh else {
            return self.rotate(secret, state, state.roots(now)?, now).await;
        };
        let overlap = self.settings.plan.overlap;
        let choice = mesh.choose(state, &self.trusted.borrow(), overlap, now)?;
        let (next, what) = match choice {
            Choice::Wait => return Ok(None),
            Choice::Trust => {
                mesh.wait();
                self.serving.wait_for_root(mesh.roots(state, now)?);
                return Ok(None);
            }
            Choice::Own => {
                let was_plugged = mesh.use_own();
                let roots = mesh.roots(state, now)?;
                mesh.publish(Signer::root(state.authority.clone()), roots.clone());
                if was_plugged {
                    self.offer_own(state);
                }
                return self.rotate(secret, state, roots, now).await;
            }
            Choice::Use(plugged) => {
                return self.serve_plugged(&plugged, secret, state, now).await;
            }
            Choice::Plug(plugged) => (
                plug(state, plugged.root().to_pem(), now),
                "the plugged CA takes the place of the one before",
            ),
            Choice::Unplug => (
                unplug(state, now),
                "no CA is plugged in any more; the own one is used",
            ),
        };
        let replaced = self.store.replace(secret, next.data()).await?;
        if replaced.is_some() {
            tracing::info!("{what}");
        }
        Ok(replaced)
    }

    /// Serves by a plugged CA, and removes those before it in time.
    async fn serve_plugged(
        &mut self,
        plugged: &Arc<Plugged>,
        secret: &Secret,
        state: &State,
        now: OffsetDateTime,
    ) -> anyhow::Result<Option<Secret>> {
        let Some(mesh) = &mut self.mesh else {
            return Ok(None);
        };
        let plan = &self.settings.plan;
        let pair = mesh.use_plugged(plugged, plan, now).await?;
        let roots = mesh.roots(state, now)?;
        self.serving.trust(Some(roots.clone()));
        mesh.publish(plugged.signer().clone(), roots);
        let certificate = Certificate {
            pair,
            roots: Some(plugged.root().clone()),
        };
        self.serving.offer(certificate, now)?;
        match plan.next_forgotten(state, now) {
            Some(step) => self.take_leased_step(step, secret, state, now).await,
            None => Ok(None),
        }
    }

    async fn rotate(
        &self,
        secret: &Secret,
        state: &State,
        wanted: Bundle,
        now: OffsetDateTime,
    ) -> anyhow::Result<Option<Secret>> {
        let trusted_for = self.trusted.borrow().time_of(&state.roots(now)?);
        self.serving.trust(Some(wanted));
        match self.settings.plan.next_step(state, now, trusted_for)? {
            Some(step) => self.take_leased_step(step, secret, state, now).await,
            None => Ok(None),
        }
    }

    /// Takes a step, unless another replica holds the Lease for it.
    async fn take_leased_step(
        &self,
        step: Step,
        secret: &Secret,
        state: &State,
        now: OffsetDateTime,
    ) -> anyhow::Result<Option<Secret>> {
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
        let data = self.settings.plan.take(step, state, now)?.data();
        let replaced = self.store.replace(secret, data).await?;
        if replaced.is_some() {
            tracing::info!(?step, "rotated the certificates");
        }
        Ok(replaced)
    }
}
