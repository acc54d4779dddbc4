//! The names that the other end may have.

use std::fmt;

/// A name that the other end may have: it must match the URI in its certificate.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SanMatch {
    /// The whole URI.
    UriExact(String),
    /// What the URI begins with, as `spiffe://cluster.local/ns/shop/`.
    UriPrefix(String),
}

impl SanMatch {
    /// Whether a URI is such a name.
    #[must_use]
    pub fn matches(&self, uri: &str) -> bool {
        match self {
            Self::UriExact(exact) => uri == exact,
            Self::UriPrefix(prefix) => uri.starts_with(prefix.as_str()),
        }
    }
}

impl fmt::Display for SanMatch {
    /// Writes the URI; a prefix ends in `*`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UriExact(exact) => f.write_str(exact),
            Self::UriPrefix(prefix) => write!(f, "{prefix}*"),
        }
    }
}
