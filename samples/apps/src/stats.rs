//! Counts and latencies of many answers, in bounded memory.

use serde_json::{Map, Value, json};
use std::{collections::BTreeMap, fmt::Write, time::Duration};

/// The most different values that are counted of one kind; further ones are counted together.
const VALUES: usize = 100;
const OTHERS: &str = "(others)";

/// Counts by value.
pub type Counts = BTreeMap<String, u64>;

/// What came of the requests.
#[derive(Default)]
pub struct Stats {
    /// Requests that were answered, whatever the status.
    pub answered: u64,
    /// Requests that were not.
    pub failed: u64,
    /// Bytes of all bodies.
    pub bytes: u64,
    pub statuses: Counts,
    pub errors: Counts,
    pub bodies: Counts,
    /// By the name of the header.
    pub headers: BTreeMap<String, Counts>,
    pub latencies: Histogram,
}

impl Stats {
    /// Adds what another worker counted.
    pub fn merge(&mut self, other: Self) {
        self.answered += other.answered;
        self.failed += other.failed;
        self.bytes += other.bytes;
        merge(&mut self.statuses, other.statuses);
        merge(&mut self.errors, other.errors);
        merge(&mut self.bodies, other.bodies);
        for (name, counts) in other.headers {
            merge(self.headers.entry(name).or_default(), counts);
        }
        self.latencies.merge(&other.latencies);
    }

    /// All of it as JSON.
    pub fn json(&self, elapsed: Duration) -> Value {
        let latencies: Map<String, Value> = self
            .latencies
            .summary()
            .into_iter()
            .map(|(name, value)| (name.to_owned(), milliseconds(value).into()))
            .collect();
        json!({
            "requests": self.answered + self.failed,
            "failed": self.failed,
            "seconds": elapsed.as_secs_f64(),
            "bytes": self.bytes,
            "status": self.statuses,
            "error": self.errors,
            "body": self.bodies,
            "header": self.headers,
            "latency_ms": latencies,
        })
    }

    /// All of it as lines for people.
    pub fn text(&self, elapsed: Duration) -> String {
        let requests = self.answered + self.failed;
        let rate = requests as f64 / elapsed.as_secs_f64().max(1e-9);
        let mut out = format!(
            "{requests} requests in {:.2} s ({rate:.1}/s), {} failed, {} bytes received\n",
            elapsed.as_secs_f64(),
            self.failed,
            self.bytes
        );
        let mut table = |kind: &str, counts: &Counts| {
            for (value, count) in counts {
                let share = *count as f64 * 100.0 / requests.max(1) as f64;
                let _ = writeln!(out, "{count:>9} {share:>5.1} %  {kind} {value}");
            }
        };
        table("status", &self.statuses);
        table("error", &self.errors);
        table("body", &self.bodies);
        for (name, counts) in &self.headers {
            table(&format!("{name}:"), counts);
        }
        out.push_str("latency in ms:");
        for (name, value) in self.latencies.summary() {
            let _ = write!(out, "  {name} {:.3}", milliseconds(value));
        }
        out.push('\n');
        out
    }
}

/// Counts one value.
pub fn count(counts: &mut Counts, value: &str) {
    add(counts, value, 1);
}

fn merge(counts: &mut Counts, other: Counts) {
    for (value, number) in other {
        add(counts, &value, number);
    }
}

fn add(counts: &mut Counts, value: &str, number: u64) {
    let value = if counts.len() < VALUES || counts.contains_key(value) {
        value
    } else {
        OTHERS
    };
    *counts.entry(value.to_owned()).or_default() += number;
}

fn milliseconds(microseconds: u64) -> f64 {
    microseconds as f64 / 1000.0
}

/// Each power of two is cut into so many buckets, so a value is off by at most 1/64.
const STEPS: u64 = 64;

/// Microseconds, counted in buckets that grow with the value.
#[derive(Default)]
pub struct Histogram {
    buckets: Vec<u64>,
    total: u64,
    max: u64,
}

impl Histogram {
    /// Counts one value.
    pub fn record(&mut self, value: Duration) {
        let value = u64::try_from(value.as_micros()).unwrap_or(u64::MAX);
        let index = bucket(value);
        if self.buckets.len() <= index {
            self.buckets.resize(index + 1, 0);
        }
        if let Some(count) = self.buckets.get_mut(index) {
            *count += 1;
        }
        self.total += 1;
        self.max = self.max.max(value);
    }

    fn merge(&mut self, other: &Self) {
        if self.buckets.len() < other.buckets.len() {
            self.buckets.resize(other.buckets.len(), 0);
        }
        for (count, more) in self.buckets.iter_mut().zip(&other.buckets) {
            *count += more;
        }
        self.total += other.total;
        self.max = self.max.max(other.max);
    }

    /// The smallest value that this share of all doesn't exceed, in microseconds.
    fn quantile(&self, share: f64) -> u64 {
        let rank = (self.total as f64 * share).ceil() as u64;
        let mut seen = 0;
        for (index, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= rank.max(1) {
                return upper_bound(index).min(self.max);
            }
        }
        self.max
    }

    fn summary(&self) -> [(&'static str, u64); 5] {
        let quantile = |share| self.quantile(share);
        [
            ("p50", quantile(0.5)),
            ("p90", quantile(0.9)),
            ("p99", quantile(0.99)),
            ("p99.9", quantile(0.999)),
            ("max", self.max),
        ]
    }
}

fn bucket(value: u64) -> usize {
    let shift = (u64::BITS - value.leading_zeros()).saturating_sub(STEPS.ilog2() + 1);
    // Below 2·STEPS each value is its own bucket; above, `value >> shift` is in STEPS..2·STEPS.
    (u64::from(shift) * STEPS + (value >> shift)) as usize
}

fn upper_bound(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    let shift = (bucket / STEPS).saturating_sub(1);
    let step = bucket - shift * STEPS;
    ((step + 1) << shift) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_each_value_in_a_bucket_that_is_close_to_it() {
        let mut last = 0;
        for value in (0..5000).chain((1..20).map(|power| (1 << power) * 1000 + 7)) {
            let index = bucket(value);
            assert!(index >= last || value < 5000, "{value}");
            let bound = upper_bound(index);
            assert!(
                bound >= value && bound - value <= value / STEPS,
                "{value} {bound}"
            );
            assert_eq!(bucket(bound), index, "{value}");
            last = index;
        }
    }

    #[test]
    fn finds_quantiles_of_merged_histograms() {
        let mut all = Stats::default();
        for part in [1..=50_u64, 51..=100] {
            let mut stats = Stats::default();
            for value in part {
                stats.latencies.record(Duration::from_micros(value));
            }
            all.merge(stats);
        }
        assert_eq!(
            all.latencies.summary(),
            [
                ("p50", 50),
                ("p90", 90),
                ("p99", 99),
                ("p99.9", 100),
                ("max", 100)
            ]
        );
        assert_eq!(Histogram::default().summary()[0], ("p50", 0));
    }

    #[test]
    fn counts_only_so_many_different_values() {
        let mut counts = Counts::new();
        for value in 0..VALUES + 5 {
            count(&mut counts, &value.to_string());
        }
        count(&mut counts, "0");
        assert_eq!(
            (counts["0"], counts[OTHERS], counts.len()),
            (2, 5, VALUES + 1)
        );
    }

    #[test]
    fn reports_to_people_and_to_programs() {
        let mut stats = Stats {
            answered: 3,
            failed: 1,
            ..Stats::default()
        };
        count(&mut stats.statuses, "200");
        count(&mut stats.bodies, "hello tomcat");
        let text = stats.text(Duration::from_secs(2));
        assert!(
            text.starts_with("4 requests in 2.00 s (2.0/s), 1 failed"),
            "{text}"
        );
        assert!(
            text.contains("        1  25.0 %  body hello tomcat\n"),
            "{text}"
        );
        let json = stats.json(Duration::from_secs(2));
        assert_eq!(
            (&json["requests"], &json["failed"], &json["status"]["200"]),
            (&json!(4), &json!(1), &json!(1))
        );
    }
}
