//! What a role adds that signs for a mesh: a CA may be plugged in, and somebody is told which
//! one signs.

use std::{future::pending, sync::Arc};

use pillion_certs::{Bundle, Error, Pair, Root};
use time::{Duration, OffsetDateTime};
use tokio::{sync::watch, task::spawn_blocking, time::Instant};

use crate::certificates::{
    ca_bundle::Trusted,
    plugged::{Found, Plugged},
    rotation::{
        Plan,
        plugging::{Choice, choose},
    },
    signer::{Issuing, Signer},
    state::State,
};

/// The mesh's CA, as this replica knows it.
pub(crate) struct MeshCa {
    found: watch::Receiver<Found>,
    issuing: watch::Sender<Option<Arc<Issuing>>>,
    /// The plugged CA that is used.
    used: Option<Arc<Plugged>>,
    /// The serving certificate that it has issued.
    pair: Option<Pair>,
    /// Since when the plugged CA that is in force has been gone.
    gone: Option<Instant>,
    /// Whether it waits until a root is trusted, which has been logged.
    waits: bool,
}

impl MeshCa {
    /// A mesh of which the plugged CA is to be found, and somebody is told what signs.
    pub fn new(
        found: watch::Receiver<Found>,
        issuing: watch::Sender<Option<Arc<Issuing>>>,
    ) -> Self {
        Self {
            found,
            issuing,
            used: None,
            pair: None,
            gone: None,
            waits: false,
        }
    }

    /// Tells of changes of the plugged CA.
    pub(super) fn changes(&self) -> watch::Receiver<Found> {
        self.found.clone()
    }

    /// The plugged CA that was found last; `Err` if nobody knows whether there is one.
    pub(super) fn newest(&self) -> Result<Option<Arc<Plugged>>, NotKnown> {
        match &*self.found.borrow() {
            Found::Valid(plugged) | Found::Deleted(plugged) => Ok(Some(Arc::clone(plugged))),
            Found::Absent => Ok(None),
            Found::Unknown | Found::Broken => Err(NotKnown),
        }
    }

    /// Whether a plugged CA is used.
    pub(super) fn is_plugged(&self) -> bool {
        self.used.is_some()
    }

    /// Chooses which CA is used.
    ///
    /// # Errors
    ///
    /// Returns an error if a certificate of the state can't be read.
    pub(super) fn choose(
        &mut self,
        state: &State,
        trusted: &Trusted,
        overlap: Duration,
        now: OffsetDateTime,
    ) -> Result<Choice, Error> {
        let found = self.found.borrow().clone();
        self.gone = match is_gone(&found, state) {
            true => Some(self.gone.unwrap_or_else(Instant::now)),
            false => None,
        };
        // A Secret may be replaced by deleting and creating it. The own CA must not come in between.
        let is_gone = self.gone.is_some_and(|since| since.elapsed() >= overlap);
        // Nobody accepts what an expired CA signs, so waiting longer would only make it worse.
        let is_ending = self.in_force_until(state)? <= now + overlap;
        let is_trusted = |root: &Bundle| match trusted {
            Trusted::LeftToOthers => true,
            trusted => trusted.time_of(root).is_some_and(|time| time >= overlap),
        };
        let is_usable = |plugged: &Plugged| {
            let root = plugged.root().to_pem();
            let was_used = state.old.iter().any(|old| old.certificate == root);
            is_ending || was_used || is_trusted(plugged.root())
        };
        let own = Bundle::from_pem(state.authority.certificate())?;
        // If the own one has expired, the next one is made when it is used.
        let is_own_usable =
            is_ending || state.authority.validity()?.has_ended(now + overlap) || is_trusted(&own);
        let used = self.used.as_ref();
        let may_unplug = is_gone && is_own_usable;
        Ok(choose(&found, used, state, is_usable, may_unplug))
    }

    /// When the CA that is in force expires, or its root.
    fn in_force_until(&self, state: &State) -> Result<OffsetDateTime, Error> {
        let Some(plugged) = &state.plugged else {
            return Ok(state.authority.validity()?.not_after);
        };
        let root = Bundle::from_pem(plugged)?;
        let used = self.used.as_ref().filter(|used| *used.root() == root);
        let used = used.map(|used| used.not_after());
        let ends = root.roots().map(Root::not_after).chain(used);
        ends.min().ok_or(Error::Missing("root certificate"))
    }

    /// Returns the roots that are to be trusted: the state's, those of the plugged CAs, of which one may not be used yet,
    /// and the own one's if a replica that starts would use it.
    pub(super) fn roots(&self, state: &State, now: OffsetDateTime) -> Result<Bundle, Error> {
        let newest = self.newest().ok().flatten();
        let plugged = [self.used.as_ref(), newest.as_ref()].into_iter().flatten();
        let plugged = plugged.map(|plugged| plugged.roots().clone());
        let roots = plugged.fold(state.roots(now)?, Bundle::join);
        let own = match is_gone(&self.found.borrow(), state) {
            true => Bundle::from_pem(state.authority.certificate())?,
            false => Bundle::default(),
        };
        Ok(roots.join(own).valid_at(now))
    }

    /// Says once that a root has to be trusted before anything is signed.
    pub(super) fn wait(&mut self) {
        if !std::mem::replace(&mut self.waits, true) {
            tracing::warn!(
                "the CA in force is not plugged in: this replica signs nothing, and is not ready, until it is again, or \
                 every namespace has had the root of the next one for --ca-overlap"
            );
        }
    }

    /// Uses the own CA. Returns whether a plugged one was used before.
    pub(super) fn use_own(&mut self) -> bool {
        self.waits = false;
        self.pair = None;
        self.used.take().is_some()
    }

    /// Uses a plugged CA. Returns the serving certificate that it has issued.
    pub(super) async fn use_plugged(
        &mut self,
        plugged: &Arc<Plugged>,
        plan: &Plan,
        now: OffsetDateTime,
    ) -> anyhow::Result<Pair> {
        let is_same = self
            .used
            .as_ref()
            .is_some_and(|used| Arc::ptr_eq(used, plugged));
        let present = self.pair.take().filter(|_| is_same);
        let pair = match present {
            Some(pair) if !is_due(&pair, plugged.signer(), now)? => pair,
            _ => issue(plugged, plan, now).await?,
        };
        if !is_same {
            tracing::info!("certificates are signed by the plugged CA");
        }
        self.waits = false;
        self.used = Some(Arc::clone(plugged));
        self.pair = Some(pair.clone());
        Ok(pair)
    }

    /// Tells what signs, and which roots are trusted.
    pub(super) fn publish(&self, signer: Signer, roots: Bundle) {
        let now = Some(Arc::new(Issuing { signer, roots }));
        self.issuing.send_if_modified(|before| {
            let differs = *before != now;
            *before = now;
            differs
        });
    }
}

/// Whether a plugged CA is in force that is not plugged in any more.
fn is_gone(found: &Found, state: &State) -> bool {
    state.plugged.is_some() && matches!(found, Found::Absent | Found::Deleted(_))
}

/// Nobody knows whether a CA is plugged in.
#[derive(Debug)]
pub(super) struct NotKnown;

/// Waits for a change; without a sender, forever.
pub(super) async fn changed(found: &mut Option<watch::Receiver<Found>>) {
    let is_told = match found {
        Some(found) => found.changed().await.is_ok(),
        None => false,
    };
    if !is_told {
        pending::<()>().await;
    }
}

/// Whether a serving certificate is to be renewed, and would then be valid for longer.
fn is_due(pair: &Pair, signer: &Signer, now: OffsetDateTime) -> Result<bool, Error> {
    let validity = pair.validity()?;
    Ok(now >= validity.renewal() && signer.not_after()? > validity.not_after)
}

async fn issue(plugged: &Arc<Plugged>, plan: &Plan, now: OffsetDateTime) -> anyhow::Result<Pair> {
    let (plugged, names) = (Arc::clone(plugged), plan.names.clone());
    let lifetime = plan.certificate_lifetime;
    // A large RSA key takes milliseconds.
    let issued = spawn_blocking(move || plugged.signer().issue(&names, now, lifetime));
    Ok(issued.await??)
}

#[cfg(test)]
mod tests;
