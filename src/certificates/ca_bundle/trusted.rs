//! The roots that API servers trust, and since when.

use std::{collections::BTreeMap, time::Duration};

use pillion_certs::{Bundle, Root};
use tokio::time::Instant;

/// The roots that API servers trust.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trusted {
    /// The roots in every webhook configuration, and since when each has been there. They
    /// may have been added by another replica.
    Roots(BTreeMap<Root, Instant>),
    /// Somebody else decides that (cert-manager's cainjector).
    LeftToOthers,
}

impl Trusted {
    /// No roots, or none that are known.
    pub const fn nothing() -> Self {
        Self::Roots(BTreeMap::new())
    }

    /// Returns the state after these roots were found. Roots that were trusted before keep
    /// their time.
    pub fn followed_by(&self, roots: &Bundle) -> Self {
        let since = |root: &Root| match self {
            Self::Roots(since) => since.get(root).copied(),
            Self::LeftToOthers => None,
        };
        let now = Instant::now();
        let roots = roots.roots().cloned();
        Self::Roots(
            roots
                .map(|root| (root.clone(), since(&root).unwrap_or(now)))
                .collect(),
        )
    }

    /// Returns for how long all of these roots have been trusted; `None` if one is not, or
    /// if that is not known.
    pub fn time_of(&self, wanted: &Bundle) -> Option<Duration> {
        let Self::Roots(since) = self else {
            return None;
        };
        let times = wanted.roots().map(|root| Some(since.get(root)?.elapsed()));
        // A root that is not trusted gives `None`, which is less than any time.
        times.min().flatten()
    }
}

#[cfg(test)]
mod tests {
    use pillion_certs::Authority;
    use time::OffsetDateTime;
    use tokio::time::advance;

    use super::*;

    const WHILE: Duration = Duration::from_secs(10);

    fn root() -> Bundle {
        let days = time::Duration::days(1);
        let authority = Authority::generate("ca", OffsetDateTime::now_utc(), days).unwrap();
        Bundle::from_pem(authority.certificate()).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn each_root_has_its_own_time() {
        let (old, new) = (root(), root());
        let both = old.clone().join(new.clone());
        let trusted = Trusted::nothing().followed_by(&old);
        advance(WHILE).await;
        let trusted = trusted.followed_by(&both);
        advance(WHILE).await;
        assert_eq!(trusted.time_of(&old), Some(2 * WHILE));
        assert_eq!(trusted.time_of(&both), Some(WHILE));
        let trusted = trusted.followed_by(&new);
        assert_eq!(trusted.time_of(&new), Some(WHILE));
        assert_eq!(trusted.time_of(&both), None);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_taken_out_begins_anew() {
        let root = root();
        let trusted = Trusted::nothing().followed_by(&root);
        advance(WHILE).await;
        let trusted = trusted.followed_by(&Bundle::default());
        assert_eq!(trusted.time_of(&root), None);
        let trusted = trusted.followed_by(&root);
        assert_eq!(trusted.time_of(&root), Some(Duration::ZERO));
    }
}
