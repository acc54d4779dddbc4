//! What files say that rules name.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{task::spawn_blocking, time::Instant};

/// How long files are not looked at again.
pub(super) const FRESH: Duration = Duration::from_secs(10);
/// Files, or groups of them, that are known: rules name them.
const MAX_KNOWN: usize = 256;

/// What is known of files by their paths. They are looked at when somebody needs them, on threads of their own.
#[derive(Debug)]
pub(super) struct Followed<P, K>(Mutex<HashMap<P, Arc<Place<K>>>>);

/// Whoever holds it looks at the files, and others wait for what comes out. It has the time of the last look.
type Place<K> = tokio::sync::Mutex<Option<(Instant, K)>>;

impl<P, K> Default for Followed<P, K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<P, K> Followed<P, K>
where
    P: Clone + Eq + Hash + Send + 'static,
    K: Clone + Send + 'static,
{
    /// What is known of the files with these paths. `look` looks at them again, and is told what was known before.
    /// `None` if the process is ending.
    pub async fn of(&self, paths: &P, look: fn(&P, Option<K>) -> K) -> Option<K> {
        let mut place = self.place(paths).lock_owned().await;
        let now = Instant::now();
        if let Some((looked, known)) = &*place
            && now.duration_since(*looked) < FRESH
        {
            return Some(known.clone());
        }
        let paths = paths.clone();
        // It keeps the place: whoever comes after one that gave up waits for the same look.
        let looking = spawn_blocking(move || {
            let before = place.take().map(|(_, known)| known);
            let known = look(&paths, before);
            *place = Some((now, known.clone()));
            known
        });
        looking.await.ok()
    }

    fn place(&self, paths: &P) -> Arc<Place<K>> {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = places.get(paths) {
            return Arc::clone(known);
        }
        if places.len() >= MAX_KNOWN {
            places.clear();
        }
        let place = places.entry(paths.clone()).or_default();
        Arc::clone(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::test_util::pass;

    /// How often it was looked.
    fn count(_: &u16, before: Option<u32>) -> u32 {
        before.unwrap_or_default() + 1
    }

    #[tokio::test]
    async fn files_are_looked_at_again_after_a_while() {
        let files = Followed::default();
        assert_eq!(files.of(&1, count).await, Some(1));
        assert_eq!(files.of(&1, count).await, Some(1));
        pass(FRESH).await;
        assert_eq!(files.of(&1, count).await, Some(2));
        assert_eq!(files.of(&2, count).await, Some(1));
    }

    #[tokio::test]
    async fn few_files_are_known() {
        let files = Followed::default();
        for paths in 0..2 * MAX_KNOWN {
            let _ = files.of(&u16::try_from(paths).unwrap(), count).await;
        }
        assert!(files.0.lock().unwrap().len() <= MAX_KNOWN);
    }
}
