//! `/stats`: which metrics are shown, and how. Its parameters are Envoy's: `filter`,
//! `usedonly` and `format`.

use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};

use axum::{
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use pillion_serve::metrics_response;
use regex::bytes::{Regex, RegexBuilder};
use serde_json::{Value, json};

use super::{json::as_json, query};
use crate::exposition::{CONTENT_TYPE, Format, Source, Unreadable, merge};

/// Bytes of a filter.
const MAX_FILTER: usize = 512;
/// Bytes of memory that a compiled filter may take; the matching's time grows with it.
const MAX_COMPILED: usize = 64 * 1024;
/// How deeply a filter's groups may be nested.
const MAX_NESTING: u32 = 20;
/// How long one request may match names. Names and filters that a client can have here
/// take a few milliseconds.
const MAX_TIME: Duration = Duration::from_secs(1);

/// How metrics are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// `name: value`.
    Text,
    Json,
    Prometheus,
}

/// What a request asks for.
#[derive(Debug)]
pub(super) struct Wanted {
    filter: Option<Regex>,
    used_only: bool,
    shape: Option<Shape>,
}

/// Why there are no metrics in the answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoStats {
    #[error(
        "/stats has no parameter {0:?} here; there are filter=REGEX, usedonly and format=text|json|prometheus"
    )]
    Parameter(String),
    #[error("format must be text, json or prometheus, not {0:?}")]
    Shape(String),
    #[error("a filter has at most {MAX_FILTER} bytes")]
    LongFilter,
    #[error("the filter is not a regular expression that can be used: {0}")]
    Filter(#[from] regex::Error),
    #[error("the filter takes too long; make it simpler")]
    Slow,
    #[error("the proxy's metrics can't be read: {0}")]
    Unreadable(#[from] Unreadable),
}

impl IntoResponse for NoStats {
    fn into_response(self) -> Response {
        let status = match self {
            Self::Slow | Self::Unreadable(_) => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::BAD_REQUEST,
        };
        (status, format!("{self}\n")).into_response()
    }
}

impl Wanted {
    /// Reads a query, in which the first of a parameter counts.
    pub fn parse(query: Option<&str>) -> Result<Self, NoStats> {
        let (mut filter, mut shape, mut used_only) = (None, None, false);
        for (name, value) in query::pairs(query) {
            match name {
                "filter" if filter.is_none() => filter = Some(self::filter(value)?),
                "format" if shape.is_none() => shape = Some(self::shape(value)?),
                "usedonly" => used_only = true,
                "filter" | "format" => {}
                other => return Err(NoStats::Parameter(other.to_owned())),
            }
        }
        Ok(Self {
            filter: filter.flatten(),
            used_only,
            shape,
        })
    }

    /// The same, in this shape.
    pub fn in_shape(mut self, shape: Shape) -> Self {
        self.shape = Some(shape);
        self
    }

    /// Whether the answer may take a while.
    pub fn is_filtered(&self) -> bool {
        self.filter.is_some()
    }

    fn takes(&self, series: &str) -> bool {
        let filter = self.filter.as_ref();
        filter.is_none_or(|filter| filter.is_match(series.as_bytes()))
    }
}

/// A regular expression that matches anywhere in a name, as Envoy's do. It can't take more
/// than linear time, and neither much memory.
fn filter(value: &str) -> Result<Option<Regex>, NoStats> {
    if value.is_empty() {
        return Ok(None);
    }
    if value.len() > MAX_FILTER {
        return Err(NoStats::LongFilter);
    }
    let value = query::decoded(value);
    let built = RegexBuilder::new(&value)
        // As RE2's, \d and \w are ASCII's.
        .unicode(false)
        .size_limit(MAX_COMPILED)
        .dfa_size_limit(MAX_COMPILED)
        .nest_limit(MAX_NESTING)
        .build();
    Ok(Some(built?))
}

fn shape(value: &str) -> Result<Shape, NoStats> {
    match value {
        "" | "text" => Ok(Shape::Text),
        "json" => Ok(Shape::Json),
        "prometheus" => Ok(Shape::Prometheus),
        other => Err(NoStats::Shape(other.to_owned())),
    }
}

/// The answer: `own` is the process's exposition as OpenMetrics, and `server` what only
/// Envoy's formats have.
pub(super) fn answer(
    own: String,
    server: &[(&'static str, String)],
    wanted: &Wanted,
) -> Result<Response, NoStats> {
    let shape = wanted.shape.unwrap_or(Shape::Text);
    let is_whole = wanted.filter.is_none() && !wanted.used_only;
    if shape == Shape::Prometheus && is_whole {
        return Ok(metrics_response(own));
    }
    let mut source = Source::parse(&own, Format::OpenMetrics)?;
    let end = Instant::now() + MAX_TIME;
    let mut is_late = false;
    source.retain(|kind, series, value| {
        is_late |= Instant::now() > end;
        !is_late && (!wanted.used_only || is_used(kind, value)) && wanted.takes(series)
    });
    if is_late {
        return Err(NoStats::Slow);
    }
    if shape == Shape::Prometheus {
        let text = [(header::CONTENT_TYPE, CONTENT_TYPE)];
        return Ok((text, merge(vec![source])).into_response());
    }
    let server = server.iter().filter(|(name, _)| wanted.takes(name));
    let server = server.map(|(name, value)| (*name, value.as_str()));
    let mut all: Vec<_> = server.chain(source.samples()).collect();
    all.sort_unstable();
    Ok(match shape {
        Shape::Json => {
            as_json(&json!({ "stats": all.into_iter().map(object).collect::<Vec<_>>() }))
        }
        _ => lines(&all).into_response(),
    })
}

/// Envoy's sense of `usedonly`. Here gauges are always set, and a histogram is there from
/// its first value on.
fn is_used(kind: Option<&str>, value: &str) -> bool {
    kind != Some("counter") || value.trim().parse() != Ok(0.0)
}

fn lines(all: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (name, value) in all {
        // A String takes every write.
        let _ = writeln!(text, "{name}: {}", value.trim());
    }
    text
}

fn object((name, value): (&str, &str)) -> Value {
    let value = value.trim();
    // JSON has no infinity.
    let value: Value = serde_json::from_str(value).unwrap_or_else(|_| json!(value));
    json!({"name": name, "value": value})
}

#[cfg(test)]
mod tests;
