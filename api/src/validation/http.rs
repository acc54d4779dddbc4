//! A route for HTTP.

use super::{
    destination::{destination, weights},
    headers::headers,
    http_actions, limits,
    matches::Conditions,
    names,
};
use crate::{HttpRoute, findings::Findings};

/// One route.
pub(super) fn route(
    findings: &mut Findings,
    conditions: &mut Conditions,
    route: &HttpRoute,
    next: Option<&HttpRoute>,
) {
    action(findings, route, next);
    findings.at("name", |findings| limits::text(findings, &route.name));
    findings.each("match", &route.matches, |findings, request| {
        conditions.request(findings, request);
    });
    findings.each("route", &route.route, |findings, target| {
        findings.at("destination", |findings| {
            destination(findings, &target.destination);
        });
        findings.some("headers", target.headers.as_ref(), headers);
    });
    let all: Vec<u32> = route.route.iter().map(|target| target.weight).collect();
    findings.at("route", |findings| weights(findings, &all));
    findings.some("redirect", route.redirect.as_ref(), |findings, redirect| {
        http_actions::redirect(findings, redirect, &route.matches);
    });
    findings.some(
        "directResponse",
        route.direct_response.as_ref(),
        http_actions::direct_response,
    );
    findings.some("rewrite", route.rewrite.as_ref(), |findings, rewrite| {
        http_actions::rewrite(findings, rewrite, conditions);
    });
    findings.some("timeout", route.timeout.as_ref(), names::duration);
    findings.some("retries", route.retries.as_ref(), http_actions::retries);
    findings.some("headers", route.headers.as_ref(), headers);
    http_actions::one_host(findings, route.rewrite.as_ref(), route.headers.as_ref());
}

/// What is done with a request: exactly one of three.
fn action(findings: &mut Findings, route: &HttpRoute, next: Option<&HttpRoute>) {
    let actions = [
        ("route", !route.route.is_empty()),
        ("redirect", route.redirect.is_some()),
        ("directResponse", route.direct_response.is_some()),
    ];
    let set: Vec<&str> = actions
        .iter()
        .filter(|(_, set)| *set)
        .map(|(name, _)| *name)
        .collect();
    match set.as_slice() {
        [] => {
            let mut message =
                "must say what to do with requests: route, redirect or directResponse".to_owned();
            let split = !route.matches.is_empty()
                && next.is_some_and(|next| next.matches.is_empty() && !next.route.is_empty());
            if split {
                message.push_str("; is the route in the next element meant, which has no match? Then remove the `-` in front of it");
            }
            findings.fault(message);
        }
        ["route"] => {}
        [_] if route.rewrite.is_some() => {
            findings.at("rewrite", |findings| {
                findings.fault("has no effect on a redirect or a fixed answer");
            });
        }
        [_] => {}
        several => findings.fault(format!("only one of {} may be set", several.join(" and "))),
    }
}
