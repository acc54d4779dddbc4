//! What is known of one second.

use std::fmt;

use crate::machine::Memory;

/// One second.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    /// After the warm-up.
    pub second: u64,
    /// Requests that were answered, per second.
    pub rate: f64,
    /// Requests that failed.
    pub failed: usize,
    /// p50, p99 and the maximum in ms.
    pub latencies: [f64; 3],
    pub memory: Memory,
    pub descriptors: usize,
    /// µs of processor time for each request.
    pub cost: f64,
}

impl Sample {
    /// The line above all samples.
    pub const TITLE: &str = "second,requests,failed,p50 ms,p99 ms,max ms,resident MiB,anonymous MiB,descriptors,µs/request";
}

impl fmt::Display for Sample {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            second,
            rate,
            failed,
            latencies: [p50, p99, max],
            memory,
            descriptors,
            cost,
        } = self;
        let (resident, anonymous) = (memory.resident, memory.anonymous);
        write!(
            formatter,
            "{second},{rate:.0},{failed},{p50:.3},{p99:.3},{max:.3},{resident:.2},{anonymous:.2},{descriptors},{cost:.2}"
        )
    }
}

/// The value in the middle.
pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
pub(crate) fn test(second: u64, resident: f64, descriptors: usize) -> Sample {
    Sample {
        second,
        rate: 1000.0,
        failed: 0,
        latencies: [0.2, 1.0, 3.0],
        memory: Memory {
            resident,
            anonymous: resident - 8.0,
        },
        descriptors,
        cost: 20.0,
    }
}
