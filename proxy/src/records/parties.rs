//! Who speaks to whom, where both have proved it.

use std::{collections::hash_map::RandomState, hash::BuildHasher as _, sync::LazyLock};

/// The identities of both ends of a connection.
#[derive(Debug)]
pub(crate) struct Parties {
    source: Box<str>,
    destination: Box<str>,
    key: u64,
}

/// Nobody can find two pairs with the same key, who does not know it.
static KEYS: LazyLock<RandomState> = LazyLock::new(RandomState::new);

impl Parties {
    /// A client and its server, such as `spiffe://cluster.local/ns/shop/sa/web`.
    pub fn new(source: &str, destination: &str) -> Self {
        Self {
            source: source.into(),
            destination: destination.into(),
            // 0 stands for nobody.
            key: KEYS.hash_one((source, destination)).max(1),
        }
    }

    /// The client.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Its server.
    pub fn destination(&self) -> &str {
        &self.destination
    }

    /// A number that stands for both, so that a request's series is found without comparing texts.
    pub(super) fn key(&self) -> u64 {
        self.key
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_stands_for_both_in_their_order() {
        let key = |source, destination| Parties::new(source, destination).key();
        assert_eq!(key("a", "b"), key("a", "b"));
        assert_ne!(key("a", "b"), key("b", "a"));
        assert_ne!(key("ab", ""), key("a", "b"));
        assert_ne!(key("", ""), 0);
    }
}
