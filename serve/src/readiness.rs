//! Whether this replica is ready, and what it still waits for.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

/// What has to hold before the replica is ready: each role registers its conditions.
///
/// Without a condition, and as long as it does not drain, it is ready.
#[derive(Debug, Default)]
pub struct Readiness {
    conditions: Mutex<Vec<Condition>>,
    draining: AtomicBool,
}

/// One thing that has to hold. Clones are the same condition.
#[derive(Debug, Clone)]
pub struct Condition(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    holds: bool,
    waits_for: &'static str,
}

impl Condition {
    /// Says whether it holds.
    pub fn set(&self, holds: bool) {
        self.lock().holds = holds;
    }

    /// Whether it holds.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.lock().holds
    }

    /// Says anew what is waited for while it does not hold.
    pub fn set_waits_for(&self, text: &'static str) {
        self.lock().waits_for = text;
    }

    fn missing(&self) -> Option<&'static str> {
        let state = self.lock();
        (!state.holds).then_some(state.waits_for)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A flag and a text are whole after any panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Readiness {
    /// Adds a condition, which does not hold yet. The text says what is waited
    /// for until it does, as in "waiting for a configuration".
    pub fn register(&self, waits_for: &'static str) -> Condition {
        let state = State {
            holds: false,
            waits_for,
        };
        let condition = Condition(Arc::new(Mutex::new(state)));
        self.lock().push(condition.clone());
        condition
    }

    /// The process has been told to stop; it is not ready from now on.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Release);
    }

    /// Whether the process has been told to stop.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// What is missing, in the order of registration; empty when ready.
    #[must_use]
    pub fn missing(&self) -> Vec<&'static str> {
        let mut missing: Vec<_> = self.lock().iter().filter_map(Condition::missing).collect();
        if self.is_draining() {
            missing.push("draining: this replica is stopping");
        }
        missing
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Condition>> {
        // A list is whole after any panic.
        self.conditions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_for_everything_at_first() {
        let readiness = Readiness::default();
        for waits_for in ["a certificate", "a configuration"] {
            readiness.register(waits_for);
        }
        assert_eq!(readiness.missing(), ["a certificate", "a configuration"]);
    }

    #[test]
    fn is_ready_when_all_conditions_hold() {
        let readiness = Readiness::default();
        let conditions = [readiness.register("a"), readiness.register("b")];
        for condition in &conditions {
            condition.set(true);
        }
        assert!(readiness.missing().is_empty());
    }

    #[test]
    fn names_a_condition_that_no_longer_holds() {
        let readiness = Readiness::default();
        let (first, second) = (readiness.register("a"), readiness.register("b"));
        first.set(true);
        second.set(true);
        first.set(false);
        assert_eq!(readiness.missing(), ["a"]);
        assert!(!first.holds() && second.holds());
    }

    #[test]
    fn says_what_is_waited_for_now() {
        let readiness = Readiness::default();
        let condition = readiness.register("a");
        condition.set(true);
        condition.set_waits_for("b");
        assert!(readiness.missing().is_empty());
        condition.set(false);
        assert_eq!(readiness.missing(), ["b"]);
    }

    #[test]
    fn is_not_ready_once_it_drains() {
        let readiness = Readiness::default();
        readiness.drain();
        assert!(readiness.is_draining());
        assert_eq!(readiness.missing(), ["draining: this replica is stopping"]);
    }
}
