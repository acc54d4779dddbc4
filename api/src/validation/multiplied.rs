//! What the routes of a `VirtualService` come to once each element of `match` is a route of its own:
//! it has all that the element `http[]` says.

use super::limits;
use crate::{Headers, HttpBody, HttpMatchRequest, HttpRoute, StringMatch, findings::Findings};

/// Checks the routes for HTTP.
pub(super) fn http(findings: &mut Findings, routes: &[HttpRoute]) {
    let sum = |of: fn(&HttpRoute) -> usize| {
        routes.iter().fold(0_usize, |sum, route| {
            let matches = route.matches.len().max(1);
            sum.saturating_add(of(route).saturating_mul(matches))
        })
    };
    let parts = sum(parts);
    if parts > limits::MATCH_PARTS {
        findings.fault(format!(
            "has {parts} destinations and changes of headers, counting those of a route once for \
             each element of its match; there can't be more than {}: split the VirtualService, or \
             join elements of match by a prefix or a regular expression",
            limits::MATCH_PARTS
        ));
    }
    let conditions = routes.iter().flat_map(|route| &route.matches);
    let bytes = sum(bytes).saturating_add(conditions.map(of_match).sum());
    if bytes > limits::MATCH_BYTES {
        findings.fault(format!(
            "has {bytes} bytes of text, counting those of a route once for each element of its \
             match; there can't be more than {}: split the VirtualService, or shorten headers and \
             fixed answers",
            limits::MATCH_BYTES
        ));
    }
}

/// How many destinations and changes of headers a route has.
fn parts(route: &HttpRoute) -> usize {
    let of_targets = route
        .route
        .iter()
        .map(|to| 1 + changes(to.headers.as_ref()));
    of_targets.sum::<usize>() + changes(route.headers.as_ref())
}

fn changes(headers: Option<&Headers>) -> usize {
    let sides = headers.map(|headers| [&headers.request, &headers.response]);
    let sides = sides.into_iter().flatten().flatten();
    sides
        .map(|side| side.set.len() + side.add.len() + side.remove.len())
        .sum()
}

/// The bytes of a route's texts, without those of its `match`.
fn bytes(route: &HttpRoute) -> usize {
    let targets = route.route.iter().map(|to| {
        let subset = to.destination.subset.as_ref();
        to.destination.host.len() + subset.map_or(0, String::len) + of_headers(to.headers.as_ref())
    });
    let redirect = route.redirect.as_ref().map_or(0, |to| {
        length(&to.uri) + length(&to.prefix_rewrite) + length(&to.authority)
    });
    let response = route.direct_response.as_ref();
    let body = match response.and_then(|response| response.body.as_ref()) {
        Some(HttpBody::String(text)) => text.len(),
        Some(HttpBody::Bytes(bytes)) => bytes.len(),
        None => 0,
    };
    let rewrite = route.rewrite.as_ref().map_or(0, |to| {
        let regex = to.uri_regex_rewrite.as_ref();
        let regex = regex.map_or(0, |regex| regex.pattern.len() + regex.rewrite.len());
        length(&to.uri) + length(&to.authority) + regex
    });
    let retries = route.retries.as_ref().map_or(0, |to| to.retry_on.len());
    let headers = of_headers(route.headers.as_ref());
    route.name.len() + targets.sum::<usize>() + redirect + body + rewrite + retries + headers
}

fn of_headers(headers: Option<&Headers>) -> usize {
    let sides = headers.map(|headers| [&headers.request, &headers.response]);
    let sides = sides.into_iter().flatten().flatten();
    sides
        .map(|side| {
            let written = side.set.iter().chain(&side.add);
            let written = written.map(|(name, value)| name.len() + value.len());
            let removed = side.remove.iter().map(String::len);
            written.chain(removed).sum::<usize>()
        })
        .sum()
}

/// The bytes of the texts of an element of `match`.
fn of_match(request: &HttpMatchRequest) -> usize {
    let fixed = [
        &request.uri,
        &request.scheme,
        &request.method,
        &request.authority,
    ];
    let fixed = fixed.into_iter().flatten().map(text);
    let maps = [
        &request.headers,
        &request.without_headers,
        &request.query_params,
    ];
    let named = maps.into_iter().flatten();
    let named = named.map(|(name, value)| name.len() + text(value));
    request.name.len() + fixed.chain(named).sum::<usize>()
}

fn text(text: &StringMatch) -> usize {
    match text {
        StringMatch::Exact(text) | StringMatch::Prefix(text) | StringMatch::Regex(text) => {
            text.len()
        }
        StringMatch::Present => 0,
    }
}

fn length(text: &Option<String>) -> usize {
    text.as_ref().map_or(0, String::len)
}
