//! Changes of headers.

use super::{limits, names};
use crate::{HeaderOperations, Headers, findings::Findings, path::shortened};

/// Whether `name` is one of HTTP's field names (RFC 9110, 5.1).
pub(super) fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// Whether a header stands for the request's host.
pub(super) fn is_host(name: &str) -> bool {
    name.eq_ignore_ascii_case("host") || name.eq_ignore_ascii_case(":authority")
}

/// Headers that say how long a message is, or concern one connection only: a route that changed
/// them would have one message taken for two. The proxy refuses a table that has them.
const RESERVED: [&str; 9] = [
    "connection",
    "content-length",
    "http2-settings",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Changes of headers at a route or a destination.
pub(super) fn headers(findings: &mut Findings, headers: &Headers) {
    findings.some(
        "request",
        headers.request.as_ref(),
        |findings, operations| side(findings, operations, true),
    );
    findings.some(
        "response",
        headers.response.as_ref(),
        |findings, operations| side(findings, operations, false),
    );
}

/// Those of the request or of the response.
fn side(findings: &mut Findings, operations: &HeaderOperations, request: bool) {
    findings.each_key("set", &operations.set, |findings, name, text| {
        if !(request && is_host(name)) {
            header(findings, name);
        }
        value(findings, name, text);
    });
    findings.each_key("add", &operations.add, |findings, name, text| {
        if !(request && is_host(name)) {
            header(findings, name);
        }
        value(findings, name, text);
    });
    findings.each("remove", &operations.remove, |findings, name| {
        header(findings, name);
    });
    limits::count(
        findings,
        operations.set.len() + operations.add.len(),
        limits::HEADERS,
    );
    findings.at("remove", |findings| {
        limits::count(findings, operations.remove.len(), limits::HEADERS);
    });
    let hosts = operations
        .set
        .keys()
        .chain(operations.add.keys())
        .filter(|name| is_host(name))
        .count();
    if request && hosts > 1 {
        findings.fault("changes the host more than once: `host` and `:authority` are the same");
    }
}

/// The name of a header that is changed.
fn header(findings: &mut Findings, name: &str) {
    limits::text(findings, name);
    if is_host(name) {
        findings.fault("the host can only be changed in a request, by `set` or rewrite.authority");
    } else if name.starts_with(':') {
        findings.fault("pseudo headers can't be changed");
    } else if RESERVED
        .iter()
        .any(|reserved| name.eq_ignore_ascii_case(reserved))
    {
        findings.fault("can't be changed by a route: it belongs to the connection");
    } else if !is_name(name) {
        findings.fault(format!("{:?} is no name of a header", shortened(name)));
    }
}

/// The value of a header that is set or added.
fn value(findings: &mut Findings, name: &str, text: &str) {
    limits::text(findings, text);
    if text
        .bytes()
        .any(|byte| (byte < b' ' && byte != b'\t') || byte == 0x7f)
    {
        findings.fault("must not have control characters");
    } else if text.trim_matches([' ', '\t']) != text {
        findings.fault("must not have spaces at its ends");
    } else if is_host(name) && !names::is_name(text.rsplit_once(':').map_or(text, |(host, _)| host))
    {
        findings.fault(format!("{:?} is no host", shortened(text)));
    } else if text.replace("%%", "").contains('%') {
        findings
            .fault("variables between `%` signs are not built yet; a percent sign is written `%%`");
    }
}
