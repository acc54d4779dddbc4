//! Proxies that all start at once, as after an outage of power: none has a certificate.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use crate::{
    certificate::Asker,
    cluster::Cluster,
    identity,
    names::Pod,
    process::{self, Memory},
    summary::millis,
};

/// How long all of them may take.
const PATIENCE: Duration = Duration::from_secs(300);
/// How long a proxy waits after its first failure, and at most.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(30));

/// What is measured.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Proxies: those of the first pods that `setup` has made, two of each Service.
    #[arg(long, default_value_t = 2000)]
    proxies: usize,
    /// Where discovery serves over TLS.
    #[arg(long)]
    address: SocketAddr,
    /// Discovery's process.
    #[arg(long)]
    process: u32,
}

/// What became of one proxy.
#[derive(Debug)]
struct Outcome {
    /// From the start of all of them.
    took: Duration,
    /// Why earlier tries had failed.
    failures: Vec<String>,
}

/// Has all proxies ask, and returns the row.
pub(crate) async fn run(cluster: &Cluster, args: &Args) -> anyhow::Result<String> {
    let askers = askers(cluster, args).await?;
    let before = Memory::of(args.process)?;
    let time = process::processor_time(args.process)?;
    let start = Instant::now();
    let mut proxies = JoinSet::new();
    for asker in askers {
        proxies.spawn(certified(asker, start));
    }
    let all = timeout(PATIENCE, proxies.join_all()).await;
    let outcomes = all.context("not all proxies have a certificate in time")?;
    let last = start.elapsed();
    let time = process::processor_time(args.process)?.saturating_sub(time);
    let after = Memory::of(args.process)?;
    tell(&outcomes);
    let took: Vec<_> = outcomes.iter().map(|one| one.took).collect();
    let failures: usize = outcomes.iter().map(|one| one.failures.len()).sum();
    let seconds = |quantile| millis(&took, quantile) / 1000.0;
    Ok(format!(
        "| {} | {:.2} | {:.2} | {:.2} | {failures} | {:.2} | {:.1} | {:.1} |\n",
        args.proxies,
        seconds(0.5),
        seconds(0.99),
        last.as_secs_f64(),
        time.as_secs_f64() * 1000.0 / outcomes.len().max(1) as f64,
        before.resident,
        after.peak,
    ))
}

/// The proxies, which have their tokens and know whom to trust.
async fn askers(cluster: &Cluster, args: &Args) -> anyhow::Result<Vec<Asker>> {
    let root = identity::root(cluster, Pod::nth(0)).await?;
    let tls = Arc::new(pillion_certs::client_config(&root, &[b"h2"])?);
    let tokens = (0..args.proxies).map(|number| identity::token(cluster, Pod::nth(number)));
    let tokens: Vec<_> = stream::iter(tokens).buffered(16).try_collect().await?;
    let asker = |(number, token)| {
        Ok(Asker {
            address: args.address,
            tls: Arc::clone(&tls),
            from: (address(number)?, 0).into(),
            token,
        })
    };
    tokens.into_iter().enumerate().map(asker).collect()
}

/// The address of a proxy's pod: discovery shares itself out among addresses.
fn address(number: usize) -> anyhow::Result<Ipv4Addr> {
    let [high, low] = u16::try_from(number)?.to_be_bytes();
    Ok(Ipv4Addr::new(127, 1, high, low))
}

/// Asks until there is a certificate, as a proxy does.
async fn certified(asker: Asker, start: Instant) -> Outcome {
    let mut failures = Vec::new();
    let (mut pause, longest) = BACKOFF;
    loop {
        match asker.ask().await {
            Ok(()) => {
                return Outcome {
                    took: start.elapsed(),
                    failures,
                };
            }
            Err(error) => failures.push(format!("{error:#}")),
        }
        sleep(pause.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
        pause = (pause * 2).min(longest);
    }
}

/// Tells why tries have failed, the most frequent reasons first.
fn tell(outcomes: &[Outcome]) {
    let mut reasons = BTreeMap::<&str, usize>::new();
    for failure in outcomes.iter().flat_map(|one| &one.failures) {
        *reasons.entry(failure).or_default() += 1;
    }
    let mut reasons: Vec<_> = reasons.into_iter().collect();
    reasons.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    for (reason, count) in reasons.into_iter().take(5) {
        eprintln!("{count} × {reason}");
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_proxy_has_an_address_of_its_own() {
        let addresses = (0..2_000).map(|number| address(number).unwrap());
        assert_eq!(addresses.collect::<HashSet<_>>().len(), 2_000);
        assert!(address(70_000).is_err());
    }
}
