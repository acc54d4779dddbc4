//! Environment variables of the proxy in the webhook's path:
//! `/inject/cluster/NAME/net/NAME`.
//!
//! A control plane that serves several clusters learns from the path which one a review
//! came from: only the URL in the webhook configuration differs between them.

use std::collections::BTreeMap;

use crate::text::shorten;

/// The maximum number of variables in a path.
const MAX_VARIABLES: usize = 64;

/// Why a path is invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPath {
    /// A key is not a valid name of an environment variable.
    #[error(
        "the path's key {key:?} is not the name of an environment variable: use /inject/KEY/VALUE/..., where \
         KEY is `cluster`, `net`, or consists of letters, digits, `_`, `-` and `.` and does not start with a digit"
    )]
    Key {
        /// The key, or its beginning.
        key: String,
    },
    /// The path has more variables than allowed.
    #[error("the path has more than {MAX_VARIABLES} variables")]
    TooMany,
}

/// Parses the percent-decoded path after `/inject/` into variables, sorted by name. A
/// key without a value at the end is ignored, as in Istio; the last of equal keys wins.
///
/// ```
/// let env = pillion::webhook::path_env::parse("cluster/east/net/blue").unwrap();
/// assert_eq!(env[0], ("ISTIO_META_CLUSTER_ID".to_owned(), "east".to_owned()));
/// assert_eq!(env[1], ("ISTIO_META_NETWORK".to_owned(), "blue".to_owned()));
/// ```
///
/// # Errors
///
/// Returns an error if a key is not a valid name of an environment variable, or if there
/// are more than 64 variables.
pub fn parse(rest: &str) -> Result<Vec<(String, String)>, InvalidPath> {
    let mut env = BTreeMap::new();
    let mut parts = rest.strip_suffix('/').unwrap_or(rest).split('/');
    while let (Some(key), Some(value)) = (parts.next(), parts.next()) {
        // A value in a path can't contain a slash itself.
        env.insert(variable(key)?, value.replace("--slash--", "/"));
        if env.len() > MAX_VARIABLES {
            return Err(InvalidPath::TooMany);
        }
    }
    Ok(env.into_iter().collect())
}

fn variable(key: &str) -> Result<String, InvalidPath> {
    let name = match key {
        "cluster" => "ISTIO_META_CLUSTER_ID".to_owned(),
        "net" => "ISTIO_META_NETWORK".to_owned(),
        other => other.to_ascii_uppercase(),
    };
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if name.is_empty()
        || name.starts_with(|c: char| c.is_ascii_digit())
        || !name.chars().all(allowed)
    {
        return Err(InvalidPath::Key {
            key: shorten(key, 80).to_owned(),
        });
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(rest: &str) -> Vec<(String, String)> {
        parse(rest).unwrap()
    }

    fn env(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn reads_nothing_from_an_empty_path() {
        assert_eq!(parsed(""), env(&[]));
        assert_eq!(parsed("/"), env(&[]));
    }

    #[test]
    fn translates_cluster_and_net() {
        assert_eq!(
            parsed("cluster/east-1/net/blue"),
            env(&[
                ("ISTIO_META_CLUSTER_ID", "east-1"),
                ("ISTIO_META_NETWORK", "blue")
            ])
        );
    }

    #[test]
    fn upper_cases_other_keys_and_sorts_by_name() {
        assert_eq!(
            parsed("zone/Z1/a_key/v"),
            env(&[("A_KEY", "v"), ("ZONE", "Z1")])
        );
    }

    #[test]
    fn restores_slashes_in_values_only() {
        assert_eq!(
            parsed("net/a--slash--b"),
            env(&[("ISTIO_META_NETWORK", "a/b")])
        );
        assert!(parse("a--slash--b/v").is_ok_and(|env| env[0].0 == "A--SLASH--B"));
    }

    #[test]
    fn drops_a_key_without_a_value() {
        assert_eq!(
            parsed("cluster/c1/net"),
            env(&[("ISTIO_META_CLUSTER_ID", "c1")])
        );
    }

    #[test]
    fn ignores_one_slash_at_the_end() {
        assert_eq!(
            parsed("cluster/c1/"),
            env(&[("ISTIO_META_CLUSTER_ID", "c1")])
        );
    }

    #[test]
    fn accepts_an_empty_value() {
        assert_eq!(
            parsed("zone//net/n"),
            env(&[("ISTIO_META_NETWORK", "n"), ("ZONE", "")])
        );
    }

    #[test]
    fn takes_the_last_of_equal_keys() {
        assert_eq!(parsed("net/a/net/b"), env(&[("ISTIO_META_NETWORK", "b")]));
    }

    #[test]
    fn rejects_more_variables_than_a_proxy_needs() {
        let path = |count: usize| {
            (0..count)
                .map(|key| format!("k{key}/v/"))
                .collect::<String>()
        };
        assert_eq!(parsed(&path(64)).len(), 64);
        assert_eq!(parse(&path(65)), Err(InvalidPath::TooMany));
    }

    #[test]
    fn rejects_keys_that_are_not_variable_names() {
        for path in ["a=b/v", "/v/w", "1st/v", "a b/v", ":ENV:net=n/x"] {
            assert!(parse(path).is_err(), "{path}");
        }
    }
}
