//! The work that one injection may take.
//!
//! Everything that an injection does is linear in the pod, whose size is bounded.
//! This is the second line of defence: a thread can't be cancelled, so the loops
//! themselves count, and an injection that takes too long ends with a refusal.

use std::cell::Cell;

/// Enough for the largest pod that is read, many times over, and a few tenths of a
/// second at the most.
const MOST: u64 = 2_000_000;

/// The steps that are left.
#[derive(Debug)]
pub(super) struct Steps(Cell<u64>);

/// The injection takes more steps than it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "injecting the pod takes more than {MOST} steps. Such a pod has tens of thousands of parts; reduce them, or label \
     the pod sidecar.istio.io/inject: \"false\""
)]
pub(super) struct OutOfSteps;

impl Default for Steps {
    fn default() -> Self {
        Self(Cell::new(MOST))
    }
}

impl Steps {
    /// Takes so many.
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
