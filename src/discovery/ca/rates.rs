//! How often one may ask.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// How many certificates one may ask for at once, after a while without.
pub(super) const BURST: u32 = 32;
/// The time between two of them in the long run.
pub(super) const EVERY: Duration = Duration::from_secs(2);
/// The most that are known. Each is forgotten a minute after it has asked last.
const KNOWN: usize = 1 << 16;

/// Counts who has asked for how much.
#[derive(Debug)]
pub(super) struct Rates<K>(Mutex<Known<K>>);

#[derive(Debug)]
struct Known<K> {
    /// Until when each has used up its share.
    used: HashMap<K, Instant>,
    /// How many there may be before those are looked for that can be forgotten.
    sweep_at: usize,
}

impl<K> Default for Rates<K> {
    fn default() -> Self {
        Self(Mutex::new(Known {
            used: HashMap::new(),
            sweep_at: 1024,
        }))
    }
}

impl<K: Hash + Eq> Rates<K> {
    /// Takes one of somebody's share.
    ///
    /// # Errors
    ///
    /// Returns how long to wait for the next one.
    pub fn take(&self, who: K) -> Result<(), Duration> {
        let now = Instant::now();
        // Counts are whole after any panic.
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.used.len() >= known.sweep_at {
            known.used.retain(|_, until| *until > now);
            known.sweep_at = (known.used.len() * 2).clamp(1024, KNOWN);
        }
        let is_full = known.used.len() >= KNOWN;
        if is_full && !known.used.contains_key(&who) {
            return Err(EVERY);
        }
        let until = known.used.entry(who).or_insert(now);
        let next = (*until).max(now) + EVERY;
        let share = EVERY * BURST;
        match (next - now).checked_sub(share) {
            Some(wait) if !wait.is_zero() => Err(wait),
            _ => {
                *until = next;
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_is_let_through_and_then_one_at_a_time() {
        let rates = Rates::default();
        for _ in 0..BURST {
            assert_eq!(rates.take("pod"), Ok(()));
        }
        assert_eq!(rates.take("pod"), Err(EVERY));
        assert_eq!(rates.take("other"), Ok(()));
        advance(EVERY / 2).await;
        assert_eq!(rates.take("pod"), Err(EVERY / 2));
        advance(EVERY / 2).await;
        assert_eq!(rates.take("pod"), Ok(()));
        assert_eq!(rates.take("pod"), Err(EVERY));
        // Who has been quiet has all of it again, and no more.
        advance(EVERY * BURST * 10).await;
        for _ in 0..BURST {
            assert_eq!(rates.take("pod"), Ok(()));
        }
        assert!(rates.take("pod").is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_are_quiet_are_forgotten() {
        let rates = Rates::default();
        for number in 0..KNOWN {
            assert_eq!(rates.take(number), Ok(()));
        }
        assert_eq!(rates.take(KNOWN), Err(EVERY));
        // Who is known goes on.
        assert_eq!(rates.take(0), Ok(()));
        advance(EVERY).await;
        assert_eq!(rates.take(KNOWN), Ok(()));
        assert_eq!(rates.0.lock().unwrap().used.len(), 2);
    }
}
