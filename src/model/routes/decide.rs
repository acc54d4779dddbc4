//! Which route a request takes.

use std::borrow::Cow;

use pillion_api::Pattern;

use super::{
    action::Action,
    matches::{PathMatch, RouteMatch, TextMatch, ValueMatch},
    table::{Route, Routes},
};

/// What a decision looks at.
#[derive(Clone, Debug, Default)]
pub struct RequestFacts<'a> {
    /// The path, with its query.
    pub path: &'a str,
    /// The method.
    pub method: &'a str,
    /// The authority, with its port.
    pub authority: &'a str,
    /// The scheme.
    pub scheme: &'a str,
    /// The lines of the headers; the names are in lower case.
    pub headers: Vec<(&'a str, &'a str)>,
}

/// A decision.
#[derive(Clone, Debug)]
pub struct Decision<'a> {
    /// The index of the route in its [`Routes`].
    pub index: usize,
    /// The route.
    pub route: &'a Route,
}

impl Decision<'_> {
    /// The clusters between which the weights decide; none for an answer or a redirect.
    pub fn weights(&self) -> Vec<(&str, u32)> {
        let Action::Forward(forward) = &self.route.action else {
            return Vec::new();
        };
        let clusters = forward.clusters.iter();
        clusters.map(|to| (&*to.cluster, to.weight)).collect()
    }
}

impl Routes {
    /// The first route whose conditions all hold. `None` is answered by 404.
    pub fn decide(&self, request: &RequestFacts<'_>) -> Option<Decision<'_>> {
        let mut routes = self.routes.iter().enumerate();
        routes
            .find(|(_, route)| route.matches.holds(request))
            .map(|(index, route)| Decision { index, route })
    }
}

impl RouteMatch {
    /// Whether all conditions hold for a request.
    pub fn holds(&self, request: &RequestFacts<'_>) -> bool {
        let (path, query) = request.path.split_once('?').unwrap_or((request.path, ""));
        let text = |condition: &Option<TextMatch>, value| {
            condition.as_ref().is_none_or(|text| text.holds(value))
        };
        self.path.holds(path, self.ignore_path_case)
            && text(&self.method, request.method)
            && text(&self.authority, request.authority)
            && text(&self.scheme, request.scheme)
            && self.headers_hold(request)
            && self
                .query
                .iter()
                .all(|(name, value)| value.holds_for_first(query_values(query, name)))
    }

    fn headers_hold(&self, request: &RequestFacts<'_>) -> bool {
        let all_hold = self.headers.iter().all(|(name, condition)| {
            let values = header_values(request, name);
            values.iter().any(|value| condition.holds(value))
        });
        all_hold
            && self.without_headers.iter().all(|(name, condition)| {
                let values = header_values(request, name);
                match condition {
                    ValueMatch::Present => values.is_empty(),
                    ValueMatch::Text(text) if values.is_empty() => !text.holds(""),
                    ValueMatch::Text(text) => !values.iter().any(|value| text.holds(value)),
                }
            })
    }
}

/// The values of a header: each line of a repeated one by itself, as Envoy does with its
/// `match_headers_individually`, except that cookies are one.
fn header_values<'a>(request: &RequestFacts<'a>, name: &str) -> Vec<Cow<'a, str>> {
    let lines = request.headers.iter();
    let named = lines.filter(|(other, _)| *other == name);
    let values = named.map(|(_, value)| *value);
    if name != "cookie" {
        return values.map(Cow::Borrowed).collect();
    }
    let values: Vec<_> = values.collect();
    let joined = (!values.is_empty()).then(|| Cow::Owned(values.join("; ")));
    joined.into_iter().collect()
}

/// The values of a parameter in a query. They are compared as they are written, without
/// decoding, as Envoy does.
fn query_values<'a>(query: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    let name = name.to_owned();
    query.split('&').filter_map(move |pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (!pair.is_empty() && key == name).then_some(value)
    })
}

impl PathMatch {
    fn holds(&self, path: &str, ignore_case: bool) -> bool {
        match self {
            Self::Exact(exact) if ignore_case => exact.eq_ignore_ascii_case(path),
            Self::Exact(exact) => **exact == *path,
            Self::Prefix(prefix) if ignore_case => path
                .get(..prefix.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(prefix)),
            Self::Prefix(prefix) => path.starts_with(&**prefix),
            Self::Regex(regex) => matches_fully(regex, path),
        }
    }
}

impl TextMatch {
    fn holds(&self, value: &str) -> bool {
        match self {
            Self::Exact(exact) => **exact == *value,
            Self::Prefix(prefix) => value.starts_with(&**prefix),
            Self::Regex(regex) => matches_fully(regex, value),
        }
    }
}

impl ValueMatch {
    fn holds(&self, value: &str) -> bool {
        match self {
            Self::Present => true,
            Self::Text(text) => text.holds(value),
        }
    }

    fn holds_for_first<'a>(&self, mut values: impl Iterator<Item = &'a str>) -> bool {
        values.next().is_some_and(|value| self.holds(value))
    }
}

/// Whether the whole value matches. An expression that can't be compiled matches nothing;
/// validation keeps those out.
fn matches_fully(regex: &str, value: &str) -> bool {
    Pattern::new(regex).is_ok_and(|pattern| pattern.matches(value.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_of_a_header_is_matched_by_itself() {
        let condition = |text: &str| ("x".into(), ValueMatch::Text(TextMatch::Exact(text.into())));
        let request = RequestFacts {
            path: "/",
            headers: vec![("x", "a"), ("x", "b")],
            ..RequestFacts::default()
        };
        for (value, expected) in [("a,b", false), ("a", true), ("b", true)] {
            let with = RouteMatch {
                headers: vec![condition(value)],
                ..RouteMatch::default()
            };
            assert_eq!(with.holds(&request), expected, "{value}");
            let without = RouteMatch {
                without_headers: vec![condition(value)],
                ..RouteMatch::default()
            };
            assert_eq!(without.holds(&request), !expected, "{value}");
        }
    }
}
