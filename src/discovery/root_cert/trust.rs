//! Which roots the namespaces trust, by their ConfigMaps.

use std::{collections::BTreeMap, time::Duration};

use pillion_certs::Bundle;

use super::found::Found;
use crate::certificates::ca_bundle::Trusted;

/// The roots that are or were in each of our ConfigMaps that count. A wanted root stays trusted from then on, so that
/// nobody can make the mesh wait again by editing a ConfigMap.
pub(super) fn trusted(
    found: &mut BTreeMap<String, Found>,
    wanted: &Bundle,
    patience: Duration,
    before: &Trusted,
) -> Trusted {
    if !found.values().any(Found::is_ours) {
        return Trusted::LeftToOthers;
    }
    let counted = found.values_mut();
    let counted = counted.filter_map(|found| found.counted(wanted, patience));
    let in_all = counted.reduce(|all, next| all.within(&next));
    let still = wanted.each().filter(|root| before.time_of(root).is_some());
    let roots = still.fold(in_all.unwrap_or_default(), Bundle::join);
    before.followed_by(&roots)
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;
    use crate::discovery::root_cert::found::tests::{map, root};

    const PATIENCE: Duration = Duration::from_secs(60);
    const WHILE: Duration = Duration::from_secs(10);

    /// Namespaces with ConfigMaps of ours.
    struct Namespaces {
        found: BTreeMap<String, Found>,
        trusted: Trusted,
    }

    impl Namespaces {
        fn new(names: &[&str], roots: &Bundle) -> Self {
            let mut namespaces = Self {
                found: BTreeMap::new(),
                trusted: Trusted::nothing(),
            };
            for name in names {
                namespaces.write(name, roots);
            }
            namespaces
        }

        /// Somebody writes these roots.
        fn write(&mut self, name: &str, roots: &Bundle) {
            let found = self.found.entry(name.to_owned()).or_default();
            found.record(Some(map(roots)), "istio-system");
        }

        /// What happens at each look, but for the writes: returns for how long the roots have been trusted.
        fn look(&mut self, wanted: &Bundle) -> Option<Duration> {
            let before = self.trusted.clone();
            self.trusted = trusted(&mut self.found, wanted, PATIENCE, &before);
            for found in self.found.values_mut() {
                found.due(wanted, PATIENCE, time::OffsetDateTime::UNIX_EPOCH);
            }
            self.trusted.time_of(wanted)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_root_is_trusted_when_it_is_in_all_namespaces() {
        let (old, new) = (root(), root());
        let both = old.clone().join(new);
        let mut namespaces = Namespaces::new(&["shop", "tenant"], &old);
        assert_eq!(namespaces.look(&old), Some(Duration::ZERO));
        namespaces.write("shop", &both);
        assert_eq!(namespaces.look(&both), None);
        advance(WHILE).await;
        namespaces.write("tenant", &both);
        assert_eq!(namespaces.look(&both), Some(Duration::ZERO));
        advance(WHILE).await;
        assert_eq!(namespaces.look(&both), Some(WHILE));
        assert_eq!(namespaces.trusted.time_of(&old), Some(2 * WHILE));
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_sets_the_time_back_by_editing_or_by_new_namespaces() {
        let (old, new) = (root(), root());
        let both = old.clone().join(new);
        let mut namespaces = Namespaces::new(&["shop", "tenant"], &old);
        // It is removed before the other namespace has it.
        namespaces.write("tenant", &both);
        namespaces.write("tenant", &old);
        namespaces.write("shop", &both);
        assert_eq!(namespaces.look(&both), Some(Duration::ZERO));
        for text in [&old, &both, &Bundle::default()] {
            advance(WHILE).await;
            namespaces.write("tenant", text);
            namespaces.look(&both);
        }
        // One that somebody made before we could.
        namespaces.write("made-up", &Bundle::default());
        assert_eq!(namespaces.look(&both), Some(3 * WHILE));
        // What is not wanted any more begins anew.
        namespaces.write("shop", &old);
        assert_eq!(namespaces.look(&old), Some(3 * WHILE));
        assert_eq!(namespaces.look(&both), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_namespace_that_can_t_be_written_is_waited_for_only_so_long() {
        let (old, new) = (root(), root());
        let both = old.clone().join(new);
        let mut namespaces = Namespaces::new(&["shop", "immutable"], &old);
        namespaces.write("shop", &both);
        assert_eq!(namespaces.look(&both), None);
        advance(PATIENCE - WHILE).await;
        assert_eq!(namespaces.look(&both), None);
        advance(WHILE).await;
        assert_eq!(namespaces.look(&both), Some(Duration::ZERO));
        // If no namespace can be written, nobody trusts it.
        let mut namespaces = Namespaces::new(&["immutable"], &old);
        namespaces.look(&both);
        advance(PATIENCE).await;
        assert_eq!(namespaces.look(&both), None);
    }

    #[test]
    fn without_a_map_of_ours_others_decide() {
        let mut found = BTreeMap::from([("shop".to_owned(), Found::default())]);
        let before = Trusted::nothing();
        let now = trusted(&mut found, &root(), PATIENCE, &before);
        assert_eq!(now, Trusted::LeftToOthers);
    }
}
