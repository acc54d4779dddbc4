//! Which CA is used where somebody plugs one in: that, or the own one.
//!
//! A CA under a root that clients trust already is used at once. Another root is first trusted
//! beside the one before, and the change is then a single write of the Secret, so that all
//! replicas make it, and a replica that starts knows what is still trusted.

use std::sync::Arc;

use time::OffsetDateTime;

use crate::certificates::{
    plugged::{Found, Plugged},
    state::State,
};

/// Which CA is used.
#[derive(Debug)]
pub(in crate::certificates) enum Choice {
    /// None: it is not known yet, or not there.
    Wait,
    /// The own CA.
    Own,
    /// The own CA, from now on.
    Unplug,
    /// This one.
    Use(Arc<Plugged>),
    /// This one, from now on.
    Plug(Arc<Plugged>),
}

/// Chooses, from what was found, what this replica uses now, and the Secret's contents.
/// `is_usable` says whether clients trust a CA's root for long enough.
pub(in crate::certificates) fn choose(
    found: &Found,
    used: Option<&Arc<Plugged>>,
    state: &State,
    is_usable: impl Fn(&Plugged) -> bool,
) -> Choice {
    let is_own = state.plugged.is_none();
    let new = match found {
        Found::Unknown | Found::Broken if is_own => return Choice::Own,
        Found::Unknown | Found::Broken => return Choice::Wait,
        Found::Absent if is_own => return Choice::Own,
        Found::Absent => return Choice::Unplug,
        // A replica that started without it has gone back to the own CA.
        Found::Deleted(_) if is_own => return Choice::Own,
        Found::Deleted(last) => return Choice::Use(Arc::clone(last)),
        Found::Valid(new) => Arc::clone(new),
    };
    let is_in_force = state.plugged.as_deref() == Some(&*new.root().to_pem());
    // Another replica may be ahead, and this one does not turn back.
    let is_used = used.is_some_and(|used| Arc::ptr_eq(used, &new));
    if is_in_force || is_used {
        return Choice::Use(new);
    }
    match used {
        _ if is_usable(&new) => Choice::Plug(new),
        Some(used) => Choice::Use(Arc::clone(used)),
        None if is_own => Choice::Own,
        // There is nothing else to sign with.
        None => Choice::Plug(new),
    }
}

/// The state when a CA under this root is used.
pub(in crate::certificates) fn plug(state: &State, root: String, now: OffsetDateTime) -> State {
    let mut state = state.clone();
    let before = state.plugged.take();
    let before = before.unwrap_or_else(|| state.authority.certificate().to_owned());
    if before != root {
        state.retire(before, now);
    }
    state.reinstate(&root);
    // It was trusted, and signed nothing.
    state.next = None;
    state.plugged = Some(root);
    state
}

/// The state when the own CA is used again.
pub(in crate::certificates) fn unplug(state: &State, now: OffsetDateTime) -> State {
    let mut state = state.clone();
    if let Some(before) = state.plugged.take() {
        state.retire(before, now);
    }
    let own = state.authority.certificate().to_owned();
    state.reinstate(&own);
    state
}
