//! Whether this replica may be sent reviews, and what it still waits for.

use std::sync::atomic::{AtomicU8, Ordering};

/// One thing that has to hold before reviews may come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Condition {
    /// A serving certificate is loaded and the port is open.
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
            Self::Certificate => "waiting for a serving certificate",
            Self::Configuration => "waiting for the ConfigMaps",
            Self::CaBundle => "waiting for the caBundle of the MutatingWebhookConfiguration",
        }
    }
}

const DRAINING: u8 = 128;

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

    /// The process has been told to stop; it is not ready from now on.
    pub fn drain(&self) {
        self.0.fetch_or(DRAINING, Ordering::AcqRel);
    }

    /// What is missing; empty when ready.
    #[must_use]
    pub fn missing(&self) -> Vec<&'static str> {
        let state = self.0.load(Ordering::Acquire);
        let mut missing: Vec<_> = Condition::ALL
            .into_iter()
            .filter(|condition| state & (*condition as u8) == 0)
            .map(Condition::waits_for)
            .collect();
        if state & DRAINING != 0 {
            missing.push("draining: this replica is stopping");
        }
        missing
    }
}
