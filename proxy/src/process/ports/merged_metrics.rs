//! The proxy's metrics and the application's in one answer; beside an Envoy, the agent's, Envoy's, and the
//! application's.

use std::{
    net::{Ipv4Addr, Ipv6Addr},
    sync::Arc,
    time::Duration,
};

use axum::{
    Router,
    extract::Extension,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, uri::PathAndQuery},
    response::{IntoResponse, Response},
    routing::get,
};
use pillion_serve::Peer;
use pillion_telemetry::{Rates, Throttle};
use tokio::{
    sync::Semaphore,
    task::{JoinSet, spawn_blocking},
    time::{Instant, timeout_at},
};

use super::{
    client::{Client, ClientError},
    redirect::Target,
    request::{Answer, RequestError},
    unread::{Unread, refusal},
};
use crate::{
    exposition::{CONTENT_TYPE, Format, OPENMETRICS, Source, Unreadable, merge},
    metrics::Metrics,
    process::{app_probes::Scheme, port_numbers, scrape::ScrapeTarget},
};

/// Where Envoy shows its metrics, on the administrator's port.
const ENVOY: &str = "/stats/prometheus";
/// The prefixes of an agent's own metrics. All others are about traffic, which Envoy carries.
const AGENT: [&str; 4] = [
    "istio_agent_",
    "pillion_certificate_",
    "pillion_own_ports_",
    "process_",
];

/// Bytes of all targets' answers to one scrape, of which each target has its part …
const MAX_BYTES: usize = 16 * 1024 * 1024;
/// … and this at least.
const MIN_BYTES: usize = 1024 * 1024;
/// Scrapes that are worked on; others wait.
const MAX_SCRAPES: usize = 2;
/// Where the scraper doesn't say how long it waits: Prometheus' default.
const DEFAULT_TIMEOUT: f64 = 10.0;
/// A target has this part of the scraper's timeout, so that the proxy's own metrics arrive
/// also when the application's don't.
const PART: f64 = 0.9;
const TIMEOUT: HeaderName = HeaderName::from_static("x-prometheus-scrape-timeout-seconds");
/// Our own exposition is OpenMetrics; what applications show has to fit to it, and to each other.
const ACCEPT: HeaderValue = HeaderValue::from_static("text/plain;version=0.0.4,*/*;q=0.1");

/// Lines about applications that can't be scraped: whoever scrapes causes them.
const WARNINGS: Rates = Rates {
    each: 1,
    first: 1,
    more: 0,
};

/// Why a target's metrics are missing.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("no answer in time")]
    Timeout,
    #[error("the answer is {0}")]
    Status(StatusCode),
    #[error("the answer has more than {0} bytes")]
    TooLarge(usize),
    #[error("the answer is not UTF-8")]
    Utf8,
    #[error("the answer is not an exposition: {0}")]
    Unreadable(#[from] Unreadable),
}

/// What a scrape needs.
#[derive(Clone)]
pub(super) struct Scraper(Arc<Shared>);

struct Shared {
    metrics: Arc<Metrics>,
    /// Envoy's first, if there is one.
    targets: Vec<ScrapeTarget>,
    is_beside_envoy: bool,
    turns: Semaphore,
    unread: Unread,
    warnings: Throttle,
}

impl Scraper {
    pub fn new(metrics: &Arc<Metrics>, targets: Vec<ScrapeTarget>) -> Self {
        Self::with(metrics, targets, false)
    }

    /// The same for an agent, whose Envoy is scraped, too.
    pub fn beside_envoy(metrics: &Arc<Metrics>, mut targets: Vec<ScrapeTarget>) -> Self {
        let envoy = ScrapeTarget {
            port: port_numbers::ADMIN,
            path: PathAndQuery::from_static(ENVOY),
        };
        targets.insert(0, envoy);
        Self::with(metrics, targets, true)
    }

    fn with(metrics: &Arc<Metrics>, targets: Vec<ScrapeTarget>, is_beside_envoy: bool) -> Self {
        Self(Arc::new(Shared {
            metrics: Arc::clone(metrics),
            targets,
            is_beside_envoy,
            turns: Semaphore::new(MAX_SCRAPES),
            unread: Unread::new(),
            warnings: Throttle::new(WARNINGS),
        }))
    }

    /// `/stats/prometheus`, and `/metrics` as most scrapers expect it.
    pub fn routes(&self) -> Router {
        let scrape = || {
            let this = Arc::clone(&self.0);
            get(async move |peer: Extension<Peer>, headers: HeaderMap| {
                this.answer(&peer, &headers).await
            })
        };
        Router::new()
            .route("/stats/prometheus", scrape())
            .route("/metrics", scrape())
    }
}

impl Shared {
    async fn answer(&self, peer: &Peer, headers: &HeaderMap) -> Response {
        self.metrics.scraped();
        let deadline = Instant::now() + time(headers);
        let Ok(Ok(_turn)) = timeout_at(deadline, self.turns.acquire()).await else {
            let text = "too many scrapes at a time\n";
            return (StatusCode::SERVICE_UNAVAILABLE, text).into_response();
        };
        let Some(room) = self.unread.room(peer) else {
            return refusal();
        };
        let scraper = peer.address().ip();
        let mut sources = Vec::new();
        for (port, source) in self.applications(headers, deadline).await {
            match source {
                Ok(source) => sources.push(source),
                Err(failure) => {
                    self.metrics.scrape_failed();
                    if self.warnings.pass(scraper).is_some() {
                        let whose = if self.is_beside_envoy && port == port_numbers::ADMIN {
                            "Envoy's"
                        } else {
                            "the application's"
                        };
                        tracing::warn!(port, %failure, "{whose} metrics are left out of a scrape");
                    }
                }
            }
        }
        // After the failures, so that they are in it.
        let own = self.metrics.encode();
        let is_beside_envoy = self.is_beside_envoy;
        let merge = move || merge(with_own(&own, is_beside_envoy, sources));
        let merged = spawn_blocking(merge).await;
        match merged {
            Ok(text) => self.unread.response(CONTENT_TYPE, text, room, peer),
            Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        }
    }

    /// Each target's metrics, in the order of the targets.
    async fn applications(
        &self,
        headers: &HeaderMap,
        deadline: Instant,
    ) -> Vec<(u16, Result<Source, Failure>)> {
        let limit = (MAX_BYTES / self.targets.len().max(1)).max(MIN_BYTES);
        let mut scrapes = JoinSet::new();
        for (number, target) in self.targets.iter().cloned().enumerate() {
            let port = target.port;
            let headers = passed_on(headers, port);
            scrapes.spawn(async move {
                let scraped = timeout_at(deadline, scrape(target, headers, limit)).await;
                (number, port, scraped.unwrap_or(Err(Failure::Timeout)))
            });
        }
        let mut scraped = scrapes.join_all().await;
        scraped.sort_by_key(|(number, ..)| *number);
        let scraped = scraped.into_iter();
        scraped.map(|(_, port, source)| (port, source)).collect()
    }
}

/// Ours come first: of a series that both have, the proxy's counts.
fn with_own(own: &str, is_beside_envoy: bool, applications: Vec<Source>) -> Vec<Source> {
    let mut sources = Vec::with_capacity(applications.len() + 1);
    match Source::parse(own, Format::OpenMetrics) {
        Ok(mut own) => {
            if is_beside_envoy {
                own.retain(|_, series, _| AGENT.iter().any(|start| series.starts_with(start)));
            }
            // Every application has these, too. Istio's agent calls its own so.
            own.prefix("istio_agent_", "process_");
            sources.push(own);
        }
        Err(error) => tracing::error!(%error, "the proxy's own metrics are left out of a scrape"),
    }
    sources.extend(applications);
    sources
}

/// How long targets have.
fn time(headers: &HeaderMap) -> Duration {
    let seconds = headers.get(TIMEOUT).and_then(|value| value.to_str().ok());
    let seconds = seconds.and_then(|text| text.parse::<f64>().ok());
    let seconds = seconds.filter(|seconds| (0.1..=120.0).contains(seconds));
    Duration::from_secs_f64(seconds.unwrap_or(DEFAULT_TIMEOUT) * PART)
}

fn passed_on(from: &HeaderMap, port: u16) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for name in [header::USER_AGENT, TIMEOUT] {
        if let Some(value) = from.get(&name) {
            headers.insert(name, value.clone());
        }
    }
    headers.insert(header::ACCEPT, ACCEPT);
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    if let Ok(host) = HeaderValue::try_from(format!("localhost:{port}")) {
        headers.insert(header::HOST, host);
    }
    headers
}

async fn scrape(target: ScrapeTarget, headers: HeaderMap, limit: usize) -> Result<Source, Failure> {
    let answer = ask_localhost(target, headers, limit).await?;
    if answer.head.status != StatusCode::OK {
        return Err(Failure::Status(answer.head.status));
    }
    if !answer.is_whole {
        return Err(Failure::TooLarge(limit));
    }
    let content_type = answer.head.headers.get(header::CONTENT_TYPE);
    let is_open = content_type.is_some_and(|it| it.as_bytes().starts_with(OPENMETRICS.as_bytes()));
    let format = if is_open {
        Format::OpenMetrics
    } else {
        Format::Text
    };
    let text = String::from_utf8(answer.body).map_err(|_| Failure::Utf8)?;
    match spawn_blocking(move || Source::parse(&text, format)).await {
        Ok(source) => Ok(source?),
        Err(_) => Err(Failure::Timeout),
    }
}

/// By IPv4, or by IPv6 if nobody listens there.
async fn ask_localhost(
    target: ScrapeTarget,
    headers: HeaderMap,
    limit: usize,
) -> Result<Answer, ClientError> {
    let target = Target {
        scheme: Scheme::Http,
        port: target.port,
        path: target.path,
    };
    let mut client = Client {
        address: Ipv4Addr::LOCALHOST.into(),
        from: None,
        tls: None,
        within: Duration::from_secs(10),
    };
    let first = client.get(target.clone(), headers.clone(), limit).await;
    if !matches!(
        first,
        Err(ClientError::Request(RequestError::Connect { .. }))
    ) {
        return first;
    }
    client.address = Ipv6Addr::LOCALHOST.into();
    match client.get(target, headers, limit).await {
        // The first address is the one to look at.
        Err(ClientError::Request(RequestError::Connect { .. })) => first,
        second => second,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::{Records, Workload};

    #[test]
    fn leaves_the_scraper_time_for_the_proxy_s_own_metrics() {
        for (sent, expected) in [
            (None, 9000),
            (Some("5"), 4500),
            (Some("NaN"), 9000),
            (Some("-1"), 9000),
            (Some("1e9"), 9000),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(sent) = sent {
                headers.insert(TIMEOUT, HeaderValue::from_static(sent));
            }
            assert_eq!(time(&headers), Duration::from_millis(expected), "{sent:?}");
        }
    }

    #[test]
    fn the_proxy_s_own_exposition_can_be_merged() {
        let records = Arc::new(Records::new(Workload::default(), None));
        let metrics = Metrics::new(records);
        metrics.scraped();
        let application = Source::parse("process_open_fds 7\n", Format::Text).unwrap();
        let text = merge(with_own(&metrics.encode(), false, vec![application]));
        assert!(text.contains("\nistio_agent_scrapes_total 1\n"), "{text}");
        assert!(text.contains("\nistio_agent_process_open_fds "), "{text}");
        assert!(text.contains("\nprocess_open_fds 7\n"), "{text}");
        assert!(
            text.contains("# TYPE istio_agent_scrapes_total counter\n"),
            "{text}"
        );
        assert!(!text.contains("# EOF"), "{text}");
    }

    #[test]
    fn an_agent_shows_nothing_of_traffic_which_its_envoy_carries() {
        let records = Arc::new(Records::new(Workload::default(), None));
        let own = Metrics::new(records).encode();
        let envoy = Source::parse("envoy_server_live 1\n", Format::Text).unwrap();
        let text = merge(with_own(&own, true, vec![envoy]));
        for line in [
            "istio_agent_scrapes_total 0",
            "pillion_certificate_requests_total{result=\"issued\"} 0",
            "envoy_server_live 1",
        ] {
            assert!(text.lines().any(|it| it == line), "{text}");
        }
        assert!(text.contains("\nistio_agent_process_open_fds "), "{text}");
        assert!(!text.contains("pillion_connections_"), "{text}");
        assert!(!text.contains("pillion_configuration_"), "{text}");
    }
}
