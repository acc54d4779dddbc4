//! How long requests took.

use std::time::Duration;

/// Latencies in order.
pub(crate) struct Latencies(Vec<Duration>);

impl Latencies {
    /// Sorts them.
    pub fn of(mut latencies: Vec<Duration>) -> Self {
        latencies.sort_unstable();
        Self(latencies)
    }

    /// The latency, in milliseconds, that this part of the requests does not exceed.
    pub fn at(&self, quantile: f64) -> f64 {
        // A count of requests is exact in both types.
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss
        )]
        let index = (self.0.len() as f64 * quantile).ceil() as usize;
        let latency = self.0.get(index.saturating_sub(1));
        latency.map_or(0.0, |latency| latency.as_secs_f64() * 1e3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_latencies_that_occurred() {
        let latencies = Latencies::of((1..=100).rev().map(Duration::from_millis).collect());
        let ms = [0.5, 0.99, 0.999, 1.0].map(|quantile| latencies.at(quantile));
        assert_eq!(ms, [50.0, 99.0, 100.0, 100.0]);
        assert_eq!(Latencies::of(Vec::new()).at(0.5), 0.0);
    }
}
