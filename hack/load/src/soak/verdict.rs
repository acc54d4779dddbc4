//! Whether the proxy passes.

use super::sample::{Sample, median};
use crate::load::Load;

/// MiB by which memory may grow from the first tenth of the time to the last one: an allocator takes it in pieces.
const MORE_MIB: f64 = 0.5;
/// The same of descriptors: connections to servers open and close with the load.
const MORE_DESCRIPTORS: f64 = 16.0;
/// The part of the requests that are due in a second, on average, that has to be answered. How many are due is random.
const ANSWERED: f64 = 0.95;

/// What is compared: its name, how to read it, and by how much it may grow.
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
pub(super) fn faults(
    samples: &[Sample],
    load: &Load,
    rate: f64,
    generations: usize,
) -> Vec<String> {
    let mut faults = Vec::new();
    if load.failures.count() > 0 {
        faults.push(format!("requests failed: {}", load.failures));
    }
    faults.extend(slow(samples, rate));
    faults.extend(grown(samples));
    let seen = load.generations.len();
    if seen < generations {
        faults.push(format!(
            "responses came by {seen} generations of rules, and not by {generations} at least"
        ));
    }
    faults
}

/// That it carries less than what was sent.
fn slow(samples: &[Sample], rate: f64) -> Option<String> {
    let answered = mean(samples.iter().map(|sample| sample.rate));
    (answered < rate * ANSWERED).then(|| {
        let percent = ANSWERED * 100.0;
        format!("{answered:.0} requests/s were answered, and not {percent:.0} % of {rate:.0}")
    })
}

/// What the process has more and more of.
fn grown(samples: &[Sample]) -> Vec<String> {
    let tenths = tenths(samples);
    if tenths.len() < 2 {
        return vec!["the time is too short to compare its beginning with its end".to_owned()];
    }
    let grown = COMPARED.iter().filter_map(|(name, value, more)| {
        let medians = tenths.iter().map(|tenth| median(tenth.iter().map(value)));
        let growth = growth(&medians.collect::<Vec<_>>());
        (growth > *more).then(|| format!("{name} grew by {growth:.1}, which may be {more:.1}"))
    });
    grown.collect()
}

/// By how much values grow from the first one to the last one on the straight line that fits them best, by least
/// squares. A leak bends every tenth upwards, while a peak in the last one alone counts for half.
fn growth(values: &[f64]) -> f64 {
    // Ten at most.
    let places = || (0_u32..).map(f64::from).zip(values.iter().copied());
    let middle = mean(places().map(|(place, _)| place));
    let average = mean(values.iter().copied());
    let products = places().map(|(place, value)| (place - middle) * (value - average));
    let squares = places().map(|(place, _)| (place - middle).powi(2));
    // The first place and the last one are as far from the middle.
    products.sum::<f64>() / squares.sum::<f64>() * 2.0 * middle
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    sum / f64::max(count, 1.0)
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

    /// Half an hour.
    fn samples(of: impl Fn(u64) -> Sample) -> Vec<Sample> {
        (0..1800).map(of).collect()
    }

    /// How far a second is.
    fn part(second: u64) -> f64 {
        f64::from(u32::try_from(second).unwrap()) / 1800.0
    }

    #[test]
    fn steady_samples_pass() {
        // What the allocator has comes and goes.
        let swings = |second: u64| 12.0 + 0.6 * f64::from(u8::from(second % 400 > 200));
        let samples = samples(|second| test(second, swings(second), 150));
        assert!(grown(&samples).is_empty(), "{:?}", grown(&samples));
        assert_eq!(slow(&samples, 1000.0), None);
    }

    #[test]
    fn a_slow_leak_does_not_pass() {
        let samples = samples(|second| test(second, 12.0 + part(second), 150));
        assert_eq!(
            grown(&samples),
            [
                "resident MiB grew by 0.9, which may be 0.5",
                "anonymous MiB grew by 0.9, which may be 0.5"
            ]
        );
    }

    #[test]
    fn a_leak_of_descriptors_does_not_pass() {
        let more = |second: u64| usize::try_from(second).unwrap() / 90;
        let samples = samples(|second| test(second, 12.0, 150 + more(second)));
        assert_eq!(
            grown(&samples),
            ["descriptors grew by 18.0, which may be 16.0"]
        );
    }

    #[test]
    fn a_step_does_not_pass() {
        let step = |second: u64| if second < 900 { 12.0 } else { 13.0 };
        let samples = samples(|second| test(second, step(second), 150));
        assert_eq!(grown(&samples).len(), 2);
    }

    #[test]
    fn the_growth_of_a_straight_line_is_its_rise() {
        let rise = growth(&[1.0, 3.0, 5.0, 7.0]);
        assert!((rise - 6.0).abs() < 1e-9, "{rise}");
        assert!(growth(&[2.0, 1.0]) < 0.0);
    }

    #[test]
    fn who_answers_less_than_is_sent_does_not_pass() {
        let samples = samples(|second| test(second, 12.0, 150));
        assert_eq!(slow(&samples, 1040.0), None);
        assert_eq!(
            slow(&samples, 1100.0).as_deref(),
            Some("1000 requests/s were answered, and not 95 % of 1100")
        );
    }

    #[test]
    fn a_moment_is_too_short() {
        assert_eq!(grown(&[test(0, 12.0, 150)]).len(), 1);
    }
}
