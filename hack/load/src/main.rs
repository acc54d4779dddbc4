//! Sends HTTP/1.1 requests over kept connections and prints what came of it, in one line.
//!
//! Without `--rate` each connection sends its next request once it has the answer to the last
//! one (a closed loop). With `--rate` requests are due at random times that do not depend on the
//! answers (an open loop, arrivals as a Poisson process), and a response's latency counts from the
//! moment that its request was due, so that a stall counts for everyone who waits for it.
//!
//! The window of the measurement is the same for everything: requests, latencies, the
//! processor time of the process under test, and of the machine.

mod connection;
mod latencies;
mod load;
mod machine;
mod schedule;

use std::{net::SocketAddr, process::ExitCode, time::Duration};

use clap::Parser;

use self::{latencies::Latencies, load::Load};

/// A load generator for one core.
#[derive(Debug, Parser)]
struct Args {
    /// Where to connect to.
    target: SocketAddr,
    /// Connections, which are opened before the measurement.
    #[arg(long, default_value_t = 32)]
    connections: usize,
    /// Requests per second; without it, as many as there are answers.
    #[arg(long)]
    rate: Option<f64>,
    /// How long to measure.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// How long to send requests before that.
    #[arg(long, default_value_t = 1.0)]
    warm_up: f64,
    /// The process under test.
    #[arg(long)]
    process: Option<u32>,
    /// Other processes that take part: what else the processors do is foreign.
    #[arg(long)]
    helper: Vec<u32>,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Requests per second; p50, p99, p99.9 and the maximum in ms; µs of processor time per
/// request and resident MiB of the process under test; percent of the machine's processor time
/// that others used.
fn run(args: &Args) -> anyhow::Result<String> {
    let mut load = Load::connect(args.target, args.connections, args.rate)?;
    load.run(Duration::from_secs_f64(args.warm_up))?;
    let before = machine::Usage::now(args.process, &args.helper)?;
    let measured = load.run(Duration::from_secs_f64(args.seconds))?;
    let used = machine::Usage::now(args.process, &args.helper)?.since(&before);
    let resident = args.process.map_or(Ok(0.0), machine::resident_mib)?;
    anyhow::ensure!(measured.answered > 0, "nothing was answered");
    let requests = f64::from(measured.answered);
    let rate = requests / measured.took.as_secs_f64();
    let cost = used.process.as_secs_f64() * 1e6 / requests;
    let latencies = Latencies::of(measured.latencies);
    let [p50, p99, p999, max] = [0.5, 0.99, 0.999, 1.0].map(|quantile| latencies.at(quantile));
    let foreign = used.foreign_percent();
    Ok(format!(
        "{rate:.0} {p50:.3} {p99:.3} {p999:.3} {max:.3} {cost:.2} {resident:.1} {foreign:.1}"
    ))
}
