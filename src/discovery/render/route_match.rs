//! The conditions of routes.

use pillion_envoy_api::envoy::{
    config::route::v3::{
        HeaderMatcher, QueryParameterMatcher, RouteMatch, header_matcher::HeaderMatchSpecifier,
        query_parameter_matcher::QueryParameterMatchSpecifier, route_match::PathSpecifier,
    },
    r#type::matcher::v3::{RegexMatcher, StringMatcher, string_matcher::MatchPattern},
};

use crate::model::{self, PathMatch, TextMatch, ValueMatch};

/// The conditions of a route.
pub(super) fn route_match(matches: &model::RouteMatch) -> RouteMatch {
    let pseudo = [
        (":method", &matches.method),
        (":authority", &matches.authority),
        (":scheme", &matches.scheme),
    ];
    let pseudo = pseudo.into_iter().filter_map(|(name, text)| {
        let text = text.as_ref()?;
        Some(header(
            name,
            HeaderMatchSpecifier::StringMatch(string(text)),
        ))
    });
    let headers = matches.headers.iter().map(|(name, value)| match value {
        ValueMatch::Present => header(name, HeaderMatchSpecifier::PresentMatch(true)),
        ValueMatch::Text(text) => header(name, HeaderMatchSpecifier::StringMatch(string(text))),
    });
    let without = matches
        .without_headers
        .iter()
        .map(|(name, value)| without(name, value));
    RouteMatch {
        path_specifier: Some(match &matches.path {
            PathMatch::Exact(path) => PathSpecifier::Path(path.to_string()),
            PathMatch::Prefix(prefix) => PathSpecifier::Prefix(prefix.to_string()),
            PathMatch::Regex(pattern) => PathSpecifier::SafeRegex(regex(pattern)),
        }),
        case_sensitive: matches.ignore_path_case.then_some(false),
        headers: pseudo.chain(headers).chain(without).collect(),
        query_parameters: matches
            .query
            .iter()
            .map(|(name, value)| query(name, value))
            .collect(),
        ..RouteMatch::default()
    }
}

/// An expression.
pub(super) fn regex(pattern: &str) -> RegexMatcher {
    RegexMatcher {
        regex: pattern.to_owned(),
        ..RegexMatcher::default()
    }
}

fn header(name: &str, specifier: HeaderMatchSpecifier) -> HeaderMatcher {
    HeaderMatcher {
        name: name.to_owned(),
        header_match_specifier: Some(specifier),
        ..HeaderMatcher::default()
    }
}

fn without(name: &str, value: &ValueMatch) -> HeaderMatcher {
    let matcher = match value {
        ValueMatch::Present => header(name, HeaderMatchSpecifier::PresentMatch(true)),
        ValueMatch::Text(text) => HeaderMatcher {
            treat_missing_header_as_empty: true,
            ..header(name, HeaderMatchSpecifier::StringMatch(string(text)))
        },
    };
    HeaderMatcher {
        invert_match: true,
        ..matcher
    }
}

fn query(name: &str, value: &ValueMatch) -> QueryParameterMatcher {
    QueryParameterMatcher {
        name: name.to_owned(),
        query_parameter_match_specifier: Some(match value {
            ValueMatch::Present => QueryParameterMatchSpecifier::PresentMatch(true),
            ValueMatch::Text(text) => QueryParameterMatchSpecifier::StringMatch(string(text)),
        }),
    }
}

fn string(text: &TextMatch) -> StringMatcher {
    StringMatcher {
        match_pattern: Some(match text {
            TextMatch::Exact(text) => MatchPattern::Exact(text.to_string()),
            TextMatch::Prefix(text) => MatchPattern::Prefix(text.to_string()),
            TextMatch::Regex(pattern) => MatchPattern::SafeRegex(regex(pattern)),
        }),
        ..StringMatcher::default()
    }
}
