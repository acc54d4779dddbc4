//! What a role adds that signs for a mesh: a CA may be plugged in, and somebody is told which
//! one signs.

use std::{future::pending, sync::Arc};

use pillion_certs::{Bundle, Error, Pair};
use time::{Duration, OffsetDateTime};
use tokio::{sync::watch, task::spawn_blocking};

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
    pub(super) fn choose(&self, state: &State, trusted: &Trusted, overlap: Duration) -> Choice {
        let is_usable = |plugged: &Plugged| match trusted {
            Trusted::LeftToOthers => true,
            trusted => {
                let known = state.old.iter().map(|old| old.certificate.as_str());
                let is_known = known.chain(state.plugged.as_deref());
                let root = plugged.root().to_pem();
                let time = trusted.time_of(plugged.root());
                is_known.into_iter().any(|one| one == root)
                    || time.is_some_and(|time| time >= overlap)
            }
        };
        choose(&self.found.borrow(), self.used.as_ref(), state, is_usable)
    }

    /// Returns the roots that are to be trusted: the state's, and those of the plugged CAs, of
    /// which one may not be used yet.
    pub(super) fn roots(&self, state: &State, now: OffsetDateTime) -> Result<Bundle, Error> {
        let newest = self.newest().ok().flatten();
        let plugged = [self.used.as_ref(), newest.as_ref()].into_iter().flatten();
        let roots = plugged.map(|plugged| plugged.roots().clone().valid_at(now));
        Ok(roots.fold(state.roots(now)?, Bundle::join))
    }

    /// Uses the own CA. Returns whether a plugged one was used before.
    pub(super) fn use_own(&mut self) -> bool {
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
