//! The measurement of a discovery service.

use std::{fmt::Write as _, time::Duration};

use tokio::time::{Instant, sleep};

use crate::{
    change::{Kind, Outcome},
    cluster::Cluster,
    connect,
    fleet::Word,
    process::{self, Memory},
    statuses,
    summary::{kib, mib, millis},
};

/// What is measured.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Services in the mesh, as `setup` has made them.
    #[arg(long)]
    services: usize,
    /// Simulated proxies: the first pods' ones.
    #[arg(long, default_value_t = 200)]
    proxies: usize,
    /// Where discovery serves ADS over TLS.
    #[arg(long)]
    address: String,
    /// Discovery's process.
    #[arg(long)]
    process: u32,
    /// How many endpoints are changed, and then how many rules.
    #[arg(long, default_value_t = 100)]
    changes: usize,
    /// The number of the first of them. What was changed in the same API server before has lower ones: the same change
    /// again would change nothing.
    #[arg(long, default_value_t = 0)]
    first_change: usize,
    /// For how many seconds nothing is done, to see what that costs.
    #[arg(long, default_value_t = 30.0)]
    idle: f64,
}

/// Connects the proxies, waits, changes things, and returns the rows.
pub(crate) async fn run(cluster: &Cluster, args: &Args) -> anyhow::Result<String> {
    anyhow::ensure!(
        args.proxies <= args.services * 2,
        "there are fewer pods than proxies"
    );
    let alone = Memory::of(args.process)?;
    let sizes = (args.proxies, args.services);
    let (fleet, mut words) = connect::connect(cluster, &args.address, sizes).await?;
    let start = Instant::now();
    connect::complete(&mut words, args.proxies).await?;
    let sync = start.elapsed();
    fleet.quiet().await;
    let first = fleet.totals();
    eprintln!("{} resources came in {sync:?}", first.resources);

    statuses::written(cluster).await?;
    sleep(Duration::from_secs(5)).await;
    let before = process::processor_time(args.process)?;
    sleep(Duration::from_secs_f64(args.idle)).await;
    let idle = process::processor_time(args.process)?.saturating_sub(before);
    let synced = Memory::of(args.process)?;

    let mut rows = String::new();
    for kind in [Kind::Endpoint, Kind::Rule] {
        let mut outcomes = Vec::new();
        for number in 0..args.changes {
            let numbers = (args.first_change + number, args.proxies);
            outcomes.push(kind.make(cluster, &fleet, numbers).await?);
        }
        writeln!(rows, "{}", row(args, kind, &outcomes))?;
    }
    let last = Memory::of(args.process)?;
    let proxies = args.proxies as f64;
    let percent = 100.0 * idle.as_secs_f64() / args.idle;
    let process = format!(
        "| {} | {:.1} | {:.2} | {:.2} | {:.1} | {:.1} | {:.1} | {percent:.2} |",
        args.services,
        alone.resident,
        sync.as_secs_f64(),
        mib(first.bytes as f64 / proxies),
        synced.resident,
        last.resident,
        last.peak,
    );
    if let Ok(Word::Failed(reason)) = words.try_recv() {
        anyhow::bail!("a proxy's stream has ended meanwhile: {reason}");
    }
    Ok(format!("{process}\n{rows}"))
}

fn row(args: &Args, kind: Kind, outcomes: &[Outcome]) -> String {
    let times = |of: fn(&Outcome) -> Duration| outcomes.iter().map(of).collect::<Vec<_>>();
    let (written, first, last) = (
        times(|one| one.written),
        times(|one| one.first),
        times(|one| one.last),
    );
    let bytes: u64 = outcomes.iter().map(|one| one.bytes).sum();
    let changes = outcomes.len().max(1) as f64;
    format!(
        "| {} | {} | {:.1} | {:.1} | {:.1} | {:.1} | {:.1} | {:.1} |",
        args.services,
        kind.name(),
        millis(&written, 0.5),
        millis(&first, 0.5),
        millis(&last, 0.5),
        millis(&last, 0.99),
        millis(&last, 1.0),
        kib(bytes as f64 / changes / args.proxies as f64),
    )
}
