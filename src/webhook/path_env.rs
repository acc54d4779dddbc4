//! Environment for the proxy that the webhook's path carries:
//! `/inject/cluster/NAME/net/NAME`.
//!
//! A control plane that serves several clusters is told by the path which one
//! a review came from: the URL in the webhook configuration is the only thing
//! that differs between them.

use std::collections::BTreeMap;

/// The variables that a path may hold.
const MOST: usize = 64;

/// Why a path can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPath {
    /// It names a variable that no container may have.
    #[error(
        "the path's key {key:?} is not the name of an environment variable: use /inject/KEY/VALUE/..., where \
         KEY is `cluster`, `net` or made of letters, digits, `_`, `-` and `.`, not starting with a digit"
    )]
    Key {
        /// The key, or its start.
        key: String,
    },
    /// It names more variables than are allowed.
    #[error("the path names more than {MOST} variables")]
    TooMany,
}

/// Reads what follows `/inject/`, percent-decoded: pairs of key and value,
/// sorted by name. A key without a value at the end is dropped, as Istio does;
/// of two equal keys the last one counts.
///
/// # Errors
///
/// When a key can't be the name of an environment variable, or there are more than 64.
pub fn parse(rest: &str) -> Result<Vec<(String, String)>, InvalidPath> {
    let mut env = BTreeMap::new();
    let mut parts = rest.strip_suffix('/').unwrap_or(rest).split('/');
    while let (Some(key), Some(value)) = (parts.next(), parts.next()) {
        // A value can't contain a slash in a path.
        env.insert(variable(key)?, value.replace("--slash--", "/"));
        if env.len() > MOST {
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
            key: key[..key.floor_char_boundary(80)].to_owned(),
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
