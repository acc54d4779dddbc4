//! Processor time, and how much of it this build takes.

use std::{collections::BTreeMap, hint::black_box, sync::LazyLock, time::Duration};

use rustix::time::{ClockId, clock_gettime};

/// What the yardstick took where the bounds were set, in a release build.
const REFERENCE: Duration = Duration::from_micros(850);

/// A processor that others use, too, is slower by its caches.
const SLACK: f64 = 4.0;

/// Processor time of this thread so far.
pub(crate) fn now() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    let nanos = u32::try_from(time.tv_nsec).unwrap_or_default();
    Duration::new(seconds, nanos)
}

/// What a time of the reference comes to here: without optimization and with
/// a fuzzer's instrumentation it is many times that.
pub(crate) fn in_this_build(reference: Duration) -> Duration {
    static FACTOR: LazyLock<f64> = LazyLock::new(|| {
        let time = |_| {
            let begun = now();
            black_box(yardstick());
            now().saturating_sub(begun)
        };
        let least = (0..10).map(time).min().unwrap_or(REFERENCE);
        SLACK * least.div_duration_f64(REFERENCE).max(1.0)
    });
    // Not longer than anything is waited for.
    Duration::try_from_secs_f64(reference.as_secs_f64() * *FACTOR).unwrap_or(Duration::MAX)
}

/// Work of the kind that is measured: small strings, maps of them, and loops over
/// their bytes.
fn yardstick() -> u64 {
    let mut map = BTreeMap::new();
    for number in 0..2000_u32 {
        let key = format!("key-{}", number.wrapping_mul(7919) % 2003);
        let values: Vec<String> = key.split('-').map(str::to_owned).collect();
        map.insert(key, values);
    }
    let texts = map.iter().map(|(key, values)| values.join(key));
    texts
        .map(|text| {
            text.bytes()
                .fold(7, |sum: u64, byte| sum.rotate_left(5) ^ u64::from(byte))
        })
        .fold(0, u64::wrapping_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_here_is_at_least_that_of_the_reference() {
        let second = Duration::from_secs(1);
        assert!(in_this_build(second) >= second);
        println!(
            "the yardstick here: {:?}",
            in_this_build(REFERENCE).div_f64(SLACK)
        );
    }
}
