//! The administrator's port, with the paths and the shapes of Envoy's.

mod config;

use std::fmt::Write as _;

use axum::{
    Router,
    extract::RawQuery,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use pillion_serve::metrics_response;
use pillion_telemetry::Memory;
use serde_json::{Value, json};

use super::{health, shared::Shared};
use crate::{
    exposition::{Format, Source},
    sidecar::args,
};

const HELP: &str = "\
admin commands are:
  /clusters: where traffic goes (?format=json)
  /config_dump: the configuration
  /drain_listeners (POST): drain: not ready any more
  /help: this
  /listeners: where traffic comes from (?format=json)
  /logging (POST): what is logged; ?level=off|error|warning|info|debug|trace changes it
  /memory: memory in use
  /quitquitquit (POST): end
  /ready: whether the proxy is live
  /server_info: version, state and uptime
  /stats: metrics as `name: value` (?format=json, ?format=prometheus)
  /stats/prometheus: metrics for Prometheus
";

pub(super) fn routes(shared: &Shared) -> Router {
    let with = || shared.clone();
    let (stats_of, prometheus_of, info_of, ready_of, log_of) =
        (with(), with(), with(), with(), with());
    Router::new()
        .route("/", get(HELP))
        .route("/help", get(HELP))
        .route(
            "/stats",
            get(async move |RawQuery(query)| stats(&stats_of, query.as_deref())),
        )
        .route(
            "/stats/prometheus",
            get(async move || metrics_response(prometheus_of.metrics.encode())),
        )
        .route("/server_info", get(async move || as_json(&info(&info_of))))
        .route("/ready", get(async move || ready(&ready_of)))
        .route("/memory", get(async || as_json(&memory())))
        .route(
            "/logging",
            post(async move |RawQuery(query)| logging(&log_of, query.as_deref())),
        )
        .route("/config_dump", get(async || as_json(&config::dump())))
        .route(
            "/clusters",
            get(async |RawQuery(query)| {
                either(query.as_deref(), config::clusters, config::clusters_text)
            }),
        )
        .route(
            "/listeners",
            get(async |RawQuery(query)| {
                either(query.as_deref(), config::listeners, config::listeners_text)
            }),
        )
        .merge(health::orders(shared, "/drain_listeners"))
        .fallback(async || (StatusCode::NOT_FOUND, format!("invalid path. {HELP}")))
}

/// The value of a query's parameter.
fn parameter<'a>(query: Option<&'a str>, name: &str) -> Option<&'a str> {
    let mut pairs = query?.split('&');
    pairs.find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}

fn as_json(value: &Value) -> Response {
    let json = [(header::CONTENT_TYPE, "application/json")];
    (json, format!("{value:#}\n")).into_response()
}

/// JSON if that is asked for, otherwise text.
fn either(query: Option<&str>, json: fn() -> Value, text: fn() -> String) -> Response {
    if parameter(query, "format") == Some("json") {
        as_json(&json())
    } else {
        text().into_response()
    }
}

/// Envoy's names of the process's states.
fn state(shared: &Shared) -> &'static str {
    if shared.readiness.is_draining() {
        "DRAINING"
    } else if shared.readiness.missing().is_empty() {
        "LIVE"
    } else {
        "INITIALIZING"
    }
}

fn ready(shared: &Shared) -> Response {
    let state = state(shared);
    let status = match state {
        "LIVE" => StatusCode::OK,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, format!("{state}\n")).into_response()
}

fn info(shared: &Shared) -> Value {
    let uptime = format!("{}s", shared.started.elapsed().as_secs());
    json!({
        "version": concat!("pillion-proxy/", env!("CARGO_PKG_VERSION")),
        "state": state(shared),
        "uptime_current_epoch": uptime,
        "uptime_all_epochs": uptime,
        "hot_restart_version": "disabled",
        "command_line_options": {"concurrency": shared.concurrency},
    })
}

/// Envoy's fields, as strings as in protobuf's JSON: what the kernel doesn't say is left out.
fn memory() -> Value {
    match Memory::of_process() {
        Some(memory) => json!({
            "allocated": memory.anonymous.to_string(),
            "total_physical_bytes": memory.resident.to_string(),
        }),
        None => json!({}),
    }
}

fn stats(shared: &Shared, query: Option<&str>) -> Response {
    let own = shared.metrics.encode();
    let format = parameter(query, "format");
    if format == Some("prometheus") {
        return metrics_response(own);
    }
    let source = match Source::parse(&own, Format::OpenMetrics) {
        Ok(source) => source,
        Err(error) => {
            let text = format!("the proxy's metrics can't be read: {error}\n");
            return (StatusCode::INTERNAL_SERVER_ERROR, text).into_response();
        }
    };
    let live = u8::from(state(shared) == "LIVE");
    let own = [
        ("server.concurrency", shared.concurrency.to_string()),
        ("server.live", live.to_string()),
        (
            "server.uptime",
            shared.started.elapsed().as_secs().to_string(),
        ),
    ];
    let own = own.iter().map(|(name, value)| (*name, value.as_str()));
    let mut all: Vec<_> = own.chain(source.samples()).collect();
    all.sort_unstable();
    if format == Some("json") {
        let stats = all.into_iter();
        let stats: Vec<_> = stats
            .map(|(name, value)| json!({"name": name, "value": number(value.trim())}))
            .collect();
        return as_json(&json!({ "stats": stats }));
    }
    let mut text = String::new();
    for (name, value) in all {
        // A String takes every write.
        let _ = writeln!(text, "{name}: {}", value.trim());
    }
    text.into_response()
}

/// JSON has no infinity.
fn number(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| json!(text))
}

fn logging(shared: &Shared, query: Option<&str>) -> Response {
    if let Some(query) = query.filter(|query| !query.is_empty()) {
        let Some(name) = parameter(Some(query), "level") else {
            let text = "only ?level=LEVEL is supported; RUST_LOG has levels of modules\n";
            return (StatusCode::BAD_REQUEST, text).into_response();
        };
        let level = match args::level(name) {
            Ok(level) => level,
            Err(expected) => {
                let text = format!("level {expected}\n");
                return (StatusCode::BAD_REQUEST, text).into_response();
            }
        };
        if let Err(error) = shared.log.set(level) {
            return (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response();
        }
        tracing::warn!(%level, "the log's level was changed by /logging");
    }
    match shared.log.current() {
        Ok(filter) => active_loggers(&filter).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

/// A filter as Envoy lists its loggers, each with its level.
fn active_loggers(filter: &str) -> String {
    let mut text = "active loggers:\n".to_owned();
    for directive in filter.split(',') {
        let (logger, level) = directive.rsplit_once('=').unwrap_or(("all", directive));
        // A String takes every write.
        let _ = writeln!(text, "  {logger}: {level}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_parameters() {
        let query = Some("usedonly&format=json&level=a=b");
        assert_eq!(parameter(query, "format"), Some("json"));
        assert_eq!(parameter(query, "level"), Some("a=b"));
        assert_eq!(parameter(query, "usedonly"), None);
        assert_eq!(parameter(query, "form"), None);
        assert_eq!(parameter(None, "format"), None);
    }

    #[test]
    fn lists_loggers_with_their_levels() {
        let text = active_loggers("h2=error,info");
        assert_eq!(text, "active loggers:\n  h2: error\n  all: info\n");
    }

    #[test]
    fn help_names_every_path_once() {
        for path in ["/clusters", "/config_dump", "/logging", "/memory", "/ready"] {
            assert_eq!(HELP.matches(path).count(), 1, "{path}");
        }
    }
}
