//! Which requests a route is for.

use std::borrow::Cow;

use super::{Pattern, TextMatch};
use crate::message::{Fields, RequestHead, Scheme};

const COOKIE: &[u8] = b"cookie";

/// Which paths a route is for. The query is not a part of them.
#[derive(Debug, Clone)]
pub(crate) enum PathMatch {
    /// Those that begin so.
    Prefix(String),
    /// That one, and those that go on with a slash.
    Segments(String),
    /// That one.
    Exact(String),
    /// Those that the expression matches as a whole.
    Regex(Pattern),
}

/// A part of a request's head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HeaderName {
    Method,
    Scheme,
    /// `:authority`, also asked for as `host`.
    Authority,
    /// With the query.
    Path,
    /// In lower case.
    Field(Box<[u8]>),
}

/// What a header has to be.
#[derive(Debug, Clone)]
pub(crate) enum HeaderTest {
    /// It is there.
    Present,
    /// One of its lines is so.
    Text(TextMatch),
    /// One of its lines is a decimal number of at least `start` and less than `end`.
    Range { start: i64, end: i64 },
}

/// A test of a header. Each line of a repeated one is tested by itself, as Envoy does with its
/// `match_headers_individually`.
#[derive(Debug, Clone)]
pub(crate) struct HeaderMatch {
    pub name: HeaderName,
    pub test: HeaderTest,
    /// The test must fail instead.
    pub inverted: bool,
    /// A header that is not there is tested as an empty one. Otherwise it matches only
    /// where it must not be there, inverted or not.
    pub missing_is_empty: bool,
}

/// A test of a parameter in the query, of which the first is looked at. Percent-encoding is
/// not decoded, as in Envoy.
#[derive(Debug, Clone)]
pub(crate) struct QueryMatch {
    pub name: Box<[u8]>,
    /// `None`: it is there.
    pub test: Option<TextMatch>,
}

/// Which requests a route is for: all of it has to match.
#[derive(Debug, Clone)]
pub(crate) struct RouteMatch {
    pub path: PathMatch,
    /// Of an exact path and a prefix.
    pub ignores_case: bool,
    pub headers: Vec<HeaderMatch>,
    pub query: Vec<QueryMatch>,
}

impl RouteMatch {
    /// Every request, CONNECT included.
    pub fn any() -> Self {
        Self::path(PathMatch::Prefix(String::new()))
    }

    /// Requests with such a path.
    pub fn path(path: PathMatch) -> Self {
        Self {
            path,
            ignores_case: false,
            headers: Vec::new(),
            query: Vec::new(),
        }
    }

    /// Whether the route is for that request, whose path and query these are: a request is asked
    /// about many routes.
    pub(super) fn matches(&self, head: &RequestHead, (path, query): (&[u8], &[u8])) -> bool {
        self.path.matches(path, self.ignores_case)
            && self.headers.iter().all(|test| test.matches(head))
            && self.query.iter().all(|test| test.matches(query))
    }
}

impl PathMatch {
    /// How many bytes of a path that matches are matched.
    pub fn matched_len(&self, path: &[u8]) -> usize {
        match self {
            Self::Prefix(text) | Self::Segments(text) | Self::Exact(text) => {
                text.len().min(path.len())
            }
            Self::Regex(_) => split_query(path).0.len(),
        }
    }

    fn matches(&self, path: &[u8], ignores_case: bool) -> bool {
        let same = |a: &[u8], b: &str| match ignores_case {
            true => a.eq_ignore_ascii_case(b.as_bytes()),
            false => *a == *b.as_bytes(),
        };
        let begins = |text: &str| {
            let start = path.get(..text.len());
            start.is_some_and(|start| same(start, text))
        };
        match self {
            // CONNECT has no path, and a route for all paths is for it, too.
            Self::Prefix(prefix) => begins(prefix) || (path.is_empty() && prefix == "/"),
            Self::Segments(prefix) => {
                begins(prefix) && matches!(path.get(prefix.len()), None | Some(b'/'))
            }
            Self::Exact(exact) => same(path, exact),
            Self::Regex(pattern) => pattern.matches(path),
        }
    }
}

impl HeaderName {
    /// By its name in the configuration.
    pub fn new(name: &str) -> Self {
        let name = name.to_ascii_lowercase();
        match name.as_str() {
            ":method" => Self::Method,
            ":scheme" => Self::Scheme,
            ":authority" | "host" => Self::Authority,
            ":path" => Self::Path,
            _ => Self::Field(name.into_bytes().into()),
        }
    }

    /// Whether one of its values is so; `None` without any.
    fn any(&self, head: &RequestHead, is_so: impl Fn(&[u8]) -> bool) -> Option<bool> {
        let one = match self {
            Self::Method => Some(head.method.as_str().as_bytes()),
            Self::Scheme => Some(scheme_text(head.effective_scheme())),
            Self::Authority => head.authority(),
            Self::Path => Some(head.path()),
            Self::Field(name) if **name == *COOKIE => {
                return cookies(&head.fields).map(|all| is_so(&all));
            }
            Self::Field(name) => return any_line(&head.fields, name, is_so),
        };
        one.map(is_so)
    }
}

impl HeaderMatch {
    /// A header that has to be so.
    pub fn new(name: &str, test: HeaderTest) -> Self {
        Self {
            name: HeaderName::new(name),
            test,
            inverted: false,
            missing_is_empty: false,
        }
    }

    fn matches(&self, head: &RequestHead) -> bool {
        let is_so = |value: &[u8]| match &self.test {
            HeaderTest::Present => true,
            HeaderTest::Text(text) => text.matches(value),
            HeaderTest::Range { start, end } => {
                number(value).is_some_and(|n| (*start..*end).contains(&n))
            }
        };
        match (&self.test, self.name.any(head, is_so)) {
            (HeaderTest::Present, found) => found.is_some() != self.inverted,
            (_, None) if !self.missing_is_empty => false,
            (_, found) => found.unwrap_or_else(|| is_so(b"")) != self.inverted,
        }
    }
}

impl QueryMatch {
    fn matches(&self, query: &[u8]) -> bool {
        let mut parameters = query.split(|byte| *byte == b'&').map(|parameter| {
            let equals = parameter.iter().position(|byte| *byte == b'=');
            match equals {
                Some(at) => (&parameter[..at], &parameter[at + 1..]),
                None => (parameter, &b""[..]),
            }
        });
        let found = parameters.find(|(name, _)| **name == *self.name);
        match (found, &self.test) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some((_, value)), Some(test)) => test.matches(value),
        }
    }
}

/// Path and query, the latter without its question mark and without a fragment.
pub(super) fn split_query(path: &[u8]) -> (&[u8], &[u8]) {
    let is_mark = |byte: &u8| matches!(byte, b'?' | b'#');
    let Some(at) = path.iter().position(is_mark) else {
        return (path, b"");
    };
    let (path, rest) = path.split_at(at);
    let query = rest.strip_prefix(b"?").unwrap_or_default();
    let fragment = query.iter().position(|byte| *byte == b'#');
    (path, &query[..fragment.unwrap_or(query.len())])
}

/// `http` or `https`.
pub(super) fn scheme_text(scheme: Scheme) -> &'static [u8] {
    match scheme {
        Scheme::Http => b"http",
        Scheme::Https => b"https",
    }
}

fn any_line(fields: &Fields, name: &[u8], is_so: impl Fn(&[u8]) -> bool) -> Option<bool> {
    let mut lines = fields.iter().filter(|(other, _)| *other == name).peekable();
    lines.peek()?;
    Some(lines.any(|(_, value)| is_so(value)))
}

/// All cookies. HTTP/2 may split them into several lines (RFC 9113, 8.2.3).
fn cookies(fields: &Fields) -> Option<Cow<'_, [u8]>> {
    let mut lines = fields
        .iter()
        .filter_map(|(name, value)| (name == COOKIE).then_some(value));
    let first = lines.next()?;
    let Some(second) = lines.next() else {
        return Some(Cow::Borrowed(first));
    };
    let mut value = first.to_vec();
    for line in std::iter::once(second).chain(lines) {
        value.extend_from_slice(b"; ");
        value.extend_from_slice(line);
    }
    Some(Cow::Owned(value))
}

fn number(text: &[u8]) -> Option<i64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests;
