//! CPU time, and how slow this build is.

use std::{collections::BTreeMap, hint::black_box, sync::LazyLock, time::Duration};

use rustix::time::{ClockId, clock_gettime};

/// The CPU time of [`yardstick`] in a release build on the reference machine.
const REFERENCE: Duration = Duration::from_micros(850);

/// A CPU that other processes share is slower because of its caches.
const SLACK: f64 = 4.0;

/// Returns the CPU time of this thread so far.
pub(crate) fn now() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    let nanos = u32::try_from(time.tv_nsec).unwrap_or_default();
    Duration::new(seconds, nanos)
}

/// Scales a time of the reference machine to this build and machine. Without optimization
/// and with a fuzzer's instrumentation, it is many times as long.
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
    // Saturate at the longest duration.
    Duration::try_from_secs_f64(reference.as_secs_f64() * *FACTOR).unwrap_or(Duration::MAX)
}

/// Does work like the code that is measured: small strings, maps of them, and loops over
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
