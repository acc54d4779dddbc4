//! Measures what running a function costs the current thread: memory and CPU time.
//!
//! The crate installs a global allocator that counts. Work on other threads is not
//! counted.
//!
//! ```
//! use pillion_cost::{Bound, Linear};
//!
//! const BOUND: Bound = Bound {
//!     peak: Linear::new(1024, 2),
//!     total: Linear::new(1024, 4),
//!     time: Linear::new(1_000_000, 100),
//! };
//! let input = "some input";
//! let copy = BOUND.hold("a copy", input.len(), || input.to_owned());
//! assert_eq!(copy, input);
//! ```

mod clock;

use std::{fmt, time::Duration};

/// The cost of a run.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    /// The peak of allocated memory, in bytes.
    pub peak: u64,
    /// The sum of all allocations, in bytes. Each reallocation counts with its whole size.
    pub total: u64,
    /// The CPU time of the thread.
    pub time: Duration,
}

/// The maximum cost of a run, by the length of its input.
#[derive(Debug, Clone, Copy)]
pub struct Bound {
    /// The peak of allocated memory, in bytes.
    pub peak: Linear,
    /// The sum of all allocations, in bytes.
    pub total: Linear,
    /// The CPU time, in nanoseconds, of a release build on the reference machine. It is
    /// scaled for slower builds and machines.
    pub time: Linear,
}

/// A limit that grows linearly with the length of the input.
#[derive(Debug, Clone, Copy)]
pub struct Linear {
    constant: u64,
    per_byte: u64,
    max: u64,
}

impl Linear {
    /// A limit that grows linearly with the length of the input.
    #[must_use]
    pub const fn new(constant: u64, per_byte: u64) -> Self {
        Self {
            constant,
            per_byte,
            max: u64::MAX,
        }
    }

    /// Caps the limit.
    #[must_use]
    pub const fn at_most(self, max: u64) -> Self {
        Self { max, ..self }
    }

    /// Returns the limit for an input of this length, in bytes.
    #[must_use]
    pub fn of(&self, bytes: usize) -> u64 {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let sum = self
            .constant
            .saturating_add(self.per_byte.saturating_mul(bytes));
        sum.min(self.max)
    }
}

/// A cost that exceeds its bound.
#[derive(Debug)]
pub struct Excess {
    what: &'static str,
    bytes: usize,
    cost: u64,
    allowed: u64,
}

impl fmt::Display for Excess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            what,
            bytes,
            cost,
            allowed,
        } = self;
        write!(
            f,
            "an input of {bytes} bytes cost {cost} {what}; the limit is {allowed}"
        )
    }
}

/// The number of runs before an input counts as slow, because other processes use the CPU.
const RUNS: usize = 5;

impl Bound {
    /// Runs a function, and compares its cost with the bound. If it takes too long, it is run
    /// again, and the shortest time counts; the memory is the same each time.
    ///
    /// # Errors
    ///
    /// Returns an error if the cost exceeds the bound.
    pub fn check<T>(&self, bytes: usize, mut run: impl FnMut() -> T) -> Result<T, Excess> {
        let (result, mut cost) = measure(&mut run);
        let excess = |what, cost, allowed| Excess {
            what,
            bytes,
            cost,
            allowed,
        };
        for (what, cost, bound) in [
            ("bytes of peak memory", cost.peak, self.peak),
            ("bytes of allocations in total", cost.total, self.total),
        ] {
            if cost > bound.of(bytes) {
                return Err(excess(what, cost, bound.of(bytes)));
            }
        }
        let allowed = clock::in_this_build(Duration::from_nanos(self.time.of(bytes)));
        for _ in 1..RUNS {
            if cost.time <= allowed {
                break;
            }
            cost.time = cost.time.min(measure(&mut run).1.time);
        }
        if cost.time > allowed {
            let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
            let what = "µs of CPU time";
            return Err(excess(what, micros(cost.time), micros(allowed)));
        }
        Ok(result)
    }

    /// Does the same as [`Bound::check`], for tests.
    ///
    /// # Panics
    ///
    /// Panics if the cost exceeds the bound.
    #[track_caller]
    pub fn hold<T>(&self, name: &str, bytes: usize, run: impl FnMut() -> T) -> T {
        match self.check(bytes, run) {
            Ok(result) => result,
            Err(excess) => panic!("{name}: {excess}"),
        }
    }
}

/// Runs a function, and returns its result and cost. Creating the result counts; dropping
/// it does not.
pub fn measure<T>(run: impl FnOnce() -> T) -> (T, Cost) {
    let mut outcome = None;
    let info = allocation_counter::measure(|| {
        let begun = clock::now();
        let result = run();
        outcome = Some((result, clock::now().saturating_sub(begun)));
    });
    let Some((result, time)) = outcome else {
        unreachable!("measure calls the function");
    };
    let cost = Cost {
        peak: info.bytes_max,
        total: info.bytes_total,
        time,
    };
    (result, cost)
}

/// Runs a function whose memory does not count where it is measured, such as a judge's. Its time does.
pub fn uncounted<T>(run: impl FnOnce() -> T) -> T {
    let mut result = None;
    allocation_counter::opt_out(|| result = Some(run()));
    let Some(result) = result else {
        unreachable!("opt_out calls the function");
    };
    result
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;

    use super::*;

    const ANY: Linear = Linear::new(u64::MAX, 0);

    #[test]
    fn counts_the_peak_and_the_sum() {
        let ((), cost) = measure(|| {
            for _ in 0..3 {
                black_box(Vec::<u8>::with_capacity(1000));
            }
        });
        assert_eq!((cost.peak, cost.total), (1000, 3000));
    }

    #[test]
    fn leaves_out_what_does_not_count() {
        let allocate = || drop(black_box(Vec::<u8>::with_capacity(1000)));
        let ((), cost) = measure(|| {
            allocate();
            uncounted(allocate);
        });
        assert_eq!(cost.total, 1000);
    }

    #[test]
    fn accepts_what_stays_within_its_bound() {
        let bound = Bound {
            peak: Linear::new(10, 1),
            total: Linear::new(10, 1),
            time: Linear::new(1_000_000_000, 0),
        };
        let read = bound.check(90, || black_box(vec![1_u8; 100]));
        assert_eq!(read.unwrap().len(), 100);
    }

    #[test]
    fn rejects_what_takes_too_much_memory() {
        let bound = Bound {
            peak: Linear::new(0, 1).at_most(99),
            total: ANY,
            time: ANY,
        };
        let excess = bound.check(100, || black_box(vec![1_u8; 100])).unwrap_err();
        assert_eq!(
            excess.to_string(),
            "an input of 100 bytes cost 100 bytes of peak memory; the limit is 99"
        );
    }

    #[test]
    fn rejects_what_takes_too_long() {
        let bound = Bound {
            peak: ANY,
            total: ANY,
            time: Linear::new(1, 0),
        };
        let count = || (0..1_000_000_u64).map(black_box).sum::<u64>();
        let excess = bound.check(1, count).unwrap_err().to_string();
        assert!(excess.contains("CPU time"), "{excess}");
    }
}
