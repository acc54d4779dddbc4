//! The conditions of a route.

use std::sync::Arc;

/// The conditions of a route, all of which must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouteMatch {
    /// The path, without the query.
    pub path: PathMatch,
    /// Whether an exact or prefix match of the path ignores case.
    pub ignore_path_case: bool,
    /// The method.
    pub method: Option<TextMatch>,
    /// The authority: the `Host` header, with its port.
    pub authority: Option<TextMatch>,
    /// The scheme.
    pub scheme: Option<TextMatch>,
    /// Headers, by their names in lower case and in that order. Each line of a
    /// repeated header is matched by itself.
    pub headers: Vec<(Arc<str>, ValueMatch)>,
    /// Headers that must not match, in the order of their names. A missing header counts
    /// as an empty one, except for [`ValueMatch::Present`].
    pub without_headers: Vec<(Arc<str>, ValueMatch)>,
    /// Query parameters, in the order of their names.
    pub query: Vec<(Arc<str>, ValueMatch)>,
}

impl RouteMatch {
    /// Whether every request matches, by Istio's test: the path is the prefix `/` or the
    /// regex `.*`, and nothing else is asked.
    pub fn is_catch_all(&self) -> bool {
        let path = match &self.path {
            PathMatch::Prefix(prefix) => &**prefix == "/",
            PathMatch::Regex(regex) => &**regex == ".*",
            PathMatch::Exact(_) => false,
        };
        path && self.method.is_none()
            && self.authority.is_none()
            && self.scheme.is_none()
            && self.headers.is_empty()
            && self.without_headers.is_empty()
            && self.query.is_empty()
    }
}

/// A condition on the path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PathMatch {
    /// It is this.
    Exact(Arc<str>),
    /// It begins with this, not only at a slash: `/foo` matches `/foobar`.
    Prefix(Arc<str>),
    /// All of it matches this regular expression (RE2).
    Regex(Arc<str>),
}

impl Default for PathMatch {
    /// Every path.
    fn default() -> Self {
        Self::Prefix("/".into())
    }
}

/// A condition on text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TextMatch {
    /// It is this.
    Exact(Arc<str>),
    /// It begins with this.
    Prefix(Arc<str>),
    /// All of it matches this regular expression (RE2).
    Regex(Arc<str>),
}

/// A condition on the value of a header or a query parameter.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ValueMatch {
    /// There is one, whatever its value.
    Present,
    /// There is one with a value that matches.
    Text(TextMatch),
}
