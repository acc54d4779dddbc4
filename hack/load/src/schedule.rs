//! When requests are due.

use std::time::{Duration, Instant};

/// The arrivals of a Poisson process: any number of independent users who do not wait for
/// one another.
pub(crate) struct Schedule {
    /// Arrivals per second.
    rate: f64,
    next: Instant,
    random: fastrand::Rng,
}

impl Schedule {
    /// Begins now. Every run has the same intervals.
    pub fn new(rate: f64) -> Self {
        Self {
            rate,
            next: Instant::now(),
            random: fastrand::Rng::with_seed(12),
        }
    }

    /// Begins anew, now.
    pub fn restart(&mut self) {
        *self = Self::new(self.rate);
    }

    /// When the next request is due.
    pub fn next(&self) -> Instant {
        self.next
    }

    /// Takes a request that is due.
    pub fn take(&mut self, now: Instant) -> Option<Instant> {
        if self.next > now {
            return None;
        }
        let due = self.next;
        // In (0, 1], so that the logarithm is finite.
        let uniform = 1.0 - self.random.f64();
        self.next += Duration::from_secs_f64(-uniform.ln() / self.rate);
        Some(due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrivals_have_the_rate_on_average() {
        let mut schedule = Schedule::new(1000.0);
        let end = schedule.next() + Duration::from_secs(100);
        let arrivals = std::iter::from_fn(|| schedule.take(end)).count();
        assert!((99_000..101_000).contains(&arrivals), "{arrivals}");
        assert!(schedule.next() > end);
    }
}
