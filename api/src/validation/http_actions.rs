//! Redirects, fixed answers, rewriting and retries.

use super::{headers, limits, matches::Conditions, names};
use crate::{
    HttpBody, HttpDirectResponse, HttpMatchRequest, HttpRedirect, HttpRetry, HttpRewrite, Pattern,
    StringMatch, findings::Findings, path::shortened,
};

/// The conditions of `retryOn`, besides statuses: those of Envoy's `x-envoy-retry-on` and
/// `x-envoy-retry-grpc-on`.
const RETRY_ON: [&str; 13] = [
    "5xx",
    "gateway-error",
    "reset",
    "reset-before-request",
    "connect-failure",
    "retriable-4xx",
    "refused-stream",
    "retriable-status-codes",
    "cancelled",
    "deadline-exceeded",
    "internal",
    "resource-exhausted",
    "unavailable",
];
/// Those of them that the proxy does not know: they depend on HTTP/3, on rate limits, and on a list
/// of headers that Istio has no field for.
const RETRY_ON_NOT_BUILT: [&str; 3] = [
    "retriable-headers",
    "envoy-ratelimited",
    "http3-post-connect-failure",
];

/// A redirect of requests with these conditions.
pub(super) fn redirect(
    findings: &mut Findings,
    redirect: &HttpRedirect,
    conditions: &[HttpMatchRequest],
) {
    if redirect.uri.is_some() && redirect.prefix_rewrite.is_some() {
        findings.fault("only one of uri and prefixRewrite may be set");
    }
    let by_prefix =
        |condition: &HttpMatchRequest| matches!(condition.uri, None | Some(StringMatch::Prefix(_)));
    if redirect.prefix_rewrite.is_some() && !conditions.iter().all(by_prefix) {
        findings.at("prefixRewrite", |findings| {
            findings.fault("replaces a prefix, so that every uri in match has to be a prefix");
        });
    }
    if redirect.port.is_some() && redirect.derive_port.is_some() {
        findings.fault("only one of port and derivePort may be set");
    }
    let says_nothing = redirect.uri.is_none()
        && redirect.prefix_rewrite.is_none()
        && redirect.authority.is_none()
        && redirect.scheme.is_none();
    if says_nothing && redirect.port.is_none() && redirect.derive_port.is_none() {
        findings.fault("must say where to: uri, prefixRewrite, authority, scheme or port");
    }
    findings.some("port", redirect.port.as_ref(), |findings, port| {
        names::port(findings, *port);
    });
    findings.some("scheme", redirect.scheme.as_ref(), |findings, scheme| {
        if scheme != "http" && scheme != "https" {
            findings.fault("must be http or https");
        }
    });
    findings.some(
        "redirectCode",
        redirect.redirect_code.as_ref(),
        |findings, code| {
            // Envoy rejects a whole route table for another one.
            if ![301, 302, 303, 307, 308].contains(code) {
                findings.fault(format!("must be 301, 302, 303, 307 or 308, not {code}"));
            }
        },
    );
    for (field, text) in [
        ("uri", &redirect.uri),
        ("prefixRewrite", &redirect.prefix_rewrite),
        ("authority", &redirect.authority),
    ] {
        findings.some(field, text.as_ref(), |findings, text| {
            printable(findings, text);
        });
    }
}

/// A fixed answer.
pub(super) fn direct_response(findings: &mut Findings, response: &HttpDirectResponse) {
    findings.at("status", |findings| {
        if !(200..600).contains(&response.status) {
            findings.fault(format!(
                "must be a status from 200 to 599, not {}",
                response.status
            ));
        }
    });
    findings.some("body", response.body.as_ref(), |findings, body| {
        let size = match body {
            HttpBody::String(text) => text.len(),
            HttpBody::Bytes(bytes) => bytes.len(),
        };
        // Istio takes 1 MiB, and warns from 100 KiB on.
        if size > limits::BODY {
            findings.fault(format!(
                "has {size} bytes; every proxy keeps it, and takes {} at most",
                limits::BODY
            ));
        }
    });
}

/// Changes of the path and the host.
pub(super) fn rewrite(findings: &mut Findings, rewrite: &HttpRewrite, conditions: &mut Conditions) {
    if rewrite.uri.is_some() && rewrite.uri_regex_rewrite.is_some() {
        findings.fault("only one of uri and uriRegexRewrite may be set");
    }
    if rewrite.uri.is_none() && rewrite.uri_regex_rewrite.is_none() && rewrite.authority.is_none() {
        findings.fault("must say what to change: uri, uriRegexRewrite or authority");
    }
    findings.some("uri", rewrite.uri.as_ref(), |findings, uri| {
        printable(findings, uri);
    });
    findings.some(
        "authority",
        rewrite.authority.as_ref(),
        |findings, authority| printable(findings, authority),
    );
    findings.some(
        "uriRegexRewrite",
        rewrite.uri_regex_rewrite.as_ref(),
        |findings, rewrite| {
            let pattern = findings.at("match", |findings| {
                conditions.regex(findings, &rewrite.pattern)
            });
            findings.at("rewrite", |findings| {
                if rewrite.rewrite.is_empty() {
                    findings.fault("must be set");
                }
                printable(findings, &rewrite.rewrite);
                if let Some(pattern) = pattern {
                    substitution(findings, &rewrite.rewrite, &pattern);
                }
            });
        },
    );
}

/// What replaces the matches of an expression. RE2 knows a backslash with a digit, which is the
/// group of that number, and with another backslash.
fn substitution(findings: &mut Findings, text: &str, pattern: &Pattern) {
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            continue;
        }
        match bytes.next() {
            Some(b'\\') => {}
            Some(digit @ b'0'..=b'9') => {
                let group = usize::from(digit - b'0');
                if group > pattern.groups() {
                    findings.fault(format!(
                        "refers to group {group}, which the expression does not have"
                    ));
                }
            }
            _ => findings.fault("a backslash must have a digit or another backslash behind it"),
        }
    }
}

/// A text that becomes part of a request or an answer.
fn printable(findings: &mut Findings, text: &str) {
    limits::text(findings, text);
    if text.bytes().any(|byte| byte <= b' ' || byte == 0x7f) {
        findings.fault("must not have spaces or control characters");
    }
}

/// How requests are retried.
pub(super) fn retries(findings: &mut Findings, retries: &HttpRetry) {
    if retries.attempts == 0 && (retries.per_try_timeout.is_some() || !retries.retry_on.is_empty())
    {
        findings.at("attempts", |findings| {
            findings.fault(
                "is 0 (or not set), which means no retry; the other fields would do nothing",
            );
        });
    }
    findings.some(
        "perTryTimeout",
        retries.per_try_timeout.as_ref(),
        names::duration,
    );
    findings.some("backoff", retries.backoff.as_ref(), names::duration);
    if retries.retry_on.is_empty() {
        return;
    }
    findings.at("retryOn", |findings| {
        limits::count(
            findings,
            retries.retry_on.split(',').count(),
            limits::RETRY_ON,
        );
        for condition in retries.retry_on.split(',') {
            let status = condition
                .parse::<u16>()
                .is_ok_and(|status| (100..600).contains(&status));
            if RETRY_ON_NOT_BUILT.contains(&condition) {
                findings.fault(format!("{condition} is not built yet"));
            } else if condition.trim() != condition {
                findings.fault("conditions are separated by commas, without spaces");
            } else if !status && !RETRY_ON.contains(&condition) {
                findings.fault(format!(
                    "{:?} is neither a status nor a condition: those are {}",
                    shortened(condition),
                    RETRY_ON.join(", ")
                ));
            }
        }
    });
}

/// The host may be set in one way only.
pub(super) fn one_host(
    findings: &mut Findings,
    rewrite: Option<&HttpRewrite>,
    changes: Option<&crate::Headers>,
) {
    let rewritten = rewrite.is_some_and(|rewrite| rewrite.authority.is_some());
    let set = changes
        .and_then(|changes| changes.request.as_ref())
        .is_some_and(|request| {
            request
                .set
                .keys()
                .chain(request.add.keys())
                .any(|name| headers::is_host(name))
        });
    if rewritten && set {
        findings.at("rewrite", |findings| {
            findings.at("authority", |findings| {
                findings.fault("the host is changed already, in headers.request");
            });
        });
    }
}
