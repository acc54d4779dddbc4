//! Which CA is used where somebody plugs one in: that, or the own one.
//!
//! A CA under a root that clients trust already is used at once. Another root is first trusted
//! beside the one before, and the change is then a single write of the Secret, so that all
//! replicas make it, and a replica that starts knows what is still trusted.
//!
//! A replica that starts may not have the CA that is in force: another one may be plugged in by now,
//! or none. It must not sign with a CA that nobody trusts yet, nor make other replicas do so. It waits
//! until the root of that CA is trusted, or until another replica has made the change.

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
    /// None: this replica does not have the one in force, and the root of the next one must be trusted first.
    Trust,
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
/// `is_usable` says whether clients trust a CA's root for long enough, and `may_unplug` whether
/// they trust that of the own one.
pub(in crate::certificates) fn choose(
    found: &Found,
    used: Option<&Arc<Plugged>>,
    state: &State,
    is_usable: impl Fn(&Plugged) -> bool,
    may_unplug: bool,
) -> Choice {
    let is_own = state.plugged.is_none();
    let is_in_force = |one: &Plugged| state.plugged.as_deref() == Some(&*one.root().to_pem());
    // Another replica may be ahead, and this one does not turn back.
    let is_used = |one: &Arc<Plugged>| used.is_some_and(|used| Arc::ptr_eq(used, one));
    let is_plugged = match found {
        Found::Unknown | Found::Broken if is_own => return Choice::Own,
        Found::Unknown | Found::Broken => return Choice::Wait,
        // A replica that started without it has gone back to the own CA.
        Found::Absent | Found::Deleted(_) if is_own => return Choice::Own,
        Found::Valid(one) | Found::Deleted(one) if is_in_force(one) || is_used(one) => {
            return Choice::Use(Arc::clone(one));
        }
        Found::Valid(new) if is_usable(new) => return Choice::Plug(Arc::clone(new)),
        Found::Valid(_) => true,
        Found::Absent | Found::Deleted(_) => false,
    };
    match used {
        Some(used) => Choice::Use(Arc::clone(used)),
        None if is_own => Choice::Own,
        None if !is_plugged && may_unplug => Choice::Unplug,
        None => Choice::Trust,
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

#[cfg(test)]
mod tests {
    use pillion_certs::Bundle;
    use time::Duration;

    use super::*;
    use crate::certificates::{
        plugged::fixture::{now, plugged, successions},
        rotation::{Plan, Step},
    };

    fn plan() -> Plan {
        Plan {
            authority_name: "test CA",
            names: vec!["a.b.svc".into()],
            authority_lifetime: Duration::days(300),
            certificate_lifetime: Duration::days(30),
            overlap: Duration::minutes(2),
            retention: Duration::hours(25),
        }
    }

    fn name(choice: &Choice) -> &'static str {
        match choice {
            Choice::Wait => "wait",
            Choice::Trust => "trust",
            Choice::Own => "own",
            Choice::Unplug => "unplug",
            Choice::Use(_) => "use",
            Choice::Plug(_) => "plug",
        }
    }

    /// What is chosen if all roots are trusted for long enough, or none is.
    fn chosen(
        found: &Found,
        used: Option<&Arc<Plugged>>,
        state: &State,
        trusted: bool,
    ) -> &'static str {
        name(&choose(found, used, state, |_| trusted, trusted))
    }

    fn root(plugged: &Plugged) -> String {
        plugged.root().to_pem()
    }

    #[test]
    fn the_own_ca_is_used_where_none_is_plugged_in() {
        let state = plan().begin(now()).unwrap();
        for found in [Found::Unknown, Found::Absent, Found::Broken] {
            assert_eq!(chosen(&found, None, &state, true), "own");
        }
    }

    #[test]
    fn a_first_plugged_ca_waits_until_it_is_trusted_and_both_are_trusted_after_it() {
        let (plan, new) = (plan(), Arc::new(plugged()));
        let state = plan.begin(now()).unwrap();
        let found = Found::Valid(Arc::clone(&new));
        assert_eq!(chosen(&found, None, &state, false), "own");
        assert_eq!(chosen(&found, None, &state, true), "plug");
        let own = Bundle::from_pem(state.authority.certificate()).unwrap();

        let state = plug(&state, root(&new), now());
        // Also in a replica that does not know for how long it has been trusted.
        assert_eq!(chosen(&found, None, &state, false), "use");
        let both = own.clone().join(new.root().clone());
        let roots = state.roots(now()).unwrap();
        assert!(roots.contains(&both) && roots.len() == 2);
        // Until the last certificate of the own one has expired.
        let later = now() + plan.retention;
        assert_eq!(plan.next_forgotten(&state, later - Duration::SECOND), None);
        let forgotten = plan.next_forgotten(&state, later);
        assert_eq!(forgotten, Some(Step::ForgetAuthority));
        let state = plan.take(Step::ForgetAuthority, &state, later).unwrap();
        assert_eq!(&state.roots(later).unwrap(), new.root());
    }

    #[test]
    fn another_ca_of_the_same_root_is_used_at_once_and_another_root_is_trusted_first() {
        let plan = plan();
        let [first, renewed, with_next, next] = successions().map(Arc::new);
        let state = plan.begin(now()).unwrap();
        let state = plug(&state, root(&first), now());
        let chosen = |new: &Arc<Plugged>, used: &Arc<Plugged>, state: &State, trusted: bool| {
            let found = Found::Valid(Arc::clone(new));
            match choose(&found, Some(used), state, |_| trusted, trusted) {
                Choice::Use(chosen) if Arc::ptr_eq(&chosen, new) => "new",
                Choice::Use(_) => "old",
                choice => name(&choice),
            }
        };
        assert_eq!(chosen(&renewed, &first, &state, false), "new");
        assert_eq!(chosen(&with_next, &renewed, &state, false), "new");
        assert_eq!(with_next.roots().len(), 2);
        assert_eq!(chosen(&next, &with_next, &state, false), "old");
        assert_eq!(chosen(&next, &with_next, &state, true), "plug");

        let later = now() + Duration::HOUR;
        let state = plug(&state, root(&next), later);
        assert_eq!(chosen(&next, &with_next, &state, false), "new");
        // A replica that has not seen the new one yet does not turn back.
        assert_eq!(chosen(&with_next, &with_next, &state, true), "new");
        assert_eq!(state.plugged.as_deref(), Some(&*root(&next)));
        let roots = state.roots(later).unwrap();
        assert!(roots.contains(first.root()) && roots.contains(next.root()));

        // And back, while both are trusted.
        let state = plug(&state, root(&first), later);
        assert!(state.old.iter().all(|old| old.certificate != root(&first)));
        assert!(state.roots(later).unwrap().contains(next.root()));
    }

    /// Otherwise all replicas would sign with a CA that nobody trusts yet as soon as one of them restarts.
    #[test]
    fn a_replica_that_starts_without_what_is_in_force_trusts_the_next_one_first() {
        let [first, _, _, next] = successions().map(Arc::new);
        let state = plug(&plan().begin(now()).unwrap(), root(&first), now());
        let found = Found::Valid(Arc::clone(&next));
        assert_eq!(chosen(&found, None, &state, false), "trust");
        assert_eq!(chosen(&found, None, &state, true), "plug");
        // Another replica was faster.
        let plugged = plug(&state, root(&next), now());
        assert_eq!(chosen(&found, None, &plugged, false), "use");
        for (found, before, after) in [
            (Found::Unknown, "wait", "wait"),
            (Found::Broken, "wait", "wait"),
            (Found::Absent, "trust", "unplug"),
            (Found::Deleted(next), "trust", "unplug"),
        ] {
            assert_eq!(chosen(&found, None, &state, false), before, "{found:?}");
            assert_eq!(chosen(&found, None, &state, true), after, "{found:?}");
        }
        let unplugged = unplug(&state, now());
        assert!(unplugged.plugged.is_none());
        let roots = unplugged.roots(now()).unwrap();
        assert!(roots.contains(first.root()) && roots.len() == 2);
    }

    #[test]
    fn a_deleted_ca_stays_until_a_replica_goes_back_to_the_own_one() {
        let last = Arc::new(plugged());
        let state = plug(&plan().begin(now()).unwrap(), root(&last), now());
        let found = Found::Deleted(Arc::clone(&last));
        assert_eq!(chosen(&found, Some(&last), &state, true), "use");
        let state = unplug(&state, now());
        assert_eq!(chosen(&found, Some(&last), &state, true), "own");
    }

    #[test]
    fn one_that_is_deleted_before_it_was_used_is_not_used() {
        let [first, _, _, next] = successions().map(Arc::new);
        let state = plug(&plan().begin(now()).unwrap(), root(&first), now());
        let choice = choose(&Found::Deleted(next), Some(&first), &state, |_| true, true);
        assert!(matches!(choice, Choice::Use(used) if Arc::ptr_eq(&used, &first)));
    }
}
