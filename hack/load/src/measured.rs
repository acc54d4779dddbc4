//! A measurement: its window, and the line that is printed.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use crate::{
    latencies::Latencies,
    machine::{Memory, Usage},
};

/// Who is measured, and for how long.
#[derive(Debug, clap::Args)]
pub(crate) struct Measuring {
    /// Where to connect to.
    pub target: SocketAddr,
    /// Connections, which are opened before the measurement.
    #[arg(long, default_value_t = 32)]
    pub connections: usize,
    /// How long to measure.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// How long to send requests before that.
    #[arg(long, default_value_t = 1.0)]
    warm_up: f64,
    /// The process under test; those of several are added up.
    #[arg(long)]
    process: Vec<u32>,
    /// Other processes that take part: what else the processors do is foreign.
    #[arg(long)]
    helper: Vec<u32>,
}

/// What was done in some time.
#[derive(Debug, Default)]
pub(crate) struct Done {
    /// Requests that were answered, or MiB.
    pub amount: f64,
    /// In an open loop also the age of what was due and not answered.
    pub latencies: Vec<Duration>,
}

impl Measuring {
    /// Calls a load for the warm-up, and once more for what counts.
    pub fn run(
        &self,
        mut load: impl FnMut(Duration) -> anyhow::Result<Done>,
    ) -> anyhow::Result<String> {
        load(Duration::from_secs_f64(self.warm_up))?;
        let before = Usage::now(&self.process, &self.helper)?;
        let began = Instant::now();
        let done = load(Duration::from_secs_f64(self.seconds))?;
        let took = began.elapsed();
        let used = Usage::now(&self.process, &self.helper)?.since(&before);
        let memory = Memory::of_all(&self.process)?;
        anyhow::ensure!(done.amount > 0.0, "nothing was answered");
        Ok(line(done, took, &used, &memory))
    }
}

/// What was done per second; p50, p99, p99.9 and the maximum in ms; µs of processor time for each,
/// resident MiB of the process under test, and the anonymous part; percent of the machine's processor time
/// that others used; what was done in all.
fn line(done: Done, took: Duration, used: &Usage, memory: &Memory) -> String {
    let rate = done.amount / took.as_secs_f64();
    let cost = used.process.as_secs_f64() * 1e6 / done.amount;
    let latencies = Latencies::of(done.latencies);
    let [p50, p99, p999, max] = [0.5, 0.99, 0.999, 1.0].map(|quantile| latencies.at(quantile));
    let Memory {
        resident,
        anonymous,
    } = memory;
    let (foreign, amount) = (used.foreign_percent(), done.amount);
    format!(
        "{rate:.0} {p50:.3} {p99:.3} {p999:.3} {max:.3} {cost:.2} {resident:.1} {anonymous:.1} {foreign:.2} {amount:.0}"
    )
}
