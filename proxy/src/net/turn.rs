//! How much a task may do before other tasks get their turn.

use super::sizes::SIZE;

/// More steps are not taken.
const STEPS: u32 = 16;
/// More bytes are not passed on: as many as the steps pass on with usual buffers, whatever
/// the buffers are.
const BYTES: usize = 16 * SIZE;

/// What is left of a turn.
#[derive(Debug)]
pub(crate) struct Turn {
    steps: u32,
    bytes: usize,
}

impl Turn {
    /// A whole one.
    pub fn new() -> Self {
        Self {
            steps: STEPS,
            bytes: BYTES,
        }
    }

    /// Whether there is another step, which is taken.
    pub fn goes_on(&mut self) -> bool {
        let goes_on = self.steps > 0 && self.bytes > 0;
        self.steps = self.steps.saturating_sub(1);
        goes_on
    }

    /// So many bytes are passed on.
    pub fn pass(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The steps of a turn, each of which passes on so many bytes.
    fn steps(bytes: usize) -> u32 {
        let mut turn = Turn::new();
        let mut steps = 0;
        while turn.goes_on() {
            turn.pass(bytes);
            steps += 1;
        }
        steps
    }

    #[test]
    fn a_turn_ends_after_some_steps_or_bytes() {
        assert_eq!(steps(0), 16);
        assert_eq!(steps(SIZE), 16);
        assert_eq!(steps(8 * SIZE), 2);
        assert_eq!(steps(8 * SIZE + 1), 2);
        assert_eq!(steps(usize::MAX), 1);
    }
}
