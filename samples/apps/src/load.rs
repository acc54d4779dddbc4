//! Sends many requests and counts their answers: how a route is divided, and whether
//! anything fails while a deployment changes.

use crate::{
    client::{ClientError, Connection, Protocol, Target},
    curl::parse_header,
    http::whole,
    seconds::seconds,
    server::terminated,
    stats::{Stats, count},
};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::{
    HeaderMap, Method,
    header::{HeaderName, HeaderValue},
};
use std::{
    io::{self, Write},
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{task::JoinSet, time::Instant};

/// What is sent, and what is counted.
#[derive(clap::Args)]
pub struct Args {
    url: String,
    /// How many requests; with --duration, without a limit unless it is said
    #[arg(short = 'n', long)]
    requests: Option<u64>,
    /// For how long, in seconds
    #[arg(short = 'd', long, value_parser = seconds)]
    duration: Option<Duration>,
    /// How many requests run at the same time, each over a connection of its own
    #[arg(short, long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    concurrency: u32,
    /// Requests per second, sent by the clock; latency counts from when each was due
    #[arg(short, long, value_parser = rate)]
    rate: Option<f64>,
    #[arg(short = 'X', long, default_value = "GET")]
    method: Method,
    #[arg(short = 'H', long = "header", value_parser = parse_header)]
    headers: Vec<(HeaderName, HeaderValue)>,
    #[arg(long, default_value = "")]
    body: String,
    /// HTTP/2 with prior knowledge
    #[arg(long)]
    http2: bool,
    /// A new connection for each request
    #[arg(long)]
    no_keep_alive: bool,
    /// How long one request may take, in seconds
    #[arg(long, default_value = "30", value_parser = seconds)]
    timeout: Duration,
    /// Count the answers by the beginning of their bodies
    #[arg(long)]
    by_body: bool,
    /// Count the answers by this header
    #[arg(long)]
    by_header: Vec<HeaderName>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// How much of a body is a value to count by.
const BODY_VALUE: usize = 80;

fn rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if (0.001..=1e6).contains(&rate) => Ok(rate),
        _ => Err("a rate has 0.001 to 1000000 requests per second".to_owned()),
    }
}

/// What the workers share.
struct Plan {
    args: Args,
    target: Target,
    headers: HeaderMap,
    start: Instant,
    limit: u64,
    end: Option<Instant>,
    next: AtomicU64,
    stopped: AtomicBool,
}

/// Runs until the number or the time is over, or SIGTERM. It fails if a request got no answer.
pub async fn run(args: Args) -> ExitCode {
    let target = match Target::parse(&args.url) {
        Ok(target) => target,
        Err(error) => {
            eprintln!("load: {error}");
            return ExitCode::FAILURE;
        }
    };
    let start = Instant::now();
    let plan = Arc::new(Plan {
        headers: args.headers.iter().cloned().collect(),
        limit: args
            .requests
            .unwrap_or(if args.duration.is_some() { u64::MAX } else { 1 }),
        end: args
            .duration
            .and_then(|duration| start.checked_add(duration)),
        start,
        target,
        args,
        next: AtomicU64::new(0),
        stopped: AtomicBool::new(false),
    });
    let mut workers: JoinSet<Stats> = (0..plan.args.concurrency)
        .map(|_| worker(plan.clone()))
        .collect();
    let mut all = Stats::default();
    let mut stop = std::pin::pin!(terminated());
    loop {
        tokio::select! {
            joined = workers.join_next() => match joined {
                Some(Ok(stats)) => all.merge(stats),
                Some(Err(error)) => eprintln!("load: a worker ended early: {error}"),
                None => break,
            },
            _ = &mut stop, if !plan.stopped.load(Ordering::Relaxed) => plan.stopped.store(true, Ordering::Relaxed),
        }
    }
    let elapsed = start.elapsed();
    let report = match plan.args.json {
        true => format!("{}\n", all.json(elapsed)),
        false => all.text(elapsed),
    };
    if let Err(error) = io::stdout().write_all(report.as_bytes()) {
        eprintln!("load: can't write to standard output: {error}");
        return ExitCode::FAILURE;
    }
    if all.failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

impl Plan {
    /// When the next request is due; none if there is no further one.
    fn next(&self) -> Option<Instant> {
        let index = self.next.fetch_add(1, Ordering::Relaxed);
        if index >= self.limit || self.stopped.load(Ordering::Relaxed) {
            return None;
        }
        let due = match self.args.rate {
            Some(rate) => self
                .start
                .checked_add(Duration::try_from_secs_f64(index as f64 / rate).ok()?)?,
            None => Instant::now(),
        };
        self.end.is_none_or(|end| due < end).then_some(due)
    }

    fn protocol(&self) -> Protocol {
        if self.args.http2 {
            Protocol::Http2
        } else {
            Protocol::Http11
        }
    }
}

async fn worker(plan: Arc<Plan>) -> Stats {
    let mut stats = Stats::default();
    let mut connection = None;
    while let Some(due) = plan.next() {
        tokio::time::sleep_until(due).await;
        if plan.stopped.load(Ordering::Relaxed) {
            break;
        }
        let limit = plan.args.timeout;
        let asked = tokio::time::timeout(limit, ask(&plan, &mut connection, &mut stats)).await;
        match asked.unwrap_or(Err(ClientError::Timeout(limit))) {
            Ok(()) => {
                stats.answered += 1;
                stats.latencies.record(due.elapsed());
            }
            Err(error) => {
                connection = None;
                stats.failed += 1;
                count(&mut stats.errors, &error.to_string());
            }
        }
        if plan.args.no_keep_alive {
            connection = None;
        }
    }
    stats
}

/// One request with its whole answer.
async fn ask(
    plan: &Plan,
    kept: &mut Option<Connection>,
    stats: &mut Stats,
) -> Result<(), ClientError> {
    // Taken, for what is left of a request that failed must not be used.
    let kept_open = match kept.take() {
        Some(mut connection) => connection.ready().await.then_some(connection),
        None => None,
    };
    let mut connection = match kept_open {
        Some(connection) => connection,
        None => Connection::open(&plan.target, plan.protocol()).await?,
    };
    let body = whole(Bytes::from(plan.args.body.clone()));
    let response = connection
        .send(&plan.target, plan.args.method.clone(), &plan.headers, body)
        .await?;
    let (head, mut body) = response.into_parts();
    let mut beginning = Vec::new();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            stats.bytes += data.len() as u64;
            let missing = BODY_VALUE.saturating_sub(beginning.len()).min(data.len());
            beginning.extend_from_slice(data.get(..missing).unwrap_or_default());
        }
    }
    count(&mut stats.statuses, head.status.as_str());
    if plan.args.by_body {
        count(
            &mut stats.bodies,
            String::from_utf8_lossy(&beginning).trim(),
        );
    }
    for name in &plan.args.by_header {
        let value = head
            .headers
            .get(name)
            .map(|value| String::from_utf8_lossy(value.as_bytes()));
        count(
            stats.headers.entry(name.to_string()).or_default(),
            value.as_deref().unwrap_or("(none)"),
        );
    }
    *kept = Some(connection);
    Ok(())
}
