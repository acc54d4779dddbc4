//! Whether the proxy passes.

use super::sample::{Sample, median};
use crate::load::Load;

/// The last tenth's memory may be so much of the first one's, …
const GROWTH: f64 = 1.1;
/// … and so many MiB more: an allocator takes memory in pieces.
const MORE_MIB: f64 = 0.5;
/// Descriptors that the last tenth may have more than the first one, beside the growth: connections to servers open
/// and close with the load.
const MORE_DESCRIPTORS: f64 = 8.0;

/// What is compared: its name, how to read it, and what may be added.
type Compared = (&'static str, fn(&Sample) -> f64, f64);

const COMPARED: [Compared; 3] = [
    ("resident MiB", |sample| sample.memory.resident, MORE_MIB),
    ("anonymous MiB", |sample| sample.memory.anonymous, MORE_MIB),
    // Exact up to 2⁵².
    #[allow(clippy::cast_precision_loss)]
    (
        "descriptors",
        |sample| sample.descriptors as f64,
        MORE_DESCRIPTORS,
    ),
];

/// Why it does not pass. There is no reason if it does.
pub(super) fn faults(samples: &[Sample], load: &Load, generations: usize) -> Vec<String> {
    let mut faults = grown(samples);
    if load.failures.count() > 0 {
        faults.insert(0, format!("requests failed: {}", load.failures));
    }
    let seen = load.generations.len();
    if seen < generations {
        faults.push(format!(
            "responses came by {seen} generations of rules, and not by {generations} at least"
        ));
    }
    faults
}

/// What the process has more of than at the beginning.
fn grown(samples: &[Sample]) -> Vec<String> {
    let [first, .., last] = &tenths(samples)[..] else {
        return vec!["the time is too short to compare its beginning with its end".to_owned()];
    };
    let grown = COMPARED.iter().filter_map(|(name, value, more)| {
        let [before, after] = [first, last].map(|tenth| median(tenth.iter().map(value)));
        (after > before * GROWTH + more)
            .then(|| format!("{name} grew from {before:.1} to {after:.1}"))
    });
    grown.collect()
}

/// The samples in ten parts; fewer if there are not so many.
fn tenths(samples: &[Sample]) -> Vec<&[Sample]> {
    samples.chunks(samples.len().div_ceil(10).max(1)).collect()
}

/// What is worth reading of all samples: the first tenth, the last one, and all of them.
pub(super) fn table(samples: &[Sample], load: &Load) -> String {
    let mut lines = vec![
        "| | requests/s | p50 ms | p99 ms | max ms | CPU µs/request | resident MiB | anonymous MiB | descriptors |"
            .to_owned(),
        "|---|---|---|---|---|---|---|---|---|".to_owned(),
    ];
    let tenths = tenths(samples);
    if let [first, .., last] = &tenths[..] {
        lines.push(row("first tenth", first));
        lines.push(row("last tenth", last));
    }
    lines.push(row("all", samples));
    let total: f64 = samples.iter().map(|sample| sample.rate).sum();
    let failures = if load.failures.count() == 0 {
        "none failed".to_owned()
    } else {
        format!("failed: {}", load.failures)
    };
    lines.push(String::new());
    lines.push(format!(
        "{total:.0} requests in {} s; {failures}. {} connections without a request were closed. Responses came by {} generations of rules.",
        samples.len(),
        load.closed,
        load.generations.len(),
    ));
    lines.join("\n")
}

/// Medians of seconds; the maximum is that of all.
fn row(name: &str, samples: &[Sample]) -> String {
    let of = |value: fn(&Sample) -> f64| median(samples.iter().map(value));
    let [rate, p50, p99, cost] = [
        of(|sample| sample.rate),
        of(|sample| sample.latencies[0]),
        of(|sample| sample.latencies[1]),
        of(|sample| sample.cost),
    ];
    let max = samples.iter().map(|sample| sample.latencies[2]);
    let max = max.fold(0.0, f64::max);
    let [resident, anonymous, descriptors] =
        COMPARED.map(|(_, value, _)| median(samples.iter().map(value)));
    format!(
        "| {name} | {rate:.0} | {p50:.3} | {p99:.3} | {max:.1} | {cost:.1} | {resident:.1} | {anonymous:.1} | {descriptors:.0} |"
    )
}

#[cfg(test)]
mod tests {
    use super::{super::sample::test, *};

    #[test]
    fn steady_samples_pass() {
        let samples: Vec<_> = (0..60).map(|second| test(second, 12.0, 150)).collect();
        assert!(grown(&samples).is_empty());
    }

    #[test]
    fn a_leak_does_not_pass() {
        let more = |second: u64| usize::try_from(second).unwrap();
        let samples: Vec<_> = (0..60)
            .map(|second| test(second, 12.0, 150 + more(second)))
            .collect();
        assert_eq!(grown(&samples), ["descriptors grew from 153.0 to 207.0"]);
        let grows = |second: u64| test(second, if second < 30 { 12.0 } else { 14.0 }, 150);
        let samples: Vec<_> = (0..60).map(grows).collect();
        assert_eq!(
            grown(&samples),
            [
                "resident MiB grew from 12.0 to 14.0",
                "anonymous MiB grew from 4.0 to 6.0"
            ]
        );
    }

    #[test]
    fn a_moment_is_too_short() {
        assert_eq!(grown(&[test(0, 12.0, 150)]).len(), 1);
    }
}
