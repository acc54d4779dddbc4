//! The administrator's port, with the paths and the shapes of Envoy's.

mod certs;
mod config;
mod in_turn;
mod json;
mod query;
mod stats;
mod traces;

use std::fmt::Write as _;

use axum::{
    Router,
    extract::RawQuery,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use pillion_telemetry::Memory;
use serde_json::{Value, json};

use self::{
    in_turn::InTurn,
    json::as_json,
    query::parameter,
    stats::{NoStats, Shape, Wanted, answer},
};
use super::{health, shared::Shared};
use crate::process::{args, discovery::Configuration};

const HELP: &str = "\
admin commands are:
  /certs: the workload's certificate, and the roots that it trusts
  /clusters: where traffic goes (?format=json)
  /config_dump: the configuration (?include_eds)
  /drain_listeners (POST): drain: not ready any more
  /help: this
  /listeners: where traffic comes from (?format=json)
  /logging (POST): what is logged; ?level=off|error|warning|info|debug|trace changes it
  /memory: memory in use
  /quitquitquit (POST): end
  /ready: whether the proxy is live
  /server_info: version, state and uptime
  /stats: metrics as `name: value` (?filter=REGEX, ?usedonly, ?format=json, ?format=prometheus)
  /stats/prometheus: metrics for Prometheus (?filter=REGEX, ?usedonly)
  /tracing: whether the application passes traces on
";

pub(super) fn routes(shared: &Shared) -> Router {
    let with = || shared.clone();
    let (stats_of, prometheus_of, info_of, ready_of, log_of) =
        (with(), with(), with(), with(), with());
    let (dump_of, clusters_of, listeners_of, traces_of) = (with(), with(), with(), with());
    let certs_of = with();
    let in_turn = InTurn::default();
    let (stats_turn, prometheus_turn) = (in_turn.clone(), in_turn.clone());
    Router::new()
        .route("/", get(HELP))
        .route("/help", get(HELP))
        .route(
            "/stats",
            get(async move |RawQuery(query)| {
                let wanted = Wanted::parse(query.as_deref());
                stats(&stats_of, wanted, &stats_turn).await
            }),
        )
        .route(
            "/stats/prometheus",
            get(async move |RawQuery(query)| {
                let wanted = Wanted::parse(query.as_deref());
                let wanted = wanted.map(|wanted| wanted.in_shape(Shape::Prometheus));
                stats(&prometheus_of, wanted, &prometheus_turn).await
            }),
        )
        .route("/server_info", get(async move || as_json(&info(&info_of))))
        .route("/ready", get(async move || ready(&ready_of)))
        .route("/memory", get(async || as_json(&memory())))
        .route(
            "/logging",
            post(async move |RawQuery(query)| logging(&log_of, query.as_deref())),
        )
        .route(
            "/config_dump",
            get(async move |RawQuery(query)| {
                config::dump(&dump_of.configuration, &in_turn, query.as_deref()).await
            }),
        )
        .route(
            "/certs",
            get(async move || as_json(&certs::shown(&certs_of.configuration))),
        )
        .route(
            "/clusters",
            get(async move |RawQuery(query)| {
                let (json, text) = (config::clusters, config::clusters_text);
                either(&clusters_of, query.as_deref(), json, text)
            }),
        )
        .route(
            "/listeners",
            get(async move |RawQuery(query)| {
                let (json, text) = (config::listeners, config::listeners_text);
                either(&listeners_of, query.as_deref(), json, text)
            }),
        )
        .route(
            "/tracing",
            get(async move || as_json(&traces::seen(&traces_of.chains))),
        )
        .merge(health::orders(&shared.orders(), "/drain_listeners"))
        .fallback(async || (StatusCode::NOT_FOUND, format!("invalid path. {HELP}")))
}

/// JSON if that is asked for, otherwise text.
fn either(
    shared: &Shared,
    query: Option<&str>,
    json: fn(&Configuration) -> Value,
    text: fn(&Configuration) -> String,
) -> Response {
    if parameter(query, "format") == Some("json") {
        as_json(&json(&shared.configuration))
    } else {
        text(&shared.configuration).into_response()
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

/// The metrics. Filters may take their time.
async fn stats(shared: &Shared, wanted: Result<Wanted, NoStats>, in_turn: &InTurn) -> Response {
    let wanted = match wanted {
        Ok(wanted) => wanted,
        Err(bad) => return bad.into_response(),
    };
    let own = shared.metrics.encode();
    let live = u8::from(state(shared) == "LIVE");
    let uptime = shared.started.elapsed().as_secs();
    let server = [
        ("server.concurrency", shared.concurrency.to_string()),
        ("server.live", live.to_string()),
        ("server.uptime", uptime.to_string()),
    ];
    if !wanted.is_filtered() {
        return answer(own, &server, &wanted).unwrap_or_else(IntoResponse::into_response);
    }
    match in_turn.run(move || answer(own, &server, &wanted)).await {
        Ok(answered) => answered.unwrap_or_else(IntoResponse::into_response),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
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
    fn lists_loggers_with_their_levels() {
        let text = active_loggers("h2=error,info");
        assert_eq!(text, "active loggers:\n  h2: error\n  all: info\n");
    }

    #[test]
    fn help_names_every_path_once() {
        for path in [
            "/certs",
            "/clusters",
            "/config_dump",
            "/logging",
            "/memory",
            "/ready",
        ] {
            assert_eq!(HELP.matches(path).count(), 1, "{path}");
        }
    }
}
