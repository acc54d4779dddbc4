//! The conditions of a route for HTTP.

use super::{headers, limits, names};
use crate::{HttpMatchRequest, Pattern, StringMatch, findings::Findings, path::shortened};

/// Validates conditions, and counts the regular expressions among them.
#[derive(Default)]
pub(super) struct Conditions {
    patterns: usize,
    /// About the bytes that they take compiled.
    compiled: usize,
}

impl Conditions {
    /// One element of a route's `match`.
    pub(super) fn request(&mut self, findings: &mut Findings, request: &HttpMatchRequest) {
        findings.at("name", |findings| limits::text(findings, &request.name));
        findings.some("uri", request.uri.as_ref(), |findings, text| {
            // An empty prefix of a path is Envoy's way to match every path.
            if *text != StringMatch::Prefix(String::new()) {
                self.text(findings, text);
            }
            if let StringMatch::Exact(path) | StringMatch::Prefix(path) = text
                && path.contains('?')
            {
                findings.warn("the path is compared without its query, so that `?` never matches; see queryParams");
            }
        });
        for (field, text) in [
            ("scheme", &request.scheme),
            ("method", &request.method),
            ("authority", &request.authority),
        ] {
            findings.some(field, text.as_ref(), |findings, text| {
                self.text(findings, text);
            });
        }
        findings.each_key("headers", &request.headers, |findings, name, text| {
            header(findings, name);
            self.present_or_text(findings, text);
        });
        findings.each_key(
            "withoutHeaders",
            &request.without_headers,
            |findings, name, text| {
                header(findings, name);
                self.present_or_text(findings, text);
            },
        );
        findings.each_key(
            "queryParams",
            &request.query_params,
            |findings, name, text| {
                if name.is_empty() {
                    findings.fault("the name of a parameter must not be empty");
                }
                limits::text(findings, name);
                self.present_or_text(findings, text);
            },
        );
        let fixed = [&request.scheme, &request.method, &request.authority]
            .into_iter()
            .flatten()
            .count();
        limits::count(
            findings,
            request.headers.len() + request.without_headers.len() + fixed,
            limits::CONDITIONS,
        );
        findings.at("queryParams", |findings| {
            limits::count(findings, request.query_params.len(), limits::CONDITIONS);
        });
        if request.ignore_uri_case && matches!(request.uri, Some(StringMatch::Regex(_))) {
            let message = "does nothing for a regular expression: begin it with (?i)";
            findings.at("ignoreUriCase", |findings| findings.warn(message));
        }
        origin(findings, request);
    }

    /// A condition on a text that is always there.
    fn text(&mut self, findings: &mut Findings, text: &StringMatch) {
        match text {
            StringMatch::Present => findings.fault("must say exact, prefix or regex"),
            text => self.present_or_text(findings, text),
        }
    }

    /// A condition on a text that may be absent.
    fn present_or_text(&mut self, findings: &mut Findings, text: &StringMatch) {
        match text {
            StringMatch::Prefix(prefix) if prefix.is_empty() => {
                findings.fault("prefix must not be empty");
            }
            StringMatch::Regex(expression) => {
                self.regex(findings, expression);
            }
            StringMatch::Exact(text) | StringMatch::Prefix(text) => limits::text(findings, text),
            StringMatch::Present => {}
        }
    }

    /// A regular expression, compiled if it can be.
    pub(super) fn regex(&mut self, findings: &mut Findings, expression: &str) -> Option<Pattern> {
        self.patterns += 1;
        if self.patterns > limits::PATTERNS {
            findings.fault(format!(
                "an object can't have more than {} regular expressions",
                limits::PATTERNS
            ));
            return None;
        }
        let pattern = Pattern::new(expression)
            .map_err(|error| findings.fault(format!("{error}, in {:?}", shortened(expression))))
            .ok()?;
        self.compiled += pattern.size();
        if self.compiled > limits::COMPILED {
            findings.fault(format!(
                "with this one, the object's regular expressions take more than {} KiB compiled: \
                 lower their repetition counts, or write ASCII classes ([0-9A-Za-z_] for \\w)",
                limits::COMPILED >> 10
            ));
            return None;
        }
        Some(pattern)
    }
}

/// Where a request has to come from, and by which way.
fn origin(findings: &mut Findings, request: &HttpMatchRequest) {
    findings.some("port", request.port.as_ref(), |findings, port| {
        names::port(findings, *port);
    });
    if !request.stat_prefix.is_empty() {
        findings.at("statPrefix", |findings| {
            findings.warn("has no effect: the proxy keeps no statistics of single routes");
        });
    }
    names::labels(findings, "sourceLabels", &request.source_labels);
    names::gateways(findings, &request.gateways);
    if !request.source_namespace.is_empty() {
        findings.at("sourceNamespace", |findings| {
            names::label(findings, &request.source_namespace);
        });
    }
}

/// The name of a header that is compared.
fn header(findings: &mut Findings, name: &str) {
    limits::text(findings, name);
    if name.starts_with("@request.auth.claims") {
        findings.fault("conditions on a token's claims are not built yet");
    } else if ![":method", ":scheme", ":authority", ":path"].contains(&name)
        && !headers::is_name(name)
    {
        findings.fault(format!("{:?} is no name of a header", shortened(name)));
    }
}
