//! Minutes of load at a rate, while whoever started it changes what the proxy is told: no request may fail, and the
//! proxy may not grow.

mod plot;
mod sample;
mod verdict;

use std::{
    fs,
    io::Write as _,
    net::SocketAddr,
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::Context as _;

use self::sample::Sample;
use crate::{
    latencies::Latencies,
    load::{Load, OnFailure},
    machine::{Memory, Usage, descriptors},
    measured::Done,
    requests::Asked,
};

const SECOND: Duration = Duration::from_secs(1);
/// A request that has no response by then has lost it. The servers answer at once.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where to connect to.
    target: SocketAddr,
    #[command(flatten)]
    asked: Asked,
    /// Connections.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Requests per second.
    #[arg(long)]
    rate: f64,
    /// Seconds that are not in the samples. A request that fails in them counts all the same.
    #[arg(long, default_value_t = 10)]
    warm_up: u64,
    /// Seconds that are.
    #[arg(long)]
    seconds: u64,
    /// The process under test.
    #[arg(long)]
    process: u32,
    /// After the warm-up, at least so many generations of rules must come to be seen in responses.
    #[arg(long)]
    generations: usize,
    /// Where the samples are written, one a second.
    #[arg(long)]
    csv: PathBuf,
    /// Where the plot is written.
    #[arg(long)]
    svg: PathBuf,
}

/// Runs the load, and returns a table. It is an error if the proxy does not pass.
pub(crate) fn run(args: &Args) -> anyhow::Result<String> {
    let requests = args.asked.all(args.target.port());
    let rate = Some(args.rate);
    let mut load = Load::connect(
        args.target,
        args.connections,
        &requests,
        rate,
        OnFailure::Count,
    )?;
    for _ in 0..args.warm_up {
        second(&mut load)?;
    }
    // Those that are asked for have to be seen in the time that is sampled.
    load.generations.clear();
    let samples = sampled(args, &mut load)?;
    load.finish(PATIENCE)?;
    fs::write(&args.svg, plot::svg(&samples))
        .with_context(|| format!("can't write {}", args.svg.display()))?;
    let table = verdict::table(&samples, &load);
    let faults = verdict::faults(&samples, &load, args.rate, args.generations);
    anyhow::ensure!(faults.is_empty(), "{}\n\n{table}", faults.join("; "));
    Ok(table)
}

/// A second of load.
fn second(load: &mut Load) -> anyhow::Result<Done> {
    let done = load.run(SECOND)?;
    load.give_up(PATIENCE)?;
    Ok(done)
}

fn sampled(args: &Args, load: &mut Load) -> anyhow::Result<Vec<Sample>> {
    let csv = fs::File::create(&args.csv);
    let mut csv = csv.with_context(|| format!("can't write {}", args.csv.display()))?;
    writeln!(csv, "{}", Sample::TITLE)?;
    let mut samples = Vec::new();
    let usage = || Usage::now(&[args.process], &[]);
    let mut before = usage()?;
    let mut failed = load.failures.count();
    for number in 0..args.seconds {
        let began = Instant::now();
        let done = second(load)?;
        let took = began.elapsed();
        let now = usage()?;
        let used = now.since(&before);
        before = now;
        let latencies = Latencies::of(done.latencies);
        let sample = Sample {
            second: number,
            rate: done.amount / took.as_secs_f64(),
            failed: load.failures.count() - failed,
            latencies: [0.5, 0.99, 1.0].map(|quantile| latencies.at(quantile)),
            memory: Memory::of(args.process)?,
            descriptors: descriptors(args.process)?,
            cost: used.process.as_secs_f64() * 1e6 / done.amount.max(1.0),
        };
        failed = load.failures.count();
        writeln!(csv, "{sample}")?;
        samples.push(sample);
    }
    Ok(samples)
}
