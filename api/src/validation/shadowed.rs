//! Routes that no request can reach, because an earlier one takes them all.

use std::collections::HashMap;

use crate::{HttpMatchRequest, HttpRoute, StringMatch, TcpRoute, WarningKind, findings::Findings};

/// Warns of routes for HTTP behind one that matches every request, and of conditions that are
/// there twice.
pub(super) fn http(findings: &mut Findings, routes: &[HttpRoute]) {
    let mut seen: HashMap<&HttpMatchRequest, usize> = HashMap::new();
    let mut all: Option<usize> = None;
    for (index, route) in routes.iter().enumerate() {
        findings.at("http", |findings| {
            findings.at(index, |findings| {
                if let Some(all) = all {
                    let message =
                        format!("is never used, because spec.http[{all}] matches every request");
                    findings.warn_of(WarningKind::NeverUsed, message);
                    return;
                }
                for (position, condition) in route.matches.iter().enumerate() {
                    if let Some(earlier) = seen.insert(condition, index) {
                        let message = format!(
                            "is never used, because spec.http[{earlier}] has the same conditions"
                        );
                        findings.at("match", |findings| {
                            findings.at(position, |findings| {
                                findings.warn_of(WarningKind::Duplicate, message);
                            });
                        });
                        seen.insert(condition, earlier);
                    }
                }
            });
        });
        if all.is_none() && (route.matches.is_empty() || route.matches.iter().any(is_all)) {
            all = Some(index);
        }
    }
}

/// Warns of routes for TCP behind one that matches every connection.
pub(super) fn tcp(findings: &mut Findings, routes: &[TcpRoute]) {
    let Some(all) = routes.iter().position(|route| route.matches.is_empty()) else {
        return;
    };
    for index in all + 1..routes.len() {
        let message = format!("is never used, because spec.tcp[{all}] matches every connection");
        findings.at("tcp", |findings| {
            findings.at(index, |findings| {
                findings.warn_of(WarningKind::NeverUsed, message);
            });
        });
    }
}

/// Whether a condition holds for every request.
fn is_all(condition: &HttpMatchRequest) -> bool {
    let path = match &condition.uri {
        None => true,
        Some(StringMatch::Prefix(prefix)) => prefix.is_empty() || prefix == "/",
        Some(StringMatch::Regex(expression)) => expression == ".*",
        Some(_) => false,
    };
    let free = HttpMatchRequest {
        name: condition.name.clone(),
        stat_prefix: condition.stat_prefix.clone(),
        uri: condition.uri.clone(),
        ignore_uri_case: condition.ignore_uri_case,
        ..HttpMatchRequest::default()
    };
    path && *condition == free
}
