//! Which requests a route is for.

use pillion_envoy_api::envoy::config::route::v3::{
    HeaderMatcher, QueryParameterMatcher, RouteMatch as RouteMatchMessage,
    header_matcher::HeaderMatchSpecifier, query_parameter_matcher::QueryParameterMatchSpecifier,
    route_match::PathSpecifier,
};

use super::{
    fault::{Fault, at, each, refuse_if},
    scope::Scope,
    text::{bounded, text_match, whole},
};
use crate::tables::{
    HeaderMatch, HeaderName, HeaderTest, PathMatch, QueryMatch, RouteMatch, TextMatch,
};

/// Tests of headers, and of parameters, of one route.
const MAX_TESTS: usize = 256;

pub(super) fn route_match(
    scope: &Scope<'_>,
    message: RouteMatchMessage,
) -> Result<RouteMatch, Fault> {
    let RouteMatchMessage {
        path_specifier,
        case_sensitive,
        runtime_fraction,
        headers,
        query_parameters,
        cookies,
        grpc,
    } = message;
    refuse_if(runtime_fraction.is_some(), "runtime_fraction")?;
    refuse_if(!cookies.is_empty(), "cookies")?;
    refuse_if(grpc.is_some(), "grpc")?;
    Ok(RouteMatch {
        path: path(scope, path_specifier)?,
        ignores_case: case_sensitive == Some(false),
        headers: each("headers", MAX_TESTS, headers, |header| {
            header_match(scope, header)
        })?,
        query: each(
            "query_parameters",
            MAX_TESTS,
            query_parameters,
            |parameter| query_match(scope, parameter),
        )?,
    })
}

fn path(scope: &Scope<'_>, specifier: Option<PathSpecifier>) -> Result<PathMatch, Fault> {
    let checked = |field, text: String| bounded(field, &text).map(str::to_owned);
    match specifier {
        Some(PathSpecifier::Prefix(text)) => Ok(PathMatch::Prefix(checked("prefix", text)?)),
        Some(PathSpecifier::Path(text)) => Ok(PathMatch::Exact(checked("path", text)?)),
        Some(PathSpecifier::SafeRegex(regex)) => {
            Ok(PathMatch::Regex(whole(scope, "safe_regex", regex)?))
        }
        Some(PathSpecifier::PathSeparatedPrefix(text)) => {
            Ok(PathMatch::Segments(checked("path_separated_prefix", text)?))
        }
        Some(PathSpecifier::ConnectMatcher(_)) => Err(Fault::unsupported("connect_matcher")),
        None => Err(Fault::new("path_specifier", "is missing")),
    }
}

fn header_match(scope: &Scope<'_>, message: HeaderMatcher) -> Result<HeaderMatch, Fault> {
    use HeaderMatchSpecifier as Specifier;
    let HeaderMatcher {
        name,
        header_match_specifier,
        invert_match,
        treat_missing_header_as_empty,
    } = message;
    if name.is_empty() {
        return Err(Fault::new("name", "is empty"));
    }
    let mut inverted = invert_match;
    let text = |field, text: &str, test: fn(&str) -> TextMatch| {
        Ok(HeaderTest::Text(test(bounded(field, text)?)))
    };
    let test = match header_match_specifier {
        None => HeaderTest::Present,
        Some(Specifier::PresentMatch(present)) => {
            inverted ^= !present;
            HeaderTest::Present
        }
        Some(Specifier::StringMatch(test)) => {
            HeaderTest::Text(text_match(scope, test).map_err(at("string_match"))?)
        }
        Some(Specifier::ExactMatch(exact)) => text("exact_match", &exact, TextMatch::exact)?,
        Some(Specifier::PrefixMatch(prefix)) => text("prefix_match", &prefix, TextMatch::prefix)?,
        Some(Specifier::SuffixMatch(suffix)) => text("suffix_match", &suffix, TextMatch::suffix)?,
        Some(Specifier::ContainsMatch(part)) => text("contains_match", &part, TextMatch::contains)?,
        Some(Specifier::SafeRegexMatch(regex)) => {
            HeaderTest::Text(TextMatch::regex(whole(scope, "safe_regex_match", regex)?))
        }
        Some(Specifier::RangeMatch(range)) => HeaderTest::Range {
            start: range.start,
            end: range.end,
        },
    };
    Ok(HeaderMatch {
        name: HeaderName::new(bounded("name", &name)?),
        test,
        inverted,
        missing_is_empty: treat_missing_header_as_empty,
    })
}

fn query_match(scope: &Scope<'_>, message: QueryParameterMatcher) -> Result<QueryMatch, Fault> {
    use QueryParameterMatchSpecifier as Specifier;
    let QueryParameterMatcher {
        name,
        query_parameter_match_specifier,
    } = message;
    if name.is_empty() {
        return Err(Fault::new("name", "is empty"));
    }
    let test = match query_parameter_match_specifier {
        None | Some(Specifier::PresentMatch(true)) => None,
        Some(Specifier::PresentMatch(false)) => {
            return Err(Fault::new("present_match", "must be true"));
        }
        Some(Specifier::StringMatch(test)) => {
            Some(text_match(scope, test).map_err(at("string_match"))?)
        }
    };
    Ok(QueryMatch {
        name: bounded("name", &name)?.as_bytes().into(),
        test,
    })
}
