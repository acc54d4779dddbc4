//! What running something costs this thread: memory and processor time.
//!
//! Whatever names this crate has its global allocator, which counts; work that
//! is handed to other threads is not counted.

mod clock;

use std::{fmt, time::Duration};

/// What a run cost.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    /// The most bytes that were allocated at a time.
    pub peak: u64,
    /// The sum of all allocations. What grows by reallocation counts each time.
    pub total: u64,
    /// Processor time of the thread.
    pub time: Duration,
}

/// What something may cost, by the length of its input.
#[derive(Debug, Clone, Copy)]
pub struct Bound {
    /// Bytes allocated at a time.
    pub peak: Linear,
    /// Bytes allocated in sum.
    pub total: Linear,
    /// Nanoseconds of processor time, of a release build on the machine that the
    /// bounds were set on; other builds get as much more as they are slower.
    pub time: Linear,
}

/// A constant, and so much for each byte of input.
#[derive(Debug, Clone, Copy)]
pub struct Linear {
    constant: u64,
    per_byte: u64,
    most: u64,
}

impl Linear {
    /// A constant, and so much for each byte of input.
    #[must_use]
    pub const fn new(constant: u64, per_byte: u64) -> Self {
        Self {
            constant,
            per_byte,
            most: u64::MAX,
        }
    }

    /// The same, but never more than this.
    #[must_use]
    pub const fn at_most(self, most: u64) -> Self {
        Self { most, ..self }
    }

    /// What it comes to for an input of this length.
    #[must_use]
    pub fn of(&self, bytes: usize) -> u64 {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let sum = self
            .constant
            .saturating_add(self.per_byte.saturating_mul(bytes));
        sum.min(self.most)
    }
}

/// A cost beyond its bound.
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
            "an input of {bytes} bytes cost {cost} {what}; {allowed} are allowed"
        )
    }
}

/// Times an input is run before it counts as slow: others use the processor, too.
const RUNS: usize = 5;

impl Bound {
    /// Runs something, and holds what it costs against the bound.
    ///
    /// # Errors
    ///
    /// When it costs more. Memory is the same each time; what took too long is run
    /// again, and the shortest time counts.
    pub fn check<T>(&self, bytes: usize, mut run: impl FnMut() -> T) -> Result<T, Excess> {
        let (result, mut cost) = measure(&mut run);
        let excess = |what, cost, allowed| Excess {
            what,
            bytes,
            cost,
            allowed,
        };
        for (what, cost, bound) in [
            ("bytes of memory at the peak", cost.peak, self.peak),
            ("bytes of memory in sum", cost.total, self.total),
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
            let what = "µs of processor time";
            return Err(excess(what, micros(cost.time), micros(allowed)));
        }
        Ok(result)
    }

    /// The same for a test.
    ///
    /// # Panics
    ///
    /// When it costs more.
    #[track_caller]
    pub fn hold<T>(&self, name: &str, bytes: usize, run: impl FnMut() -> T) -> T {
        match self.check(bytes, run) {
            Ok(result) => result,
            Err(excess) => panic!("{name}: {excess}"),
        }
    }
}

/// Runs something, and says what it cost. Its result is counted as long as it
/// is made, and not dropped.
pub fn measure<T>(run: impl FnOnce() -> T) -> (T, Cost) {
    let mut outcome = None;
    let info = allocation_counter::measure(|| {
        let begun = clock::now();
        let result = run();
        outcome = Some((result, clock::now().saturating_sub(begun)));
    });
    let Some((result, time)) = outcome else {
        unreachable!("it has been run");
    };
    let cost = Cost {
        peak: info.bytes_max,
        total: info.bytes_total,
        time,
    };
    (result, cost)
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
            "an input of 100 bytes cost 100 bytes of memory at the peak; 99 are allowed"
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
        assert!(excess.contains("processor time"), "{excess}");
    }
}
