//! Routes that no request can reach, because earlier ones take them all.

use std::collections::{HashMap, hash_map::Entry};

use crate::{HttpMatchRequest, HttpRoute, StringMatch, TcpRoute, WarningKind, findings::Findings};

/// Warns of routes for HTTP behind one that matches every request, or behind others that have all their
/// conditions; and of single conditions that are there twice.
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
                let duplicates = duplicates(&mut seen, route, index);
                if let Some(message) = all_used(&duplicates, route, index) {
                    findings.warn_of(WarningKind::NeverUsed, message);
                    return;
                }
                for (position, earlier) in duplicates {
                    let message = format!(
                        "is never used, because spec.http[{earlier}] has the same conditions"
                    );
                    findings.at("match", |findings| {
                        findings.at(position, |findings| {
                            findings.warn_of(WarningKind::Duplicate, message);
                        });
                    });
                }
            });
        });
        if all.is_none() && (route.matches.is_empty() || route.matches.iter().any(is_all)) {
            all = Some(index);
        }
    }
}

/// The positions of those of a route's conditions that are there before, with the numbers of the routes
/// that have them first.
fn duplicates<'a>(
    seen: &mut HashMap<&'a HttpMatchRequest, usize>,
    route: &'a HttpRoute,
    index: usize,
) -> Vec<(usize, usize)> {
    let mut duplicates = Vec::new();
    for (position, condition) in route.matches.iter().enumerate() {
        match seen.entry(condition) {
            Entry::Occupied(earlier) => duplicates.push((position, *earlier.get())),
            Entry::Vacant(new) => _ = new.insert(index),
        }
    }
    duplicates
}

/// What to say of a route all of whose conditions earlier routes have.
fn all_used(duplicates: &[(usize, usize)], route: &HttpRoute, index: usize) -> Option<String> {
    let earlier = || duplicates.iter().map(|(_, earlier)| *earlier);
    if duplicates.len() < route.matches.len() || earlier().any(|earlier| earlier == index) {
        return None;
    }
    let first = earlier().min()?;
    Some(if earlier().all(|earlier| earlier == first) {
        format!("is never used, because spec.http[{first}] has the same conditions")
    } else {
        format!(
            "is never used, because spec.http[{first}] and other earlier rules have all its \
             conditions"
        )
    })
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
