//! When certificates are renewed, and in which order, so that clients always trust
//! the one that is served.
//!
//! The serving certificate is renewed by the same CA. A CA is rotated in three steps, each
//! of them a single write of the Secret, so that a crash leaves it consistent:
//!
//! 1. the next CA is generated, and trusted beside the current one;
//! 2. when it has been trusted for a while, it becomes the current one and issues the
//!    serving certificate; the previous CA is still trusted;
//! 3. when nothing that the previous CA signed is used any more, it is removed.
//!
//! A CA that is plugged in takes the place of the own one in the same way, but that somebody
//! else makes it (`plugging`).

pub(super) mod plugging;
#[cfg(test)]
mod tests;

use pillion_certs::{Authority, Error, Pair};
use time::{Duration, OffsetDateTime};

use super::state::State;

/// The names and lifetimes of certificates.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// The common name of the CA.
    pub authority_name: &'static str,
    pub names: Vec<String>,
    pub authority_lifetime: Duration,
    pub certificate_lifetime: Duration,
    /// How long both CAs are trusted before the change.
    pub overlap: Duration,
    /// How long both CAs are trusted after it: until all that the previous one signed is renewed.
    pub retention: Duration,
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
    /// Remove the previous CAs that were retained for long enough.
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
            plugged: None,
            old: Vec::new(),
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
        Ok(self.next_forgotten(state, now))
    }

    /// Returns the step to take now about previous CAs, if any.
    pub(super) fn next_forgotten(&self, state: &State, now: OffsetDateTime) -> Option<Step> {
        let mut old = state.old.iter();
        let is_due = old.any(|old| now - old.since >= self.retention);
        is_due.then_some(Step::ForgetAuthority)
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
                    state.retire(state.authority.certificate().to_owned(), now);
                    state.authority = next;
                }
            }
            Step::ForgetAuthority => state.old.retain(|old| now - old.since < self.retention),
        }
        Ok(state)
    }
}
