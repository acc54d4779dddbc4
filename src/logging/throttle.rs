//! Log lines that callers can cause at will: a few a second, and how many were
//! left out.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

const WINDOW: Duration = Duration::from_secs(1);

/// Lets so many lines through in a second.
#[derive(Debug)]
pub(crate) struct Throttle {
    most: u32,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    since: Instant,
    passed: u32,
    held_back: u64,
}

impl Throttle {
    pub(crate) fn new(most: u32) -> Self {
        Self {
            most,
            state: Mutex::new(State {
                since: Instant::now(),
                passed: 0,
                held_back: 0,
            }),
        }
    }

    /// Whether a line may be written, and how many were held back before it.
    pub(crate) fn pass(&self) -> Option<u64> {
        self.pass_at(Instant::now())
    }

    fn pass_at(&self, now: Instant) -> Option<u64> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if now.duration_since(state.since) >= WINDOW {
            state.since = now;
            state.passed = 0;
        }
        if state.passed >= self.most {
            state.held_back += 1;
            return None;
        }
        state.passed += 1;
        Some(std::mem::take(&mut state.held_back))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lets_a_few_lines_through_in_a_second() {
        let throttle = Throttle::new(2);
        let now = Instant::now();
        assert_eq!(throttle.pass_at(now), Some(0));
        assert_eq!(throttle.pass_at(now), Some(0));
        assert_eq!(throttle.pass_at(now), None);
        assert_eq!(throttle.pass_at(now + WINDOW / 2), None);
    }

    #[test]
    fn says_in_the_next_second_how_many_it_held_back() {
        let throttle = Throttle::new(1);
        let now = Instant::now();
        for _ in 0..4 {
            throttle.pass_at(now);
        }
        assert_eq!(throttle.pass_at(now + WINDOW), Some(3));
        assert_eq!(throttle.pass_at(now + 2 * WINDOW), Some(0));
    }
}
