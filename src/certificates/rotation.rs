//! When certificates are renewed, and in which order, so that clients always trust
//! the one that is served.
//!
//! The serving certificate is renewed by the same CA. A CA is rotated in three steps, each
//! of them a single write of the Secret, so that a crash leaves it consistent:
//!
//! 1. the next CA is generated, and trusted beside the current one;
//! 2. when it has been trusted for a while, it becomes the current one and issues the
//!    serving certificate; the previous CA is still trusted;
//! 3. after a while, the previous CA is removed.

use pillion_certs::{Authority, Error, Pair};
use time::{Duration, OffsetDateTime};

use super::state::{Old, State};

/// The names and lifetimes of certificates.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// The common name of the CA.
    pub authority_name: &'static str,
    pub names: Vec<String>,
    pub authority_lifetime: Duration,
    pub certificate_lifetime: Duration,
    /// How long both CAs are trusted, before and after the change.
    pub overlap: Duration,
}

/// The next change of the Secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Issue a serving certificate with the current CA.
    IssueCertificate,
    /// Generate the next CA.
    PrepareAuthority,
    /// Make the next CA the current one.
    PromoteAuthority,
    /// Remove the previous CA.
    ForgetAuthority,
}

impl Plan {
    /// The first contents of the Secret.
    pub(super) fn begin(&self, now: OffsetDateTime) -> Result<State, Error> {
        let authority = Authority::generate(self.authority_name, now, self.authority_lifetime)?;
        Ok(State {
            pair: authority.issue(&self.names, now, self.certificate_lifetime)?,
            authority,
            next: None,
            old: None,
        })
    }

    /// Returns the step to take now, if any. `trusted_for` is the time for which every
    /// webhook configuration has had all roots of this state.
    pub(super) fn next_step(
        &self,
        state: &State,
        now: OffsetDateTime,
        trusted_for: Option<std::time::Duration>,
    ) -> Result<Option<Step>, Error> {
        let authority = state.authority.validity()?;
        if state.next.is_some() {
            let settled = trusted_for.is_some_and(|time| time >= self.overlap);
            // Nobody trusts an expired CA, so waiting longer would only make it worse.
            if settled || authority.has_ended(now + self.overlap) {
                return Ok(Some(Step::PromoteAuthority));
            }
        } else if now >= authority.renewal() {
            return Ok(Some(Step::PrepareAuthority));
        }
        if self.needs_certificate(state, now)? {
            return Ok(Some(Step::IssueCertificate));
        }
        let forget = state
            .old
            .as_ref()
            .is_some_and(|old| now - old.since >= self.overlap);
        Ok(forget.then_some(Step::ForgetAuthority))
    }

    fn needs_certificate(&self, state: &State, now: OffsetDateTime) -> Result<bool, Error> {
        let validity = state.pair.validity()?;
        // If the CA expires soon, another certificate would not be valid for longer.
        let can_live_longer = state.authority.validity()?.not_after > validity.not_after;
        let names = state.pair.names()?;
        Ok(now >= validity.renewal() && can_live_longer
            // It was issued by a clock that was far ahead.
            || !validity.has_begun(now)
            || !self.names.iter().all(|name| names.contains(name))
            || !state.pair.is_signed_by(state.authority.certificate())?)
    }

    /// Returns the names for a new certificate, including those of the present one until
    /// its renewal: before and after an upgrade, replicas may require different names, and
    /// would otherwise replace each other's certificates.
    fn names_including(&self, present: &Pair, now: OffsetDateTime) -> Result<Vec<String>, Error> {
        let mut names = self.names.clone();
        if now < present.validity()?.renewal() {
            let others = present.names()?.into_iter();
            names.extend(others.filter(|name| !self.names.contains(name)));
        }
        Ok(names)
    }

    /// Returns the state after a step.
    pub(super) fn take(
        &self,
        step: Step,
        state: &State,
        now: OffsetDateTime,
    ) -> Result<State, Error> {
        let mut state = state.clone();
        match step {
            Step::IssueCertificate => {
                let names = self.names_including(&state.pair, now)?;
                let lifetime = self.certificate_lifetime;
                state.pair = state.authority.issue(&names, now, lifetime)?;
            }
            Step::PrepareAuthority => {
                state.next = Some(Authority::generate(
                    self.authority_name,
                    now,
                    self.authority_lifetime,
                )?);
            }
            Step::PromoteAuthority => {
                if let Some(next) = state.next.take() {
                    state.pair = next.issue(&self.names, now, self.certificate_lifetime)?;
                    state.old = Some(Old {
                        certificate: state.authority.certificate().to_owned(),
                        since: now,
                    });
                    state.authority = next;
                }
            }
            Step::ForgetAuthority => state.old = None,
        }
        Ok(state)
    }
}

#[cfg(test)]
mod tests {
    use pillion_certs::Bundle;

    use super::*;

    fn plan() -> Plan {
        Plan {
            authority_name: "test CA",
            names: vec!["a.b.svc".into()],
            authority_lifetime: Duration::days(300),
            certificate_lifetime: Duration::days(30),
            overlap: Duration::minutes(2),
        }
    }

    fn start() -> OffsetDateTime {
        OffsetDateTime::UNIX_EPOCH + Duration::days(20_000)
    }

    #[test]
    fn nothing_is_due_at_first() {
        let state = plan().begin(start()).unwrap();
        assert_eq!(plan().next_step(&state, start(), None).unwrap(), None);
    }

    #[test]
    fn the_certificate_is_renewed_within_its_ca() {
        let state = plan().begin(start()).unwrap();
        let now = start() + Duration::days(20);
        assert_eq!(
            plan().next_step(&state, now, None).unwrap(),
            Some(Step::IssueCertificate)
        );
        let renewed = plan().take(Step::IssueCertificate, &state, now).unwrap();
        assert_eq!(renewed.roots(now).unwrap(), state.roots(now).unwrap());
        assert_ne!(renewed.pair, state.pair);
        assert_eq!(plan().next_step(&renewed, now, None).unwrap(), None);
    }

    #[test]
    fn another_name_wants_another_certificate() {
        let state = plan().begin(start()).unwrap();
        let plan = Plan {
            names: vec!["a.b.svc".into(), "c.d.svc".into()],
            ..plan()
        };
        assert_eq!(
            plan.next_step(&state, start(), None).unwrap(),
            Some(Step::IssueCertificate)
        );
    }

    #[test]
    fn replicas_that_want_different_names_get_both_until_the_renewal() {
        let state = plan().begin(start()).unwrap();
        let other = Plan {
            names: vec!["c.d.svc".into()],
            ..plan()
        };
        let both = other.take(Step::IssueCertificate, &state, start()).unwrap();
        assert_eq!(both.pair.names().unwrap(), ["c.d.svc", "a.b.svc"]);
        assert_eq!(plan().next_step(&both, start(), None).unwrap(), None);
        let later = start() + Duration::days(20);
        let renewed = other.take(Step::IssueCertificate, &both, later).unwrap();
        assert_eq!(renewed.pair.names().unwrap(), ["c.d.svc"]);
    }

    #[test]
    fn a_certificate_of_a_clock_far_ahead_is_replaced() {
        let state = plan().begin(start()).unwrap();
        let before = start() - Duration::hours(2);
        assert_eq!(
            plan().next_step(&state, before, None).unwrap(),
            Some(Step::IssueCertificate)
        );
    }

    #[test]
    fn a_ca_turns_over_without_a_moment_of_distrust() {
        let plan = plan();
        let state = plan.begin(start()).unwrap();
        let now = start() + Duration::days(200);
        assert_eq!(
            plan.next_step(&state, now, None).unwrap(),
            Some(Step::PrepareAuthority)
        );
        let prepared = plan.take(Step::PrepareAuthority, &state, now).unwrap();
        assert_eq!(prepared.pair, state.pair);
        let both = prepared.roots(now).unwrap();
        assert_eq!(both.len(), 2);

        // Not before it has been trusted for a while.
        let not_promoted =
            |since| plan.next_step(&prepared, now, since).unwrap() != Some(Step::PromoteAuthority);
        let minutes = |minutes: u64| Some(std::time::Duration::from_secs(60 * minutes));
        assert!(not_promoted(None));
        assert!(not_promoted(minutes(1)));
        let later = now + Duration::minutes(2);
        assert_eq!(
            plan.next_step(&prepared, later, minutes(2)).unwrap(),
            Some(Step::PromoteAuthority)
        );
        let promoted = plan.take(Step::PromoteAuthority, &prepared, later).unwrap();
        assert!(
            promoted
                .pair
                .is_signed_by(promoted.authority.certificate())
                .unwrap()
        );
        // The same two are trusted, so no API server is caught between.
        let roots = promoted.roots(later).unwrap();
        assert!(both.contains(&Bundle::from_pem(promoted.authority.certificate()).unwrap()));
        assert_eq!(roots.len(), 2);

        assert_eq!(plan.next_step(&promoted, later, minutes(2)).unwrap(), None);
        let last = later + plan.overlap;
        assert_eq!(
            plan.next_step(&promoted, last, minutes(4)).unwrap(),
            Some(Step::ForgetAuthority)
        );
        let done = plan.take(Step::ForgetAuthority, &promoted, last).unwrap();
        assert_eq!(done.roots(last).unwrap().len(), 1);
        assert_eq!(plan.next_step(&done, last, minutes(0)).unwrap(), None);
    }

    #[test]
    fn a_ca_that_has_ended_is_replaced_at_once() {
        let plan = plan();
        let state = plan.begin(start()).unwrap();
        let now = start() + Duration::days(400);
        let prepared = plan.take(Step::PrepareAuthority, &state, now).unwrap();
        assert_eq!(
            plan.next_step(&prepared, now, None).unwrap(),
            Some(Step::PromoteAuthority)
        );
    }

    #[test]
    fn a_state_is_the_same_after_being_written_and_read() {
        let plan = plan();
        let state = plan.begin(start()).unwrap();
        let state = plan.take(Step::PrepareAuthority, &state, start()).unwrap();
        let mut state = plan.take(Step::PromoteAuthority, &state, start()).unwrap();
        state.next = plan
            .take(Step::PrepareAuthority, &state, start())
            .unwrap()
            .next;
        let secret = k8s_openapi::api::core::v1::Secret {
            data: Some(state.data()),
            ..Default::default()
        };
        assert_eq!(State::read(&secret).unwrap().data(), state.data());
    }
}
