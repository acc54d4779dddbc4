//! A limit on the work of one injection.
//!
//! Everything that an injection does is linear in the pod, whose size is bounded.
//! This is the second line of defence: a thread can't be cancelled, so the loops
//! themselves count, and an injection that takes too long ends with a refusal.

use std::cell::Cell;

/// Many times as many as the largest pod takes, and at most a few tenths of a second.
const LIMIT: u64 = 2_000_000;

/// The steps that are left.
#[derive(Debug)]
pub(crate) struct Steps(Cell<u64>);

/// The injection takes more steps than allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "injecting the pod takes more than {LIMIT} steps. Such a pod has tens of thousands of parts; reduce them, or label \
     the pod sidecar.istio.io/inject: \"false\""
)]
pub(crate) struct OutOfSteps;

impl Default for Steps {
    fn default() -> Self {
        Self(Cell::new(LIMIT))
    }
}

impl Steps {
    /// Takes a number of steps.
    pub fn take(&self, steps: usize) -> Result<(), OutOfSteps> {
        let steps = u64::try_from(steps).unwrap_or(u64::MAX);
        let left = self.0.get().checked_sub(steps).ok_or(OutOfSteps)?;
        self.0.set(left);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_when_all_steps_are_taken() {
        let steps = Steps::default();
        assert_eq!(steps.take(1_999_999), Ok(()));
        assert_eq!(steps.take(2), Err(OutOfSteps));
        assert_eq!(steps.take(1), Ok(()));
        assert_eq!(steps.take(1), Err(OutOfSteps));
    }
}
