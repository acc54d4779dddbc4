//! Whether this replica may be sent reviews, and what it still waits for.

use std::sync::atomic::{AtomicU8, Ordering};

/// One thing that has to hold before reviews may come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Condition {
    /// A serving certificate is loaded.
    Certificate = 1,
    /// A configuration is in force.
    Configuration = 2,
    /// The webhook configurations trust our CA.
    CaBundle = 4,
}

impl Condition {
    const ALL: [Self; 3] = [Self::Certificate, Self::Configuration, Self::CaBundle];

    fn waits_for(self) -> &'static str {
        match self {
            Self::Certificate => {
                "waiting for a serving certificate; the log says what is wrong with one that is there"
            }
            Self::Configuration => {
                "waiting for a valid configuration in the ConfigMaps; the log and their Events say what is wrong"
            }
            Self::CaBundle => "waiting for the caBundle of the MutatingWebhookConfiguration",
        }
    }
}

const DRAINING: u8 = 128;
const SECRET_IS_MISSING: u8 = 64;

/// The conditions, shared by those who fulfil them and the `/readyz` handler.
#[derive(Debug, Default)]
pub struct Readiness(AtomicU8);

impl Readiness {
    /// Says whether a condition holds.
    pub fn set(&self, condition: Condition, holds: bool) {
        if holds {
            self.0.fetch_or(condition as u8, Ordering::AcqRel);
        } else {
            self.0.fetch_and(!(condition as u8), Ordering::AcqRel);
        }
    }

    /// Says whether the certificates' Secret is missing and has to be made by others:
    /// what is waited for then is another thing to do.
    pub fn secret_is_missing(&self, missing: bool) {
        if missing {
            self.0.fetch_or(SECRET_IS_MISSING, Ordering::AcqRel);
        } else {
            self.0.fetch_and(!SECRET_IS_MISSING, Ordering::AcqRel);
        }
    }

    /// Whether a condition holds.
    pub(super) fn holds(&self, condition: Condition) -> bool {
        self.0.load(Ordering::Acquire) & (condition as u8) != 0
    }

    /// The process has been told to stop; it is not ready from now on.
    pub fn drain(&self) {
        self.0.fetch_or(DRAINING, Ordering::AcqRel);
    }

    /// Whether the process has been told to stop.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.0.load(Ordering::Acquire) & DRAINING != 0
    }

    /// What is missing; empty when ready.
    #[must_use]
    pub fn missing(&self) -> Vec<&'static str> {
        let state = self.0.load(Ordering::Acquire);
        let mut missing: Vec<_> = Condition::ALL
            .into_iter()
            .filter(|condition| state & (*condition as u8) == 0)
            .map(|condition| match condition {
                Condition::Certificate if state & SECRET_IS_MISSING != 0 => {
                    "waiting for the certificates' Secret, which is missing and which the injector may not make: make it \
                     again with helm upgrade, or empty with kubectl create secret generic; the log names it"
                }
                condition => condition.waits_for(),
            })
            .collect();
        if state & DRAINING != 0 {
            missing.push("draining: this replica is stopping");
        }
        missing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ready() -> Readiness {
        let readiness = Readiness::default();
        for condition in Condition::ALL {
            readiness.set(condition, true);
        }
        readiness
    }

    #[test]
    fn waits_for_everything_at_first() {
        assert_eq!(Readiness::default().missing().len(), 3);
    }

    #[test]
    fn is_ready_when_all_conditions_hold() {
        assert!(ready().missing().is_empty());
    }

    #[test]
    fn names_a_condition_that_no_longer_holds() {
        let readiness = ready();
        readiness.set(Condition::CaBundle, false);
        assert_eq!(
            readiness.missing(),
            ["waiting for the caBundle of the MutatingWebhookConfiguration"]
        );
    }

    #[test]
    fn says_how_to_get_a_missing_secret_back() {
        let readiness = ready();
        readiness.secret_is_missing(true);
        assert!(readiness.missing().is_empty(), "what is served is good");
        readiness.set(Condition::Certificate, false);
        assert!(readiness.missing()[0].contains("helm upgrade"));
        readiness.secret_is_missing(false);
        assert!(!readiness.missing()[0].contains("helm upgrade"));
    }

    #[test]
    fn is_not_ready_once_it_drains() {
        let readiness = ready();
        readiness.drain();
        assert!(readiness.is_draining());
        assert_eq!(readiness.missing(), ["draining: this replica is stopping"]);
    }
}
