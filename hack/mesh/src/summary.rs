//! Many times, in a few.

use std::time::Duration;

/// The value at a quantile, in milliseconds: the smallest that so many are not above.
pub(crate) fn millis(times: &[Duration], quantile: f64) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    let rank = (sorted.len() as f64 * quantile).ceil() as usize;
    let at = rank.clamp(1, sorted.len().max(1)) - 1;
    let time = sorted.get(at).copied().unwrap_or_default();
    time.as_secs_f64() * 1e3
}

/// MiB of bytes.
pub(crate) fn mib(bytes: f64) -> f64 {
    bytes / f64::from(1 << 20)
}

/// KiB of bytes.
pub(crate) fn kib(bytes: f64) -> f64 {
    bytes / 1024.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_were_measured() {
        let times: Vec<_> = (1..=100).rev().map(Duration::from_millis).collect();
        assert_eq!(millis(&times, 0.5), 50.0);
        assert_eq!(millis(&times, 0.99), 99.0);
        assert_eq!(millis(&times, 1.0), 100.0);
        assert_eq!(millis(&[], 0.5), 0.0);
    }
}
