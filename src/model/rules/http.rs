//! Rules for HTTP.

use std::sync::Arc;

use pillion_api::{self as api, HttpRoute, StringMatch};

use super::{conditions::Statics, headers::HeaderChanges};
use crate::model::{
    names::resolve_host,
    routes::{
        DirectResponse, PathMatch, PathRewrite, Redirect, RedirectPort, Retries, RouteMatch,
        TextMatch, ValueMatch,
    },
};

/// A rule: `spec.http[]`.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::model) struct HttpRule {
    /// Its name, which may be empty.
    pub name: String,
    /// Its `match`es, one of which must hold; none: it is for all requests.
    pub blocks: Vec<HttpBlock>,
    /// What it does.
    pub action: HttpAction,
    /// What it does to headers.
    pub headers: HeaderChanges,
}

/// One `match` of a rule.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::model) struct HttpBlock {
    /// Its name, which may be empty.
    pub name: String,
    /// The conditions on the proxy.
    pub statics: Statics,
    /// The conditions on the request.
    pub matches: RouteMatch,
}

/// What a rule does.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::model) enum HttpAction {
    /// It forwards.
    Forward {
        /// Where to. Those without weight are left out, unless there is only one.
        targets: Vec<(Target, HeaderChanges)>,
        /// The timeout; none if not given.
        timeout: Option<std::time::Duration>,
        /// Retries; `None` is never.
        retries: Option<Retries>,
        /// What `Host` becomes.
        authority: Option<Arc<str>>,
        /// What the path becomes.
        path_rewrite: Option<PathRewrite>,
    },
    /// It redirects.
    Redirect(Redirect),
    /// It answers.
    Respond(DirectResponse),
}

/// A destination with its weight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::model) struct Target {
    /// The full host.
    pub host: Arc<str>,
    /// The port, if it is given.
    pub port: Option<u16>,
    /// The subset; empty if there is none.
    pub subset: Arc<str>,
    /// The weight.
    pub weight: u32,
}

impl Target {
    /// Reads a destination of a rule in `namespace`.
    pub fn new(to: &api::Destination, weight: u32, namespace: &str, domain: &str) -> Self {
        Self {
            host: resolve_host(&to.host, namespace, domain),
            port: to.port.map(|port| port.number),
            subset: to.subset.as_deref().unwrap_or_default().into(),
            weight,
        }
    }
}

impl HttpRule {
    /// Reads a rule of an object in `namespace`.
    pub fn new(rule: &HttpRoute, namespace: &str, domain: &str) -> Self {
        let headers = HeaderChanges::new(rule.headers.as_ref());
        let blocks = rule.matches.iter().map(|block| HttpBlock {
            name: block.name.clone(),
            statics: Statics::new(
                block.port,
                &block.gateways,
                (&block.source_labels, &block.source_namespace),
                namespace,
            ),
            matches: route_match(block),
        });
        Self {
            name: rule.name.clone(),
            blocks: blocks.collect(),
            action: action(rule, &headers, namespace, domain),
            headers,
        }
    }
}

fn action(rule: &HttpRoute, headers: &HeaderChanges, namespace: &str, domain: &str) -> HttpAction {
    // Istio's order of precedence.
    if let Some(to) = &rule.redirect {
        return HttpAction::Redirect(redirect(to));
    }
    if let Some(response) = &rule.direct_response {
        return HttpAction::Respond(direct_response(response));
    }
    let single = rule.route.len() == 1;
    let routes = rule.route.iter().filter(|to| single || to.weight > 0);
    let rewrite = rule.rewrite.as_ref();
    let authority = rewrite.and_then(|rewrite| filled(rewrite.authority.as_deref()));
    HttpAction::Forward {
        targets: routes
            .map(|to| {
                let target = Target::new(&to.destination, to.weight, namespace, domain);
                (target, HeaderChanges::new(to.headers.as_ref()))
            })
            .collect(),
        timeout: rule.timeout.map(|timeout| timeout.0),
        retries: retries(rule.retries.as_ref()),
        authority: authority.or_else(|| headers.authority.clone()),
        path_rewrite: rewrite.and_then(path_rewrite),
    }
}

fn filled(text: Option<&str>) -> Option<Arc<str>> {
    text.filter(|text| !text.is_empty()).map(Arc::from)
}

fn path_rewrite(rewrite: &api::HttpRewrite) -> Option<PathRewrite> {
    if let Some(regex) = &rewrite.uri_regex_rewrite {
        return Some(PathRewrite::Regex {
            pattern: regex.pattern.as_str().into(),
            substitution: regex.rewrite.as_str().into(),
        });
    }
    filled(rewrite.uri.as_deref()).map(PathRewrite::Prefix)
}

fn redirect(to: &api::HttpRedirect) -> Redirect {
    Redirect {
        status: to
            .redirect_code
            .and_then(|code| code.try_into().ok())
            .unwrap_or(301),
        path: filled(to.uri.as_deref()),
        prefix_rewrite: filled(to.prefix_rewrite.as_deref()),
        authority: filled(to.authority.as_deref()),
        scheme: filled(to.scheme.as_deref()),
        port: match to.derive_port {
            Some(api::DerivedPort::FromRequestPort) => Some(RedirectPort::Request),
            Some(api::DerivedPort::FromProtocolDefault) => None,
            None => to.port.map(RedirectPort::Number),
        },
    }
}

fn direct_response(response: &api::HttpDirectResponse) -> DirectResponse {
    DirectResponse {
        status: response.status.try_into().unwrap_or(500),
        body: match &response.body {
            Some(api::HttpBody::String(text)) => text.as_bytes().into(),
            Some(api::HttpBody::Bytes(bytes)) => bytes.as_slice().into(),
            None => [].into(),
        },
    }
}

/// Numbers among the conditions are status codes.
fn retries(retry: Option<&api::HttpRetry>) -> Option<Retries> {
    let default = Retries::default();
    let Some(retry) = retry else {
        return Some(default);
    };
    if retry.attempts == 0 {
        return None;
    }
    let given = retry.retry_on.split(',').map(str::trim);
    let given: Vec<&str> = given.filter(|text| !text.is_empty()).collect();
    let status_codes: Vec<u16> = given.iter().filter_map(|text| text.parse().ok()).collect();
    let names = given.iter().filter(|text| text.parse::<u16>().is_err());
    let mut conditions: Vec<Arc<str>> = names.map(|&text| text.into()).collect();
    if given.is_empty() {
        conditions = default.conditions;
    } else if !status_codes.is_empty() && !given.contains(&"retriable-status-codes") {
        conditions.push("retriable-status-codes".into());
    }
    Some(Retries {
        attempts: retry.attempts,
        conditions,
        status_codes,
        per_try_timeout: retry.per_try_timeout.map(|timeout| timeout.0),
        back_off: retry.backoff.map(|base| base.0),
        avoid_previous_hosts: retry.retry_ignore_previous_hosts.unwrap_or(true),
    })
}

fn route_match(block: &api::HttpMatchRequest) -> RouteMatch {
    let values = |map: &std::collections::BTreeMap<String, StringMatch>, lower: bool| {
        let mut values: Vec<(Arc<str>, ValueMatch)> = map
            .iter()
            .map(|(name, value)| {
                let name = if lower {
                    name.to_ascii_lowercase()
                } else {
                    name.clone()
                };
                (name.into(), value_match(value))
            })
            .collect();
        values.sort();
        values
    };
    let text = |condition: &Option<StringMatch>| condition.as_ref().and_then(text_match);
    RouteMatch {
        path: match block.uri.as_ref().and_then(text_match) {
            Some(TextMatch::Exact(path)) => PathMatch::Exact(path),
            Some(TextMatch::Prefix(path)) => PathMatch::Prefix(path),
            Some(TextMatch::Regex(path)) => PathMatch::Regex(path),
            None => PathMatch::default(),
        },
        ignore_path_case: block.ignore_uri_case,
        method: text(&block.method),
        authority: text(&block.authority),
        scheme: text(&block.scheme),
        headers: values(&block.headers, true),
        without_headers: values(&block.without_headers, true),
        query: values(&block.query_params, false),
    }
}

/// `None` for a condition that anything fulfils.
fn text_match(condition: &StringMatch) -> Option<TextMatch> {
    match condition {
        StringMatch::Present => None,
        StringMatch::Exact(text) => Some(TextMatch::Exact(text.as_str().into())),
        StringMatch::Prefix(text) => Some(TextMatch::Prefix(text.as_str().into())),
        StringMatch::Regex(text) => Some(TextMatch::Regex(text.as_str().into())),
    }
}

fn value_match(condition: &StringMatch) -> ValueMatch {
    text_match(condition).map_or(ValueMatch::Present, ValueMatch::Text)
}

#[cfg(test)]
mod tests;
