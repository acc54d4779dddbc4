//! HTTP/1.1, in a closed loop or an open one.

use crate::{
    load::{Load, OnFailure},
    measured::Measuring,
    requests::Asked,
    tls::{Resumption, Tls},
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    measuring: Measuring,
    #[command(flatten)]
    asked: Asked,
    /// Requests per second; without it, as many as there are answers.
    #[arg(long)]
    rate: Option<f64>,
    #[command(flatten)]
    tls: Tls,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<String> {
    let target = args.measuring.target;
    let requests = args.asked.all(target.port());
    let count = args.measuring.connections;
    let to = args.tls.target(target, Resumption::Off)?;
    let mut load = Load::connect(to, count, &requests, args.rate, OnFailure::End)?;
    args.measuring.run(|length| {
        load.begin();
        let mut done = load.run(length)?;
        done.latencies.extend(load.ages());
        Ok(done)
    })
}
