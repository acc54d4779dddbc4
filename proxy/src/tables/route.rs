//! Routes: the first one that matches decides.

use std::sync::Arc;

use http::StatusCode;

use super::Cluster;

/// Which paths a route is for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "the built-in tables have one route for all paths")
)]
pub(crate) enum PathMatch {
    /// Those that begin so, the query included.
    Prefix(String),
    /// That one, without its query.
    Exact(String),
}

/// What is done with a request.
#[derive(Debug, Clone)]
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "the built-in tables answer nothing themselves")
)]
pub(crate) enum Action {
    /// It goes to an endpoint of the cluster.
    Forward(Arc<Cluster>),
    /// It is answered here.
    Respond(StatusCode),
}

/// A route.
#[derive(Debug, Clone)]
pub(crate) struct Route {
    /// In logs.
    pub name: Arc<str>,
    pub path: PathMatch,
    pub action: Action,
}

impl PathMatch {
    /// Whether a request's path and query match.
    pub fn matches(&self, path: &[u8]) -> bool {
        match self {
            Self::Prefix(prefix) => path.starts_with(prefix.as_bytes()),
            Self::Exact(exact) => {
                let end = path.iter().position(|byte| *byte == b'?');
                path[..end.unwrap_or(path.len())] == *exact.as_bytes()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_paths() {
        let prefix = PathMatch::Prefix("/api".to_owned());
        assert!(prefix.matches(b"/api/v1?x=1") && !prefix.matches(b"/ap"));
        let exact = PathMatch::Exact("/login".to_owned());
        assert!(exact.matches(b"/login?next=/") && exact.matches(b"/login"));
        assert!(!exact.matches(b"/login/") && !exact.matches(b"/log"));
    }
}
